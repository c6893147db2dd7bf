/** From detected speech to words: which frames a recogniser is given, one segment after another, and what becomes of each. Decides neither what speech is nor when a turn is over. */
import { FRAME_SAMPLES, SAMPLE_RATE_HZ } from "@antiphon/protocol";
import type { InputAudio } from "./input-audio.ts";
import type { TranscriptionSegment, TranscriptionStream } from "./ports.ts";

/** One segment, complete. */
export interface SpeechPart {
  /** Undefined until the recogniser has said it, "" where it heard or knew no words. */
  text: string | undefined;
  /** Where its speech began; the recogniser was given a little more. */
  fromSample: number;
  /** How much the recogniser was given. */
  audioMs: number;
}

export interface SpeechSegmentsOptions {
  audio: InputAudio;
  transcription: TranscriptionStream;
  /** Of the segment under way: `partial` has changed. */
  onPartial(): void;
  /** The part has its text. */
  onFinal(part: SpeechPart): void;
  onError(reason: unknown): void;
  /** One of these callbacks threw. */
  onFault(reason: unknown): void;
}

/** At most one segment is under way; the recogniser is given no sample twice. Belongs to one session. */
export class SpeechSegments {
  readonly #options: SpeechSegmentsOptions;
  #segment:
    | {
        port: TranscriptionSegment;
        fromSample: number;
        startSample: number;
        partial: string;
        partialEndSample: number;
      }
    | undefined;
  /** The recogniser was given what it was given up to here. */
  #forwardedSample = 0;
  #pendingFinals = 0;
  #confidence = 1;
  #closed = false;

  constructor(options: SpeechSegmentsOptions) {
    this.#options = options;
  }

  get underWay(): boolean {
    return this.#segment !== undefined;
  }

  /** What the segment under way says so far. */
  get partial(): string {
    return this.#segment?.partial ?? "";
  }

  /** Up to where `partial` covers it. */
  get partialEndSample(): number {
    return this.#segment?.partialEndSample ?? this.#forwardedSample;
  }

  /** Of the newest words, partial or final, 0 to 1. */
  get confidence(): number {
    return this.#confidence;
  }

  /** Asks for a partial of what the recogniser was given. */
  flush(): void {
    this.#segment?.port.flush();
  }

  get pendingFinals(): number {
    return this.#pendingFinals;
  }

  /** Speech began at this sample. */
  begin(atSample: number): void {
    this.#begin(atSample, Math.max(this.#forwardedSample, atSample - samplesOf(LEAD_IN_MS)));
  }

  /**
   * Sends what the detector has shown to be speech, and a short tail; the rest waits for its judgement. Recognisers take a bounded
   * segment: endless speech is cut where it stands, and the part is returned.
   */
  forward(lastSpeechSample: number): SpeechPart | undefined {
    const segment = this.#segment;
    if (segment === undefined) return undefined;
    const untilSample = lastSpeechSample + samplesOf(TAIL_MS);
    for (const frame of this.#options.audio.from(this.#forwardedSample)) {
      if (frame.startSample + FRAME_SAMPLES > untilSample) break;
      segment.port.push(bytesOf(frame.samples));
      this.#forwardedSample = frame.startSample + FRAME_SAMPLES;
    }
    if (this.#forwardedSample - segment.startSample < samplesOf(SEGMENT_MS_MAX)) return undefined;
    return this.cut();
  }

  /** The segment is complete, and another begins where it ends. Undefined where none is under way. */
  cut(): SpeechPart | undefined {
    const part = this.end();
    if (part !== undefined) this.#begin(this.#forwardedSample, this.#forwardedSample);
    return part;
  }

  /** The segment is complete: its words come later. Undefined where none is under way. */
  end(): SpeechPart | undefined {
    const segment = this.#segment;
    if (segment === undefined) return undefined;
    this.#segment = undefined;
    const audioMs = msOf(this.#forwardedSample - segment.startSample);
    const part: SpeechPart = { text: undefined, fromSample: segment.fromSample, audioMs };
    this.#pendingFinals++;
    segment.port
      .finish()
      .then(
        (final) => {
          this.#confidence = final.confidence;
          return final.text.trim();
        },
        (reason: unknown) => {
          if (!this.#closed) this.#options.onError(reason);
          return "";
        },
      )
      .then((text) => {
        part.text = text;
        this.#pendingFinals--;
        if (!this.#closed) this.#options.onFinal(part);
      })
      .catch(this.#options.onFault);
    return part;
  }

  close(): void {
    this.#closed = true;
    this.#segment?.port.cancel();
    this.#segment = undefined;
    this.#options.transcription.close();
  }

  #begin(fromSample: number, startSample: number): void {
    this.#forwardedSample = Math.max(0, startSample);
    const segment = {
      fromSample,
      startSample: this.#forwardedSample,
      partial: "",
      partialEndSample: this.#forwardedSample,
      port: this.#options.transcription.begin(({ text, audioMs, confidence }) => {
        if (this.#segment !== segment) return;
        segment.partial = text;
        this.#confidence = confidence;
        segment.partialEndSample = segment.startSample + samplesOf(audioMs);
        this.#options.onPartial();
      }),
    };
    this.#segment = segment;
  }
}

function samplesOf(ms: number): number {
  return (ms * SAMPLE_RATE_HZ) / 1000;
}

function msOf(samples: number): number {
  return (samples * 1000) / SAMPLE_RATE_HZ;
}

function bytesOf(samples: Int16Array): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
}

/** Enough for the first sound of a word; more brings in silence, which recognisers answer with nothing. */
const LEAD_IN_MS = 250;
/** A final consonant is quieter than the detector's threshold. */
const TAIL_MS = 150;
/** Recognition of a segment grows with its length; a breath comes sooner in nearly all speech. */
const SEGMENT_MS_MAX = 15_000;
