/** What a session is made of: the ports it uses, how its operator wants it to run, and who it is. Types only. */
import type { Clock } from "@antiphon/runtime";
import type { ConversationEntry } from "./conversation.ts";
import type { InterruptionSettings } from "./interruption-settings.ts";
import type { LanguageModel, Synthesizer, Transcriber, VoiceActivityDetector } from "./ports.ts";
import type { Ticker } from "./ticker.ts";

export interface SessionDeps {
  clock: Clock;
  ticker: Ticker;
  detector: VoiceActivityDetector;
  transcriber: Transcriber;
  synthesizer: Synthesizer;
  llm: LanguageModel;
  /** How the operator wants sessions to run; a client's options go before. */
  defaults: SessionDefaults;
}

export interface SessionDefaults {
  instructions: string;
  language: string;
  /** Undefined: the pool's own. */
  voice: string | undefined;
  /** Silence that ends a turn: after a sentence that sounds complete, and at most. */
  endpointing: { minDelayMs: number; maxDelayMs: number };
  interruption: InterruptionSettings;
  preemptiveGeneration: boolean;
  idleTimeoutMs: number;
  synthesisOpenTimeoutMs: number;
}

export interface SessionIdentity {
  sessionId: string;
  leaseEpoch: number;
  /** Of the orchestrator before this one, if there was one. */
  history: readonly ConversationEntry[];
  turnNumber: number;
  /** The person's newest turn is still to be answered, and nothing of an answer was heard. */
  owesAnswer: boolean;
}
