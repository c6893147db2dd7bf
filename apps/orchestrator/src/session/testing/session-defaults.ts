/** What a session under test runs with unless its story says otherwise. */
import type { SessionDefaults } from "../session-deps.ts";

export const SESSION_DEFAULTS: SessionDefaults = {
  instructions: "",
  language: "en",
  voice: undefined,
  endpointing: { minDelayMs: 600, maxDelayMs: 600 },
  interruption: {
    enabled: true,
    mode: "adaptive",
    minDurationMs: 700,
    minWords: 1,
    falseInterruptionTimeoutMs: 800,
    resumeFalseInterruption: true,
    backchannels: undefined,
  },
  preemptiveGeneration: false,
  idleTimeoutMs: 600_000,
  synthesisOpenTimeoutMs: 5_000,
};
