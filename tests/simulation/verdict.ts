/** What a run broke. Collects instead of throwing: product code may catch what is thrown through it. */

/** The promises that are checked; the names say which one a violation broke. */
export type Invariant =
  /** At most one reply plays, and its frames are its own. */
  | "one-reply"
  /** After STOP nothing of that reply leaves or is played. */
  | "after-stop"
  /** Frames leave 20 ms apart, no more than the lead ahead. */
  | "pace"
  /** No more unacknowledged audio than credit allows. */
  | "credit"
  /** No gap and no repeat, in numbers, positions and samples. */
  | "sequence"
  /** Every sample that sounds is the next one of its reply. */
  | "samples"
  /** What sounds was synthesised for this utterance, once, in order. */
  | "content"
  /** Each utterance and each reply ends exactly once. */
  | "terminal"
  /** No queue passes its bound. */
  | "bound"
  /** The history holds what was played, nothing else. */
  | "history"
  /** The person's words arrive once and in order. */
  | "turns"
  /** PAUSE holds everywhere, and not for ever. */
  | "held"
  /** Decisions and states follow each other as they may. */
  | "decisions"
  /** Messages are what the protocol says. */
  | "protocol"
  /** Once nothing fails any more: LISTENING or TERMINATED in time. */
  | "quiet"
  /** At the end nothing is left open. */
  | "leak"
  /** Nothing throws that has no name. */
  | "fault";

export interface Violation {
  invariant: Invariant;
  atMs: number;
  what: string;
}

export class Verdict {
  readonly violations: Violation[] = [];
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get clean(): boolean {
    return this.violations.length === 0;
  }

  demand(holds: boolean, invariant: Invariant, otherwise: string | (() => string)): void {
    if (holds) return;
    const what = typeof otherwise === "string" ? otherwise : otherwise();
    this.violations.push({ invariant, atMs: this.#nowMs(), what });
  }
}
