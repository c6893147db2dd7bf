/** Frames of many inputs in, batches for Silero's graph out, states back in. Owns what each input's next window needs; runs no model. */
import {
  createResampler,
  type Resampler,
  SAMPLE_RATE_HZ,
  SPEECH_SAMPLE_RATE_HZ,
  VAD_WINDOW_SAMPLES,
} from "@antiphon/audio";

/** One window each of some inputs. */
export interface SileroBatch {
  size: number;
  /** `size` rows of 576 samples. */
  input: Float32Array;
  /** Two layers of `size` rows of 128. */
  state: Float32Array;
}

/** What the graph made of a batch: a probability a row, and the next state in the same layout. */
export interface SileroOutput {
  probabilities: Float32Array;
  state: Float32Array;
}

/** A decision about one window of one input. */
export interface JudgedWindow {
  streamId: number;
  /** Of the input's samples at 48 kHz. */
  endSample: number;
  probability: number;
}

/**
 * Resamples each input as it comes and keeps its context and state from window to window.
 *
 * An input whose next frame does not follow the last one starts afresh at that place: silence in memory, positions as told.
 */
export class SileroStreams {
  readonly #streams = new Map<number, SileroStream>();

  get size(): number {
    return this.#streams.size;
  }

  /** One frame; `startSample` is the position of its first sample. An id that is new opens an input. */
  push(streamId: number, startSample: number, frame: Int16Array): void {
    let stream = this.#streams.get(streamId);
    if (stream === undefined || stream.nextSample !== startSample) {
      stream = new SileroStream(startSample);
      this.#streams.set(streamId, stream);
    }
    stream.push(frame);
  }

  close(streamId: number): void {
    this.#streams.delete(streamId);
  }

  /** Judges every window that is complete, all inputs side by side. */
  async judge(run: (batch: SileroBatch) => Promise<SileroOutput>): Promise<JudgedWindow[]> {
    const judged: JudgedWindow[] = [];
    for (;;) {
      const ready = this.#ready();
      if (ready.length === 0) return judged;
      const batch: SileroBatch = {
        size: ready.length,
        input: new Float32Array(ready.length * INPUT_SAMPLES),
        state: new Float32Array(ready.length * STATE_VALUES),
      };
      for (const [row, [, stream]] of ready.entries()) stream.fill(batch, row);
      const output = await run(batch);
      for (const [row, [streamId, stream]] of ready.entries()) {
        const probability = output.probabilities[row] ?? 0;
        judged.push({ streamId, endSample: stream.advance(output, row, batch.size), probability });
      }
    }
  }

  #ready(): Array<[number, SileroStream]> {
    const ready: Array<[number, SileroStream]> = [];
    for (const entry of this.#streams) {
      if (entry[1].windowComplete) ready.push(entry);
      if (ready.length === BATCH_MAX) break;
    }
    return ready;
  }
}

class SileroStream {
  readonly #resampler: Resampler = createResampler({
    fromHz: SAMPLE_RATE_HZ,
    toHz: SPEECH_SAMPLE_RATE_HZ,
    transition: "wide",
  });
  /** The last 64 samples of the window before (zeros at first), then what is not judged yet. */
  #samples = new Float32Array(CONTEXT_SAMPLES + 4 * WINDOW_SAMPLES);
  #length = CONTEXT_SAMPLES;
  readonly #state = new Float32Array(STATE_VALUES);
  #judgedSample: number;
  nextSample: number;

  constructor(startSample: number) {
    this.#judgedSample = startSample;
    this.nextSample = startSample;
    // Heard this much late (0.75 ms), a window is complete with its own last sample. Each fifth ends with a frame: it would wait for the
    // next one, and so would whoever speaks over a reply.
    this.#resampler.push(new Int16Array(this.#resampler.lookAheadSamples));
  }

  get windowComplete(): boolean {
    return this.#length >= INPUT_SAMPLES;
  }

  push(frame: Int16Array): void {
    this.nextSample += frame.length;
    const resampled = this.#resampler.push(frame);
    if (this.#length + resampled.length > this.#samples.length) {
      const larger = new Float32Array(2 * this.#samples.length);
      larger.set(this.#samples);
      this.#samples = larger;
    }
    for (const sample of resampled) this.#samples[this.#length++] = sample / FULL_SCALE;
  }

  fill(batch: SileroBatch, row: number): void {
    batch.input.set(this.#samples.subarray(0, INPUT_SAMPLES), row * INPUT_SAMPLES);
    for (let layer = 0; layer < STATE_LAYERS; layer++) {
      const part = this.#state.subarray(layer * STATE_WIDTH, (layer + 1) * STATE_WIDTH);
      batch.state.set(part, (layer * batch.size + row) * STATE_WIDTH);
    }
  }

  /** Takes the next state over and leaves the window behind; gives the window's end. */
  advance(output: SileroOutput, row: number, size: number): number {
    for (let layer = 0; layer < STATE_LAYERS; layer++) {
      const from = (layer * size + row) * STATE_WIDTH;
      this.#state.set(output.state.subarray(from, from + STATE_WIDTH), layer * STATE_WIDTH);
    }
    this.#samples.copyWithin(0, WINDOW_SAMPLES, this.#length);
    this.#length -= WINDOW_SAMPLES;
    this.#judgedSample += VAD_WINDOW_SAMPLES;
    return this.#judgedSample;
  }
}

/** 32 ms at 16 kHz. */
const WINDOW_SAMPLES = 512;
/** Without it the graph answers wrongly, and without an error. */
const CONTEXT_SAMPLES = 64;
export const INPUT_SAMPLES = CONTEXT_SAMPLES + WINDOW_SAMPLES;
export const STATE_LAYERS = 2;
export const STATE_WIDTH = 128;
const STATE_VALUES = STATE_LAYERS * STATE_WIDTH;
const FULL_SCALE = 32_768;
/** Cost a window is flat from 32 on; a run of this size takes about 8 ms, so nobody waits long for the others. */
const BATCH_MAX = 128;
