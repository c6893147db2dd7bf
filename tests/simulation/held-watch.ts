/** Watches interruptions from the person's side: that speech pauses at once, that PAUSE reaches the voice, and that nothing is held for ever. Demands, and changes nothing. */
import { createVad, type Vad } from "@antiphon/audio";
import type { SessionOptions } from "@antiphon/protocol";
import type { VadWindow } from "../../apps/orchestrator/src/session/ports.ts";
import type { BookedReply, ReplyBook } from "./reply-book.ts";
import type { Verdict } from "./verdict.ts";
import type { Party } from "./virtual-clock.ts";
import type { VoiceCounts } from "./watched-synthesizer.ts";

export interface HeldWatchOptions {
  party: Party;
  verdict: Verdict;
  book: ReplyBook;
  voice: VoiceCounts;
  /** PAUSE was said to every voice that speaks. */
  gatesShut(): boolean;
  /** The session says that the person speaks: it takes them for no echo. */
  heard(): boolean;
  options: SessionOptions;
}

export class HeldWatch {
  readonly #options: HeldWatchOptions;
  readonly #vad: Vad = createVad({ minSpeechMs: SPEECH_MS_MAX });
  #quietWindows = 0;
  /** What sounded in the last window of silence, and how often it had been held. */
  #before: { reply: BookedReply; pauseSeq: number; resumeSeq: number } | undefined;
  #speechMs = 0;

  constructor(options: HeldWatchOptions) {
    this.#options = options;
  }

  /** Before the session gets it. */
  window(window: VadWindow): void {
    this.#quietWindows = window.probability >= SPEECH_PROBABILITY_MIN ? 0 : this.#quietWindows + 1;
    if (this.#quietWindows < SILENCE_WINDOWS_MIN) return;
    const reply = this.#options.book.sounding;
    this.#before = reply && { reply, pauseSeq: reply.pauseSeq, resumeSeq: reply.resumeSeq };
  }

  judged(window: VadWindow): void {
    const { party, verdict, options, heard } = this.#options;
    const started = this.#vad.push(window).some((event) => event.kind === "speech-started");
    if (this.#vad.speaking) this.#speechMs = party.nowMs();
    if (!started || this.#before === undefined || options.interruption?.enabled === false) return;
    // What is an echo and what is not is for recordings to show.
    if (!heard()) return;
    const { reply, pauseSeq, resumeSeq } = this.#before;
    verdict.demand(
      reply.heldSinceMs !== undefined ||
        reply.pauseSeq > pauseSeq ||
        // Understood as a hum in mid-sound: it went on, and is listened to on.
        reply.resumeSeq > resumeSeq ||
        reply.stoppedMs !== undefined ||
        reply.done,
      "held",
      () => `somebody speaks over ${reply.replyId}, and it goes on`,
    );
  }

  /** After each step. */
  step(): void {
    const { party, verdict, book, voice, gatesShut } = this.#options;
    const reply = book.sounding;
    if (reply?.heldSinceMs === undefined) return;
    verdict.demand(
      (voice.paused && gatesShut()) || voice.claims === 0,
      "held",
      () => `${reply.replyId} is held, and its voice was not told`,
    );
    const sinceMs = Math.max(this.#speechMs, reply.heldSinceMs, party.stalledUntilMs);
    verdict.demand(
      party.nowMs() - sinceMs <= UNDECIDED_MS_MAX,
      "held",
      () => `${reply.replyId} is held for ${party.nowMs() - sinceMs} ms after the last speech`,
    );
  }
}

/** Whatever waits longer before it pauses is deaf; a window here and there may be taken for an echo. */
const SPEECH_MS_MAX = 480;
const SPEECH_PROBABILITY_MIN = 0.35;
/** 256 ms: what follows is another sound. */
const SILENCE_WINDOWS_MIN = 8;
/** The longest time-out that is drawn, and a detector and a recogniser at their latest. */
const UNDECIDED_MS_MAX = 4_000;
