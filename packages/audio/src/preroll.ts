/** The last frames of an input, kept because speech is noticed only after it began. Owns the ring; decides nothing. */
import { FRAME_SAMPLES } from "./audio-format.ts";

/** One kept frame. */
export interface PrerollFrame {
  /** Of its first sample, counted from the first frame pushed. */
  startSample: number;
  /** The ring's own memory: valid until `framesMax` more frames were pushed. */
  samples: Int16Array;
}

/** Holds the last `framesMax` frames, addressed by sample position. Belongs to one input. */
export class Preroll {
  readonly #framesMax: number;
  readonly #ring: Int16Array;
  #pushed = 0;

  constructor(options: { framesMax: number }) {
    this.#framesMax = options.framesMax;
    this.#ring = new Int16Array(options.framesMax * FRAME_SAMPLES);
  }

  /** Samples pushed so far: the position after the newest. */
  get endSample(): number {
    return this.#pushed * FRAME_SAMPLES;
  }

  /** Position of the oldest sample still here. */
  get oldestSample(): number {
    return Math.max(0, this.#pushed - this.#framesMax) * FRAME_SAMPLES;
  }

  /** One frame of 960 samples; copied. */
  push(frame: Int16Array): void {
    if (frame.length !== FRAME_SAMPLES) {
      throw new RangeError(`a frame has ${FRAME_SAMPLES} samples, not ${frame.length}`);
    }
    this.#ring.set(frame, (this.#pushed % this.#framesMax) * FRAME_SAMPLES);
    this.#pushed++;
  }

  /** The frames from the one that holds `sample` on, oldest first; from the oldest kept when `sample` is gone. */
  from(sample: number): PrerollFrame[] {
    const frames: PrerollFrame[] = [];
    const firstKept = Math.max(0, this.#pushed - this.#framesMax);
    const first = Math.max(firstKept, Math.floor(sample / FRAME_SAMPLES));
    for (let index = first; index < this.#pushed; index++) {
      const slot = (index % this.#framesMax) * FRAME_SAMPLES;
      frames.push({
        startSample: index * FRAME_SAMPLES,
        samples: this.#ring.subarray(slot, slot + FRAME_SAMPLES),
      });
    }
    return frames;
  }
}
