/** A simulated worker's recogniser: understands the words that are coded into the audio it was really given. Owns one Transcribe stream; the process is `worker-process.ts`. */
import {
  type TranscribeRequestSchema,
  type TranscribeResponse,
  TranscribeResponseSchema,
} from "@antiphon/protocol/worker";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Draw } from "./draw.ts";
import { micFrameOf } from "./mic-code.ts";
import type { RpcStream } from "./rpc-stream.ts";
import type { Party } from "./virtual-clock.ts";
import type { Weather } from "./weather.ts";

export type TranscribeRequest = MessageInitShape<typeof TranscribeRequestSchema>;

export interface RecognitionHabits {
  passMs: number;
  finalMs: number;
  /** The model can tell how sure it is. */
  tellsConfidence: boolean;
}

/** What the person can say: word 0 is none. */
export type Lexicon = ReadonlyArray<{ text: string; frames: number }>;

export interface RecognitionStreamOptions {
  party: Party;
  draw: Draw;
  weather: Weather;
  habits: RecognitionHabits;
  lexicon: Lexicon;
  onCrash(): void;
}

export class RecognitionStream {
  readonly #options: RecognitionStreamOptions;
  readonly #segments = new Map<string, Segment>();
  #stream: RpcStream<TranscribeRequest, TranscribeResponse> | undefined;
  /** One pass at a time, as a model computes. */
  #busyUntilMs = 0;
  #over = false;

  constructor(options: RecognitionStreamOptions) {
    this.#options = options;
  }

  get open(): boolean {
    return this.#stream !== undefined && !this.#over;
  }

  attach(stream: RpcStream<TranscribeRequest, TranscribeResponse>): void {
    this.#stream = stream;
    this.#sayProgress();
  }

  request({ segmentId = "", kind }: TranscribeRequest): void {
    if (kind?.case === "begin") {
      this.#segments.set(segmentId, {
        id: segmentId,
        frames: 0,
        counts: new Map(),
        said: "",
        over: false,
        passing: false,
      });
      return;
    }
    const segment = this.#segments.get(segmentId);
    if (segment === undefined) return;
    switch (kind?.case) {
      case "audio":
        this.#hear(segment, kind.value.pcm as Uint8Array);
        return;
      case "flush":
        this.#pass(segment, true);
        return;
      case "end":
        this.#finish(segment);
        return;
      case "cancel":
        segment.over = true;
        this.#answer(segment, { case: "cancelled", value: {} });
        this.#segments.delete(segmentId);
        return;
      default:
        return;
    }
  }

  close(): void {
    this.#over = true;
  }

  #hear(segment: Segment, pcm: Uint8Array): void {
    const { word } = micFrameOf(new Int16Array(pcm.buffer, pcm.byteOffset, 2));
    segment.frames++;
    if (word > 0) segment.counts.set(word, (segment.counts.get(word) ?? 0) + 1);
    if (segment.frames % PARTIAL_FRAMES === 0) this.#pass(segment, false);
  }

  #pass(segment: Segment, asked: boolean): void {
    if (segment.passing && !asked) return;
    segment.passing = true;
    this.#compute(this.#options.habits.passMs, () => {
      segment.passing = false;
      if (segment.over) return;
      const { text, confidence } = this.#guess(segment);
      if (text === segment.said && !asked) return;
      segment.said = text;
      const audioMs = segment.frames * 20;
      const told = this.#options.habits.tellsConfidence ? { confidence } : {};
      this.#answer(segment, { case: "partial", value: { text, audioMs, ...told } });
    });
  }

  #finish(segment: Segment): void {
    const { draw, weather, habits } = this.#options;
    const fails = weather.strikes(draw, 0.06);
    const slowMs = weather.strikes(draw, 0.06) ? draw.between(200, 3_000) : 0;
    const crashes = weather.strikes(draw, 0.03);
    const retryable = draw.chance(0.6);
    this.#compute(habits.finalMs * draw.between(0.5, 1.5) + slowMs, () => {
      if (segment.over) return;
      segment.over = true;
      this.#segments.delete(segment.id);
      if (crashes) this.#options.onCrash();
      const audioMs = segment.frames * 20;
      this.#answer(
        segment,
        fails
          ? { case: "error", value: { code: "unavailable", message: "it failed", retryable } }
          : { case: "final", value: { text: this.#words(segment), audioMs, computeMs: 10 } },
      );
    });
  }

  /** So early a model guesses: a word that nobody said, now and then. */
  #guess(segment: Segment): { text: string; confidence: number } {
    const { draw, weather } = this.#options;
    const wild = weather.strikes(draw, 0.1) && segment.frames < GUESS_FRAMES_MAX;
    const text = wild ? "ghost" : this.#words(segment);
    return { text, confidence: draw.between(wild ? 0.1 : 0.6, 1) };
  }

  #words(segment: Segment): string {
    const words = [...segment.counts]
      .filter(([word, frames]) => frames * 2 > (this.#options.lexicon[word]?.frames ?? 0))
      .map(([word]) => this.#options.lexicon[word]?.text ?? "");
    return words.join(" ");
  }

  #compute(ms: number, done: () => void): void {
    const { party } = this.#options;
    const nowMs = party.nowMs();
    this.#busyUntilMs = Math.max(this.#busyUntilMs, nowMs) + ms;
    party.at(this.#busyUntilMs, () => {
      if (!this.#over) done();
    });
  }

  #answer(
    segment: Segment,
    kind: NonNullable<MessageInitShape<typeof TranscribeResponseSchema>["kind"]>,
  ): void {
    if (this.#over) return;
    this.#stream?.answer(100, create(TranscribeResponseSchema, { segmentId: segment.id, kind }));
  }

  #sayProgress(): void {
    this.#options.party.setTimer(PROGRESS_MS, () => {
      if (this.#over || this.#stream?.ended) return;
      this.#stream?.answer(20, PROGRESS);
      this.#sayProgress();
    });
  }
}

interface Segment {
  id: string;
  frames: number;
  /** Frames of each word, in the order in which the words came. */
  counts: Map<number, number>;
  said: string;
  over: boolean;
  passing: boolean;
}

const PROGRESS = create(TranscribeResponseSchema, { kind: { case: "progress", value: {} } });
const PROGRESS_MS = 100;
const PARTIAL_FRAMES = 16;
const GUESS_FRAMES_MAX = 15;
