/** A microphone without a room of its own: says given samples at exact pace over a faint noise, and knows when each sample was sent. */
import { clampSample, FRAME_SAMPLES, SAMPLE_RATE_HZ } from "@antiphon/audio";

/** Something that was said: where it lies in the microphone's samples, counted from its first frame. */
export interface Spoken {
  startSample: number;
  endSample: number;
}

/** Belongs to one device. A sample is taken to be heard at the moment it is captured: its frame is sent when its last sample is. */
export class Microphone {
  /** When each frame was sent, on the clock that ticks the device. */
  readonly #sentMs: number[] = [];
  #saying: Array<{ spoken: Spoken; samples: Int16Array }> = [];
  #noiseAt: number;

  constructor(seed: number) {
    this.#noiseAt = (seed * 7_919) % NOISE.length;
  }

  /** Samples sent so far. */
  get samples(): number {
    return this.#sentMs.length * FRAME_SAMPLES;
  }

  /** Says them from `offsetSamples` into the next frame on, so that not everything begins on a frame's edge. */
  say(samples: Int16Array, offsetSamples: number): Spoken {
    const startSample = this.samples + offsetSamples;
    const spoken = { startSample, endSample: startSample + samples.length };
    this.#saying.push({ spoken, samples });
    return spoken;
  }

  /** Nobody says anything any more. */
  hush(): void {
    this.#saying = [];
  }

  /** The next 20 ms, with what comes back from the loudspeaker in them. Valid until the next call. */
  frame(echo: Float32Array | undefined): Int16Array {
    const start = this.samples;
    const frame = FRAME;
    for (let index = 0; index < FRAME_SAMPLES; index++) {
      this.#noiseAt = (this.#noiseAt + 1) % NOISE.length;
      let value = NOISE[this.#noiseAt] ?? 0;
      if (echo !== undefined) value += echo[index] ?? 0;
      for (const { spoken, samples } of this.#saying) {
        value += samples[start + index - spoken.startSample] ?? 0;
      }
      frame[index] = clampSample(value);
    }
    this.#saying = this.#saying.filter(({ spoken }) => spoken.endSample > start + FRAME_SAMPLES);
    return frame;
  }

  /** The frame was handed to the network. */
  sent(nowMs: number): void {
    this.#sentMs.push(nowMs);
  }

  /** When the last of the first `samples` samples was sent; undefined where it was not. */
  sentMs(samples: number): number | undefined {
    return this.#sentMs[Math.ceil(samples / FRAME_SAMPLES) - 1];
  }

  /** When this sample sounded: its frame was sent as its last sample was captured. */
  soundedMs(sample: number): number | undefined {
    const frame = Math.floor(sample / FRAME_SAMPLES);
    const sentMs = this.#sentMs[frame];
    if (sentMs === undefined) return undefined;
    return sentMs - (((frame + 1) * FRAME_SAMPLES - sample) * 1000) / SAMPLE_RATE_HZ;
  }
}

const FRAME = new Int16Array(FRAME_SAMPLES);

/** White, −70 dBFS: what a quiet room and a cheap microphone leave. Pure zeros would be no microphone. */
const NOISE = noise(SAMPLE_RATE_HZ, 32_768 * 10 ** (-70 / 20));

function noise(samples: number, rms: number): Float32Array {
  let state = 1;
  // Uniform noise has a root mean square of its half width by √3.
  return Float32Array.from({ length: samples }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state / 2 ** 31 - 1) * rms * Math.sqrt(3);
  });
}
