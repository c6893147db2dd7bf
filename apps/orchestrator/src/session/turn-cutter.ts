/** Which segments of speech make one turn: the open one, and those that wait for their words. Owns that decision and their order; is told of speech and silence, and hears nothing itself. */
import { AntiphonError } from "@antiphon/protocol";
import type { Clock } from "@antiphon/runtime";
import { type EndpointingOptions, endingOf, endpointingDelayMs } from "./endpointing.ts";
import type { SpeechPart } from "./speech-segments.ts";
import { closed, type FinishedTurn, textOf, WaitingTurns, wordsKnown } from "./waiting-turns.ts";

export interface TurnCutterOptions {
  clock: Clock;
  endpointing: EndpointingOptions;
  /** "samples": a recording, which is to be cut alike at any pace. */
  inputClock: "realtime" | "samples";
  /**
   * Silence, and all words of the open turn are known and may be all of it: what it will have been if it ends here. Undefined once the
   * person goes on.
   */
  onPause(paused: PausedTurn | undefined): void;
  onTurnEnded(turn: FinishedTurn): void;
}

export interface PausedTurn {
  /** As it would be handed over. */
  text: string;
  /** Speech in it. */
  spokenMs: number;
}

/**
 * Ends a turn by silence or by a commit, each once. Where only a commit ends turns, nobody commits a noise: a turn without any words ends as
 * soon as that is known.
 *
 * No silence but the longest ends a turn whose words are not known yet: they may ask for more. Nothing is lost by it, since no answer
 * begins without them. Speech before the words of a turn that only silence had ended goes on with it; only in a recording, which may be
 * faster than its transcripts, such a turn is set aside, and its words decide whether that silence was enough.
 */
export class TurnCutter {
  readonly #options: TurnCutterOptions;
  readonly #waiting: WaitingTurns;
  /** Complete segments of the open turn, in order; texts arrive when they may. */
  #parts: SpeechPart[] = [];
  /** Injected clock. */
  #endOfSpeechMs = 0;
  /** Silence since then, up to the newest sound that may yet turn out to be speech. */
  #silentMs = 0;
  #commitsExpected = 0;
  #pauseTold = false;

  constructor(options: TurnCutterOptions) {
    this.#options = options;
    const { clock, endpointing } = options;
    this.#waiting = new WaitingTurns({
      clock,
      endpointing,
      onEnded: (turn) => options.onTurnEnded(turn),
    });
  }

  /** Something was said in the open turn, or it is to be committed. */
  get open(): boolean {
    return this.#parts.length > 0 || this.#commitsExpected > 0;
  }

  /** Turns before the open one have no words yet. */
  get waiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** The open turn's words, and what is being said. */
  textWith(partial: string): string {
    return textOf([...this.#parts, { text: partial }]);
  }

  speechStarted(): void {
    if (this.#pauseTold) this.#options.onPause(undefined);
    this.#pauseTold = false;
    if (this.#options.inputClock === "samples") this.#setAside();
    else this.#parts = [...this.#waiting.reopen(), ...this.#parts];
  }

  /** A segment is complete. */
  add(part: SpeechPart): void {
    this.#parts.push(part);
    if (this.#tooLong()) this.#end(false, this.#options.clock.nowMs());
  }

  /** `endOfSpeechMs`: the injected clock's reading when it ended. */
  speechEnded(endOfSpeechMs: number): void {
    this.#endOfSpeechMs = endOfSpeechMs;
    this.#silentMs = 0;
  }

  /** Nobody has spoken for so long. */
  silence(silentMs: number): void {
    this.#silentMs = silentMs;
    if (this.#silentLongEnough() || this.#tooLong()) {
      this.#end(false, this.#options.clock.nowMs());
    }
  }

  /** Of some segment. Words that come later than the silence that they ask for end the turn at once: it was over when that had passed. */
  wordsCame(speaking: boolean): void {
    this.#settle();
    if (speaking) return;
    if (this.#silentLongEnough()) {
      const overMs = this.#endOfSpeechMs + this.#delayMs;
      this.#end(false, Math.min(this.#options.clock.nowMs(), overMs));
    } else if (this.#isNoise()) this.#end(false, this.#options.clock.nowMs());
    else this.#reportPause();
  }

  /** `commit` follows once everything before it was heard; until then silence ends nothing. */
  expectCommit(): void {
    if (this.#commitsExpected + this.#waiting.committed >= COMMITS_MAX) {
      throw new AntiphonError(
        "overloaded",
        "Too many input_commit at once; await input_committed.",
        {
          details: { retryAfterMs: 1_000 },
        },
      );
    }
    this.#commitsExpected++;
  }

  commit(): void {
    this.#commitsExpected--;
    const last = this.#waiting.newestBySilence;
    // The turn that silence ended a moment ago is the one that was meant.
    if (this.#parts.length === 0 && last !== undefined) last.committed = true;
    else this.#end(true, this.#options.clock.nowMs());
  }

  /** Ends the open turn where it stands, unless a commit is to end it. */
  end(): void {
    if (this.#parts.length === 0 || this.#commitsExpected > 0) return;
    this.#end(false, this.#options.clock.nowMs());
  }

  #silentLongEnough(): boolean {
    if (this.#options.endpointing.mode === "manual" || this.#parts.length === 0) return false;
    return this.#commitsExpected === 0 && this.#silentMs >= this.#delayMs;
  }

  #isNoise(): boolean {
    if (this.#options.endpointing.mode === "auto" || this.#commitsExpected > 0) return false;
    return this.#parts.length > 0 && this.#decidable && textOf(this.#parts) === "";
  }

  get #delayMs(): number {
    const { endpointing } = this.#options;
    if (!this.#decidable) return endpointing.maxDelayMs;
    return endpointingDelayMs(textOf(this.#parts), endpointing);
  }

  /** All words of the open turn are known, and where it began. */
  get #decidable(): boolean {
    return wordsKnown(this.#parts) && !this.#waiting.undecided;
  }

  #tooLong(): boolean {
    return textOf(this.#parts).length > TURN_CHARS_MAX;
  }

  #setAside(): void {
    const { mode, minDelayMs } = this.#options.endpointing;
    if (mode === "manual" || this.#parts.length === 0 || this.#decidable) return;
    if (this.#silentMs >= minDelayMs) this.#end(false, undefined);
  }

  /** `overMs` undefined: if at all, its words will say when. */
  #end(committed: boolean, overMs: number | undefined): void {
    const endOfSpeechMs = this.#parts.length > 0 ? this.#endOfSpeechMs : undefined;
    const silentMs = this.#silentMs;
    this.#waiting.push({ parts: this.#parts, committed, overMs, endOfSpeechMs, silentMs });
    this.#parts = [];
    this.#pauseTold = false;
    this.#settle();
  }

  #settle(): void {
    this.#parts = [...this.#waiting.settle(), ...this.#parts];
  }

  #reportPause(): void {
    const { endpointing, onPause } = this.#options;
    const text = textOf(this.#parts);
    if (endpointing.mode === "manual" || this.#commitsExpected > 0) return;
    if (text === "" || !wordsKnown(this.#parts) || this.waiting) return;
    if (endingOf(text, endpointing.language) === "unfinished") return;
    this.#pauseTold = true;
    const spokenMs = this.#parts.reduce((sum, part) => sum + part.audioMs, 0);
    onPause({ text: closed(text), spokenMs });
  }
}

/** Nobody lets go of a button this often within the time of one transcript. */
const COMMITS_MAX = 8;
/** Half an hour of speech without a pause or a commit: it has to be answered some time, and each message holds all of it. */
const TURN_CHARS_MAX = 24_000;
