/** Takes the silence off both ends of a stretch of speech, as it streams. Pure: samples in, samples out. */

/**
 * Keeps 10 ms before the first audible sample and 100 ms after the last. Models begin with 200 ms of nothing and end with
 * 100 more: at the front it would be latency, at the end a listener would wait for it.
 *
 * Quiet samples are held back until an audible one follows; what is still held at the end is cut. Belongs to one stretch.
 */
export class SilenceTrimmer {
  readonly #audible: number;
  readonly #leadSamples: number;
  readonly #tailSamples: number;
  /** Quiet samples not yet given: before the first audible one at most the lead, later everything since the last. */
  #held: Int16Array[] = [];
  #heldSamples = 0;
  #takenSamples = 0;
  #trimmedSamples: number | undefined;

  /** `audibleAmplitude`: the least sample that counts as heard. */
  constructor(options: { sampleRateHz: number; audibleAmplitude: number }) {
    this.#audible = options.audibleAmplitude;
    this.#leadSamples = Math.round((options.sampleRateHz * LEAD_MS) / 1000);
    this.#tailSamples = Math.round((options.sampleRateHz * TAIL_MS) / 1000);
  }

  /** Samples cut at the front; undefined until something was audible. */
  get trimmedSamples(): number | undefined {
    return this.#trimmedSamples;
  }

  /** What is certain to be kept, in order; views of what came in. */
  push(samples: Int16Array): Int16Array[] {
    const last = this.#lastAudible(samples);
    if (last < 0) {
      this.#hold(samples);
      return [];
    }
    if (this.#trimmedSamples === undefined)
      this.#trimLead(this.#takenSamples + this.#firstAudible(samples));
    const kept = this.#held;
    const skipped = Math.max(0, (this.#trimmedSamples ?? 0) - this.#takenSamples);
    kept.push(samples.subarray(skipped, last + 1));
    this.#takenSamples += samples.length;
    this.#held = [];
    this.#heldSamples = 0;
    const rest = samples.subarray(last + 1);
    if (rest.length > 0) {
      this.#held.push(rest);
      this.#heldSamples = rest.length;
    }
    return kept;
  }

  /** The tail. Nothing at all if nothing was audible. */
  flush(): Int16Array[] {
    if (this.#trimmedSamples === undefined) return [];
    const kept: Int16Array[] = [];
    let room = this.#tailSamples;
    for (const part of this.#held) {
      if (room === 0) break;
      kept.push(part.subarray(0, room));
      room -= Math.min(room, part.length);
    }
    this.#held = [];
    return kept;
  }

  /** Before the first audible sample only the lead's worth is worth holding. */
  #hold(samples: Int16Array): void {
    this.#takenSamples += samples.length;
    this.#held.push(samples);
    this.#heldSamples += samples.length;
    if (this.#trimmedSamples !== undefined) return;
    while (this.#heldSamples - (this.#held[0]?.length ?? 0) >= this.#leadSamples) {
      this.#heldSamples -= this.#held.shift()?.length ?? 0;
    }
  }

  /** The lead may begin in what is held or in the samples that are just coming. */
  #trimLead(firstAudible: number): void {
    const start = Math.max(0, firstAudible - this.#leadSamples);
    this.#trimmedSamples = start;
    let position = this.#takenSamples - this.#heldSamples;
    const kept: Int16Array[] = [];
    for (const part of this.#held) {
      const cut = Math.min(part.length, Math.max(0, start - position));
      if (cut < part.length) kept.push(part.subarray(cut));
      position += part.length;
    }
    this.#held = kept;
  }

  #firstAudible(samples: Int16Array): number {
    let index = 0;
    while (Math.abs(samples[index]) < this.#audible) index++;
    return index;
  }

  #lastAudible(samples: Int16Array): number {
    let index = samples.length - 1;
    while (index >= 0 && Math.abs(samples[index]) < this.#audible) index--;
    return index;
  }
}

/** An onset begins below the threshold: without these milliseconds a "b" or "t" would be clipped. */
const LEAD_MS = 10;
/** The room a voice needs to die away. */
const TAIL_MS = 100;
