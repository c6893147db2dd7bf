/** Latency of one turn, stage by stage, on the injected clock. Measures; sends nothing. */
import type { ServerMessageOf } from "@antiphon/protocol";
import type { FinishedTurn } from "./waiting-turns.ts";

/** Stamps of one reply; each is taken once. */
export class TurnMetrics {
  readonly #spoken: FinishedTurn | undefined;
  readonly #preemptive: boolean;
  readonly #stamps = new Map<Stage, number>();

  /** `spoken`: the turn that the reply answers, where it was spoken. `preemptive`: the answer was begun before that was over. */
  constructor(spoken: FinishedTurn | undefined, preemptive: boolean) {
    this.#spoken = spoken;
    this.#preemptive = preemptive;
  }

  stamp(stage: Stage, nowMs: number): void {
    if (!this.#stamps.has(stage)) this.#stamps.set(stage, nowMs);
  }

  get firstAudioLatencyMs(): number | undefined {
    return this.#between("synthesis-requested", "first-audio");
  }

  get endOfSpeechToFirstAudioMs(): number | undefined {
    return this.#since(this.#spoken?.endOfSpeechMs, "first-frame-released");
  }

  message(turn: number, replyId: string): ServerMessageOf<"metrics"> {
    const spoken = this.#spoken?.endOfSpeechMs === undefined ? undefined : this.#spoken;
    const overMs = spoken && (spoken.endOfSpeechMs ?? 0) + spoken.endpointingMs;
    const knownMs = spoken && (overMs ?? 0) + spoken.transcriptionMs;
    return {
      type: "metrics",
      turn,
      replyId,
      ...(this.#preemptive ? { preemptive: true } : {}),
      ...defined({
        endOfSpeechToFirstAudioMs: this.endOfSpeechToFirstAudioMs,
        endpointingMs: spoken && round(spoken.endpointingMs),
        transcriptionMs: spoken && round(spoken.transcriptionMs),
        endpointToFirstAudioMs: this.#since(overMs, "first-frame-released"),
        llmRequestMs: this.#since(knownMs, "llm-requested"),
        llmFirstTokenMs: this.#between("llm-requested", "llm-first-token"),
        firstTextMs: this.#between("llm-first-token", "synthesis-requested"),
        firstAudioLatencyMs: this.firstAudioLatencyMs,
        firstFrameMs: this.#between("first-audio", "first-frame-released"),
      }),
    };
  }

  #between(from: Stage, to: Stage): number | undefined {
    return this.#since(this.#stamps.get(from), to);
  }

  #since(startMs: number | undefined, stage: Stage): number | undefined {
    const endMs = this.#stamps.get(stage);
    return startMs === undefined || endMs === undefined ? undefined : round(endMs - startMs);
  }
}

export type Stage =
  | "llm-requested"
  | "llm-first-token"
  | "synthesis-requested"
  | "first-audio"
  | "first-frame-released";

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}

function defined<T extends Record<string, number | undefined>>(
  values: T,
): { [K in keyof T]?: number } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: number;
  };
}
