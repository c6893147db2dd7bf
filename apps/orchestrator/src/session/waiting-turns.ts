/** Turns that are over, or may be, and wait for their last words. Owns their order and whether one of them went on after all; hears nothing itself. */
import type { Clock } from "@antiphon/runtime";
import { type EndpointingOptions, endpointingDelayMs } from "./endpointing.ts";
import type { SpeechPart } from "./speech-segments.ts";

export interface FinishedTurn {
  /** "" where nothing was said. */
  text: string;
  /** It was `input_commit` that ended it. */
  committed: boolean;
  /** Where its first speech began in the input; undefined where nothing was said. */
  fromSample: number | undefined;
  /** Injected clock; undefined where nothing was said. */
  endOfSpeechMs: number | undefined;
  /** End of speech → the turn was declared over, or would have been, had its words been known by then. */
  endpointingMs: number;
  /** Turn over → last final transcript. */
  transcriptionMs: number;
}

export interface WaitingTurn {
  parts: readonly SpeechPart[];
  committed: boolean;
  endOfSpeechMs: number | undefined;
  /** Injected clock. Undefined: speech followed, and whether it was another turn's depends on words that are not known yet. */
  overMs: number | undefined;
  /** Silence after it. */
  silentMs: number;
}

export interface WaitingTurnsOptions {
  clock: Clock;
  endpointing: EndpointingOptions;
  onEnded(turn: FinishedTurn): void;
}

/** Oldest first; each is given out once, when it and all before it have their words. Belongs to one session. */
export class WaitingTurns {
  readonly #options: WaitingTurnsOptions;
  readonly #turns: WaitingTurn[] = [];

  constructor(options: WaitingTurnsOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#turns.length;
  }

  get committed(): number {
    return this.#turns.filter((turn) => turn.committed).length;
  }

  /** The newest ended, or may have ended, by silence alone. */
  get newestBySilence(): WaitingTurn | undefined {
    const newest = this.#turns.at(-1);
    return newest?.committed === false ? newest : undefined;
  }

  /** What comes after them may yet belong to one of them. */
  get undecided(): boolean {
    return this.#turns.some((turn) => turn.overMs === undefined);
  }

  push(turn: WaitingTurn): void {
    this.#turns.push(turn);
  }

  /** The newest goes on: it waits no longer, and its parts are the open turn's again. */
  reopen(): readonly SpeechPart[] {
    return this.newestBySilence === undefined ? [] : (this.#turns.pop()?.parts ?? []);
  }

  /** Gives out what can be. Returns the parts of a turn that went on in the one that is still open. */
  settle(): readonly SpeechPart[] {
    for (let turn = this.#turns[0]; turn && wordsKnown(turn.parts); turn = this.#turns[0]) {
      this.#turns.shift();
      const delayMs = endpointingDelayMs(textOf(turn.parts), this.#options.endpointing);
      if (turn.overMs !== undefined || turn.silentMs >= delayMs) {
        this.#options.onEnded(this.#finished(turn, delayMs));
        continue;
      }
      const next = this.#turns[0];
      if (next === undefined) return turn.parts;
      next.parts = [...turn.parts, ...next.parts];
    }
    return [];
  }

  #finished(turn: WaitingTurn, delayMs: number): FinishedTurn {
    const nowMs = this.#options.clock.nowMs();
    const { parts, committed, endOfSpeechMs } = turn;
    const overMs = turn.overMs ?? Math.min(nowMs, (endOfSpeechMs ?? nowMs) + delayMs);
    return {
      text: closed(textOf(parts)),
      committed,
      fromSample: parts[0]?.fromSample,
      endOfSpeechMs,
      endpointingMs: Math.max(0, overMs - (endOfSpeechMs ?? overMs)),
      transcriptionMs: nowMs - overMs,
    };
  }
}

export function wordsKnown(parts: readonly SpeechPart[]): boolean {
  return parts.every((part) => part.text !== undefined);
}

/** What they say together; a part whose words are not known yet says nothing. */
export function textOf(parts: ReadonlyArray<Pick<SpeechPart, "text">>): string {
  return parts
    .map((part) => part.text ?? "")
    .filter((text) => text !== "")
    .join(" ");
}

/** Recognisers end a segment in mid-sentence with a comma; when the turn is over, so is the sentence. */
export function closed(text: string): string {
  return text.replace(/[,;:]+$/u, ".");
}
