/** One utterance of a stream: its text as it arrives, how it is to be spoken, how much of it was sent. */
import { AntiphonError, TEXT_BYTES_MAX } from "@antiphon/protocol";
import { BoundedQueue } from "@antiphon/runtime";
import type { InferenceProcess } from "./inference/inference-process.ts";
import { SentenceSplitter } from "./sentence-splitter.ts";

/** How a session speaks; an utterance keeps what was in force when it was begun. */
export interface VoiceSettings {
  process: InferenceProcess;
  model: string;
  voice: string;
  language: string;
  speed: number;
  gainDb: number;
}

export class Utterance {
  readonly id: string;
  readonly attempt: number;
  readonly settings: VoiceSettings;
  /** Sentences, closed by `end`. */
  readonly pieces = new BoundedQueue<string>({ max: PIECES_MAX, overflow: "reject" });
  readonly #controller = new AbortController();
  readonly #splitter: SentenceSplitter;
  #textBytes = 0;
  #textEnded = false;
  /** Counted as frames leave the gate. */
  samplesSent = 0;

  constructor(options: { id: string; attempt: number; settings: VoiceSettings }) {
    this.id = options.id;
    this.attempt = options.attempt;
    this.settings = options.settings;
    this.#splitter = new SentenceSplitter(options.settings.language);
  }

  /** Aborted when nobody wants the utterance any more. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Throws `too_large` and `invalid_argument`; the utterance is then to be failed. */
  addText(text: string): void {
    if (this.#textEnded) throw new AntiphonError("invalid_argument", "Text came after its end.");
    const bytes = Buffer.byteLength(text);
    if (bytes > TEXT_BYTES_MAX) {
      throw new AntiphonError(
        "too_large",
        `A text has at most ${TEXT_BYTES_MAX} bytes, not ${bytes}.`,
      );
    }
    this.#textBytes += bytes;
    if (this.#textBytes > UTTERANCE_BYTES_MAX) throw tooLarge();
    this.#add(this.#splitter.push(text));
  }

  endText(): void {
    if (this.#textEnded) return;
    this.#textEnded = true;
    this.#add(this.#splitter.flush());
    this.pieces.close();
  }

  /** Stops computation wherever it is. */
  abort(): void {
    this.#controller.abort();
    this.pieces.close();
    this.pieces.drain();
  }

  #add(pieces: readonly string[]): void {
    for (const piece of pieces) if (this.pieces.push(piece) === "rejected") throw tooLarge();
  }
}

function tooLarge(): AntiphonError {
  return new AntiphonError("too_large", "The utterance is longer than 64 KiB or 2,000 sentences.");
}

/** An hour of speech: no reply is longer, and it bounds what a stream can make us hold. */
const UTTERANCE_BYTES_MAX = 64 * 1024;
const PIECES_MAX = 2_000;
