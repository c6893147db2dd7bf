/** One utterance from pieces of text to frames: trimmed, levelled, resampled, cut. Pulled from end to end; knows no stream and no gate. */
import {
  AUDIBLE_AMPLITUDE,
  createLimiter,
  createResampler,
  dbToFactor,
  Framer,
  type Limiter,
  type Resampler,
  SAMPLE_RATE_HZ,
  viewPcm,
} from "@antiphon/audio";
import type { AdapterWord } from "./adapters/adapter.ts";
import type { InferenceProcess } from "./inference/inference-process.ts";
import { SilenceTrimmer } from "./silence-trimmer.ts";

export interface SpeakOptions {
  process: InferenceProcess;
  voice: string;
  language: string;
  speed: number;
  gainDb: number;
  /** Sentences at most; they are asked for one at a time. */
  pieces: AsyncIterable<string>;
  signal: AbortSignal;
}

export type SpeechPart =
  /** 1,920 bytes in memory of its own. */
  | { kind: "frame"; pcm: Uint8Array }
  /** Samples of the utterance at 48 kHz. */
  | { kind: "words"; words: TimedWord[] };

export interface TimedWord {
  text: string;
  startSample: number;
  endSample: number;
  measured: boolean;
}

/** Yields nothing for text without anything to pronounce. Ends quietly when the signal aborts. */
export async function* speak(options: SpeakOptions): AsyncGenerator<SpeechPart, void, undefined> {
  const { process, voice, language, speed, gainDb, signal } = options;
  let chain: OutputChain | undefined;
  for await (const text of options.pieces) {
    if (signal.aborted) return;
    if (text.trim() === "") continue;
    const piece = new Piece(gainDb);
    for await (const output of process.synthesize({ text, voice, language, speed }, signal)) {
      if (output.kind === "samples") {
        chain ??= new OutputChain({ fromHz: output.sampleRateHz, gainDb });
        yield* framesOf(piece.push(chain, output.samples, output.sampleRateHz));
      } else piece.addWords(output.words);
      yield* wordsOf(piece.takeWords());
    }
    if (signal.aborted) return;
    if (chain === undefined) continue;
    yield* framesOf(piece.flush(chain));
    yield* wordsOf(piece.takeWords());
  }
  if (chain !== undefined && !signal.aborted) yield* framesOf(chain.flush());
}

function* framesOf(frames: Iterable<Int16Array>): Generator<SpeechPart> {
  for (const frame of frames) yield { kind: "frame", pcm: viewPcm(frame) };
}

function* wordsOf(words: TimedWord[]): Generator<SpeechPart> {
  if (words.length > 0) yield { kind: "words", words };
}

/** One piece's place in the utterance: where it begins, what is cut off it, and its words until both are known. */
class Piece {
  readonly #audibleAmplitude: number;
  #trimmer: SilenceTrimmer | undefined;
  #sampleRateHz = 0;
  #startSample: number | undefined;
  #endSample: number | undefined;
  #words: AdapterWord[] = [];

  constructor(gainDb: number) {
    // The listener's threshold, before the gain.
    this.#audibleAmplitude = AUDIBLE_AMPLITUDE / dbToFactor(gainDb);
  }

  push(chain: OutputChain, samples: Int16Array, sampleRateHz: number): Int16Array[] {
    this.#sampleRateHz = sampleRateHz;
    this.#trimmer ??= new SilenceTrimmer({
      sampleRateHz,
      audibleAmplitude: this.#audibleAmplitude,
    });
    return this.#give(chain, this.#trimmer.push(samples));
  }

  flush(chain: OutputChain): Int16Array[] {
    const frames = this.#give(chain, this.#trimmer?.flush() ?? []);
    this.#endSample = chain.takenSamples;
    return frames;
  }

  addWords(words: readonly AdapterWord[]): void {
    this.#words.push(...words);
  }

  /** Words whose place is known. Those of a piece of which nothing was audible have none. */
  takeWords(): TimedWord[] {
    const start = this.#startSample;
    const trimmed = this.#trimmer?.trimmedSamples;
    if (start === undefined || trimmed === undefined) return [];
    const place = (seconds: number) => {
      const sample = start + Math.max(0, seconds * this.#sampleRateHz - trimmed);
      const known = Math.min(sample, this.#endSample ?? sample);
      return Math.round((known * SAMPLE_RATE_HZ) / this.#sampleRateHz);
    };
    return this.#words.splice(0).map((word) => ({
      text: word.text,
      startSample: place(word.startSeconds),
      endSample: place(word.endSeconds),
      measured: word.measured,
    }));
  }

  /** Before a piece's first sound comes the pause after the piece before it. */
  #give(chain: OutputChain, parts: readonly Int16Array[]): Int16Array[] {
    if (parts.length === 0) return [];
    const frames: Int16Array[] = [];
    if (this.#startSample === undefined) {
      if (chain.takenSamples > 0) frames.push(...chain.push(chain.silence(PAUSE_MS)));
      this.#startSample = chain.takenSamples;
    }
    for (const part of parts) frames.push(...chain.push(part));
    return frames;
  }
}

/** From the model's rate and level to frames of ours; one for the whole utterance, so that no seam is heard between pieces. */
class OutputChain {
  readonly #resampler: Resampler;
  readonly #limiter: Limiter;
  readonly #framer = new Framer();
  readonly #fromHz: number;
  #takenSamples = 0;

  constructor(options: { fromHz: number; gainDb: number }) {
    this.#fromHz = options.fromHz;
    this.#resampler = createResampler({ fromHz: options.fromHz, toHz: SAMPLE_RATE_HZ });
    this.#limiter = createLimiter({ gainDb: options.gainDb, ceilingDb: CEILING_DB });
  }

  /** At the model's rate. */
  get takenSamples(): number {
    return this.#takenSamples;
  }

  silence(ms: number): Int16Array {
    return new Int16Array(Math.round((this.#fromHz * ms) / 1000));
  }

  push(samples: Int16Array): Int16Array[] {
    this.#takenSamples += samples.length;
    return this.#framer.push(this.#limiter.push(this.#resampler.push(samples)));
  }

  flush(): Int16Array[] {
    if (this.#takenSamples === 0) return [];
    const frames = this.#framer.push(this.#limiter.push(this.#resampler.flush()));
    frames.push(...this.#framer.push(this.#limiter.flush()));
    const last = this.#framer.flush();
    return last === undefined ? frames : [...frames, last];
  }
}

/** With the 100 ms of tail before and the 10 ms of lead after it 210 ms: a speaker's breath between two sentences. */
const PAUSE_MS = 100;
/** Room for what a resampler or codec further on may overshoot. */
const CEILING_DB = -1.5;
