/** What a model family implements. Adapters run inside an inference child and know nothing of frames, loudness or sessions. */

export type Adapter = SpeechAdapter | RecognitionAdapter;

/** Text in, samples out. */
export interface SpeechAdapter {
  readonly kind: "tts";
  readonly capabilities: SpeechCapabilities;
  /** Brings the model into memory; called once, before anything else. */
  load(): Promise<void>;
  /**
   * Speaks one piece of text, a sentence at most. Yields samples as they are computed, and the word timings, if it has any, as soon
   * as they can be known: at the latest behind the first second of the samples that they are in. Behind more they would wait for a
   * listener's buffers, and come when the words had been heard. Text without anything to pronounce yields nothing. Must notice `signal` between steps and return.
   */
  synthesize(request: SpeechRequest, signal: AbortSignal): AsyncIterable<SpeechOutput>;
}

export interface SpeechCapabilities {
  model: string;
  voices: readonly string[];
  defaultVoice: string;
  /** BCP 47. */
  languages: readonly string[];
  /** Gives a whole utterance at once. */
  wholeUtterance: boolean;
  /** Utterances computed side by side. */
  slots: number;
  licence: string;
}

export interface SpeechRequest {
  text: string;
  voice: string;
  language: string;
  /** 1 is the voice's own pace. */
  speed: number;
}

export type SpeechOutput =
  | { kind: "samples"; samples: Int16Array; sampleRateHz: number }
  /** Times count from the first sample yielded for this request, in seconds. */
  | { kind: "words"; words: AdapterWord[] };

export interface AdapterWord {
  text: string;
  startSeconds: number;
  endSeconds: number;
  /** Measured by the model, or estimated. */
  measured: boolean;
}

/** Samples that were computed whole, parted where their words go in between. */
export function firstSecond(
  samples: Int16Array,
  sampleRateHz: number,
): [first: Int16Array, rest: Int16Array] {
  return [samples.subarray(0, sampleRateHz), samples.subarray(sampleRateHz)];
}

/** Samples in, text out. */
export interface RecognitionAdapter {
  readonly kind: "asr";
  readonly capabilities: RecognitionCapabilities;
  load(): Promise<void>;
  /** One segment, whole; "" where nothing was said. Must notice `signal` between decoder steps and return. */
  transcribe(request: RecognitionRequest, signal: AbortSignal): Promise<RecognitionResult>;
}

export interface RecognitionCapabilities {
  model: string;
  /** BCP 47. */
  languages: readonly string[];
  slots: number;
  licence: string;
}

export interface RecognitionRequest {
  /** 16 kHz mono, −1 to 1. */
  samples: Float32Array;
  /** BCP 47; "" lets the model decide. */
  language: string;
}

export interface RecognitionResult {
  text: string;
  language: string;
  /** Of the text, 0 to 1: the geometric mean of its tokens' probabilities, or what the model has of the kind. */
  confidence?: number;
}
