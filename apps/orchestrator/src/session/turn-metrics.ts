/** Latency of one turn, stage by stage, on the injected clock. Measures; sends nothing. */
import type { ServerMessageOf } from "@antiphon/protocol";
import type { FinishedTurn } from "./user-turn.ts";

/** Stamps of one reply; each is taken once. */
export class TurnMetrics {
  readonly #spoken: FinishedTurn | undefined;
  readonly #stamps = new Map<Stage, number>();

  /** `spoken`: the turn that the reply answers, where it was spoken. */
  constructor(spoken: FinishedTurn | undefined) {
    this.#spoken = spoken;
  }

  stamp(stage: Stage, nowMs: number): void {
    if (!this.#stamps.has(stage)) this.#stamps.set(stage, nowMs);
  }

  get firstAudioLatencyMs(): number | undefined {
    return this.#between("synthesis-requested", "first-audio");
  }

  get endOfSpeechToFirstAudioMs(): number | undefined {
    const end = this.#spoken?.endOfSpeechMs;
    const released = this.#stamps.get("first-frame-released");
    return end === undefined || released === undefined ? undefined : round(released - end);
  }

  message(turn: number, replyId: string): ServerMessageOf<"metrics"> {
    const spoken = this.#spoken?.endOfSpeechMs === undefined ? undefined : this.#spoken;
    return {
      type: "metrics",
      turn,
      replyId,
      ...defined({
        endOfSpeechToFirstAudioMs: this.endOfSpeechToFirstAudioMs,
        endpointingMs: spoken && round(spoken.endpointingMs),
        transcriptionMs: spoken && round(spoken.transcriptionMs),
        llmFirstTokenMs: this.#between("llm-requested", "llm-first-token"),
        firstAudioLatencyMs: this.firstAudioLatencyMs,
      }),
    };
  }

  #between(from: Stage, to: Stage): number | undefined {
    const start = this.#stamps.get(from);
    const end = this.#stamps.get(to);
    return start === undefined || end === undefined ? undefined : round(end - start);
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
