/** The few milliseconds after a sound was cut off: what keeps a cut from clicking. Owns samples that belong to no position any more. */

/** Within a pull: first `mixInto`, then at most one `startAt`. */
export class FadeTail {
  readonly #samples: Float32Array;
  /** The next sample to be mixed; all before it are used up. */
  #at: number;

  constructor(lengthSamples: number) {
    this.#samples = new Float32Array(lengthSamples);
    this.#at = lengthSamples;
  }

  mixInto(mix: Float32Array): void {
    const count = Math.min(mix.length, this.#samples.length - this.#at);
    for (let index = 0; index < count; index++) {
      mix[index] = (mix[index] ?? 0) + (this.#samples[this.#at++] ?? 0);
    }
  }

  /** Between two pulls: falls from the next pull's first sample on, on top of what is fading already. */
  start(sampleAt: (index: number) => number): void {
    this.startAt(0, NOTHING, sampleAt);
  }

  /** Falls from sample `from` of this pull on; what does not fit into it comes with the next. */
  startAt(from: number, mix: Float32Array, sampleAt: (index: number) => number): void {
    const length = this.#samples.length;
    this.#samples.copyWithin(0, this.#at);
    this.#samples.fill(0, length - this.#at);
    this.#at = 0;
    for (let index = 0; index < length; index++) {
      const sample = sampleAt(index) * (1 - (index + 1) / length);
      const [into, at] =
        from + index < mix.length
          ? [mix, from + index]
          : [this.#samples, from + index - mix.length];
      into[at] = (into[at] ?? 0) + sample;
    }
  }
}

const NOTHING = new Float32Array(0);
