/** How speech over a reply is judged: the settings, and what a session's own options make of the operator's. Judges nothing. */
import type { InterruptionOptions } from "@antiphon/protocol";

/** See `InterruptionOptionsSchema` for what each means; `backchannels` undefined: the built-in list of the session's language. */
export interface InterruptionSettings {
  enabled: boolean;
  mode: "adaptive" | "vad";
  minDurationMs: number;
  minWords: number;
  falseInterruptionTimeoutMs: number;
  resumeFalseInterruption: boolean;
  backchannels: readonly string[] | undefined;
}

/** A session's options go before the operator's defaults, field by field. */
export function interruptionSettings(
  defaults: InterruptionSettings,
  options: InterruptionOptions = {},
): InterruptionSettings {
  const given = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  );
  return { ...defaults, ...given };
}
