/** Cuts a stream of samples into frames. Owns the remainder between two pushes; knows nothing of when a frame is due. */
import { FRAME_SAMPLES } from "./audio-format.ts";

/**
 * Any chunking in, frames of 960 samples out, each in memory of its own.
 *
 * Belongs to one stream of audio; after `flush` it starts again with an empty remainder.
 */
export class Framer {
  readonly #frameSamples: number;
  #frame: Int16Array<ArrayBuffer>;
  #filled = 0;

  constructor(options: { frameSamples?: number } = {}) {
    this.#frameSamples = options.frameSamples ?? FRAME_SAMPLES;
    this.#frame = new Int16Array(this.#frameSamples);
  }

  /** Samples that wait for a frame to be full. */
  get pendingSamples(): number {
    return this.#filled;
  }

  /** The frames that these samples complete, in order; often none. */
  push(samples: Int16Array): Int16Array<ArrayBuffer>[] {
    const frames: Int16Array<ArrayBuffer>[] = [];
    for (let taken = 0; taken < samples.length; ) {
      const count = Math.min(samples.length - taken, this.#frameSamples - this.#filled);
      this.#frame.set(samples.subarray(taken, taken + count), this.#filled);
      this.#filled += count;
      taken += count;
      if (this.#filled === this.#frameSamples) frames.push(this.#take());
    }
    return frames;
  }

  /** The last frame, padded with silence; undefined when nothing is left over. */
  flush(): Int16Array<ArrayBuffer> | undefined {
    return this.#filled === 0 ? undefined : this.#take();
  }

  #take(): Int16Array<ArrayBuffer> {
    const frame = this.#frame;
    this.#frame = new Int16Array(this.#frameSamples);
    this.#filled = 0;
    return frame;
  }
}
