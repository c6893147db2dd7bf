/** The audio of one segment as its recogniser wants it: resampled as it arrives, in one growing piece. Owns the memory; checks no size and decodes nothing. */
import { createResampler, decodePcmInto, SPEECH_SAMPLE_RATE_HZ, toFloat32 } from "@antiphon/audio";
import { FRAME_SAMPLES, SAMPLE_RATE_HZ } from "@antiphon/protocol";

export class SegmentAudio {
  readonly #resampler = createResampler({ fromHz: SAMPLE_RATE_HZ, toHz: SPEECH_SAMPLE_RATE_HZ });
  readonly #frame = new Int16Array(FRAME_SAMPLES);
  #samples = new Int16Array(SPEECH_SAMPLE_RATE_HZ * SECONDS_AT_FIRST);
  #length = 0;

  /** One frame of 1,920 bytes. */
  push(pcm: Uint8Array): void {
    decodePcmInto(pcm, this.#frame);
    this.#append(this.#resampler.push(this.#frame));
  }

  /** Nothing follows: what the filter held back comes out. */
  end(): void {
    this.#append(this.#resampler.flush());
  }

  /** Everything so far, a copy: 16 kHz, −1 to 1. */
  speech(): Float32Array {
    return toFloat32(this.#samples.subarray(0, this.#length));
  }

  /** Gives the memory back. */
  clear(): void {
    this.#samples = new Int16Array(0);
    this.#length = 0;
  }

  #append(samples: Int16Array): void {
    if (this.#length + samples.length > this.#samples.length) {
      const larger = new Int16Array(this.#samples.length * 2);
      larger.set(this.#samples.subarray(0, this.#length));
      this.#samples = larger;
    }
    this.#samples.set(samples, this.#length);
    this.#length += samples.length;
  }
}

/** Most segments are shorter; one of 30 s doubles this three times. */
const SECONDS_AT_FIRST = 4;
