/** How loud speech is, and making it louder without clipping. Owns measurement and limiter; who wants which level is decided elsewhere. */
import { SAMPLE_RATE_HZ } from "./audio-format.ts";
import { clampSample, dbToFactor, powerToDbfs } from "./pcm.ts";

/**
 * Level of the speech in a recording, in dBFS; −Infinity when there is none.
 *
 * Pauses do not count, or a hesitant voice would be turned up: blocks below an absolute gate are left out, then blocks well
 * below the mean of the rest (the two gates of ITU-R BS.1770, here on plain power).
 */
export function measureLoudness(samples: Int16Array, rateHz: number): number {
  const blockSamples = Math.max(1, Math.round((rateHz * BLOCK_MS) / 1000));
  const powers: number[] = [];
  for (let start = 0; start < samples.length; start += blockSamples) {
    const end = Math.min(start + blockSamples, samples.length);
    let energy = 0;
    for (let index = start; index < end; index++) energy += samples[index] * samples[index];
    powers.push(energy / (end - start));
  }
  const audible = powers.filter((power) => powerToDbfs(power) > ABSOLUTE_GATE_DB);
  const gate = mean(audible) * 10 ** (-RELATIVE_GATE_DB / 10);
  return powerToDbfs(mean(audible.filter((power) => power >= gate)));
}

/** A gain with a ceiling, for one stream. */
export interface Limiter {
  /** What is ready, in memory of its own: the last 5 ms wait for what follows them. */
  push(samples: Int16Array): Int16Array<ArrayBuffer>;
  /** The rest, so that as many samples came out as went in, aligned. Then it starts afresh. */
  flush(): Int16Array<ArrayBuffer>;
}

/**
 * Multiplies by `gainDb`, and turns down smoothly before a peak would pass `ceilingDb`.
 *
 * For each sample the gain that it can bear is known; the least over the look-ahead, let go slowly, then averaged over the
 * look-ahead is never more than any of them, and has no step.
 */
export function createLimiter(options: {
  gainDb: number;
  ceilingDb: number;
  sampleRateHz?: number;
}): Limiter {
  const sampleRateHz = options.sampleRateHz ?? SAMPLE_RATE_HZ;
  const gain = dbToFactor(options.gainDb);
  const ceiling = Math.min(32767, 32768 * dbToFactor(options.ceilingDb));
  const window = Math.max(1, Math.round((sampleRateHz * LOOK_AHEAD_MS) / 1000));
  const release = 1 - Math.exp(-1000 / (RELEASE_MS * sampleRateHz));
  const delayed = new Int16Array(window);
  const envelopes = new Float64Array(window);
  const least = new SlidingMinimum(window);
  let envelope = gain;
  let sum = 0;
  let taken = 0;
  reset();

  function reset(): void {
    delayed.fill(0);
    envelopes.fill(gain);
    least.clear();
    envelope = gain;
    sum = gain * window;
    taken = 0;
  }

  /** Takes one sample; gives the one that lies `window − 1` back. */
  function step(sample: number): number {
    const magnitude = Math.abs(sample);
    const bearable = magnitude * gain > ceiling ? ceiling / magnitude : gain;
    const minimum = least.push(bearable);
    envelope = Math.min(minimum, envelope + (minimum - envelope) * release);
    const slot = taken % window;
    sum += envelope - envelopes[slot];
    envelopes[slot] = envelope;
    delayed[slot] = sample;
    taken++;
    const limited = delayed[taken % window] * (sum / window);
    return clampSample(Math.max(-ceiling, Math.min(ceiling, limited)));
  }

  function run(count: number, sampleAt: (index: number) => number): Int16Array<ArrayBuffer> {
    const skipped = Math.min(count, Math.max(0, window - 1 - taken));
    const output = new Int16Array(count - skipped);
    for (let index = 0; index < count; index++) {
      const limited = step(sampleAt(index));
      if (index >= skipped) output[index - skipped] = limited;
    }
    return output;
  }

  return {
    push: (samples) => run(samples.length, (index) => samples[index]),
    flush() {
      const rest = run(window - 1, () => 0);
      reset();
      return rest;
    },
  };
}

/** Least of the last `window` values, in constant time: a ring of values that can still become the least, rising. */
class SlidingMinimum {
  readonly #window: number;
  readonly #values: Float64Array;
  readonly #positions: Float64Array;
  #first = 0;
  #count = 0;
  #position = 0;

  constructor(window: number) {
    this.#window = window;
    this.#values = new Float64Array(window);
    this.#positions = new Float64Array(window);
  }

  push(value: number): number {
    const window = this.#window;
    while (this.#count > 0 && this.#values[(this.#first + this.#count - 1) % window] >= value) {
      this.#count--;
    }
    if (this.#count > 0 && this.#positions[this.#first] <= this.#position - window) {
      this.#first = (this.#first + 1) % window;
      this.#count--;
    }
    const slot = (this.#first + this.#count) % window;
    this.#values[slot] = value;
    this.#positions[slot] = this.#position++;
    this.#count++;
    return this.#values[this.#first];
  }

  clear(): void {
    this.#first = 0;
    this.#count = 0;
    this.#position = 0;
  }
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** About a phone: shorter would gate out consonants, longer would blur short pauses into speech. */
const BLOCK_MS = 50;
/** Room noise and a model's own hiss lie below it, quiet speech above. */
const ABSOLUTE_GATE_DB = -55;
/** As BS.1770 has it. */
const RELATIVE_GATE_DB = 10;
/** One period of 200 Hz: fast enough to cost no latency, slow enough that the turn-down is not heard as a click. */
const LOOK_AHEAD_MS = 5;
/** Longer than a pitch period, so that the gain does not follow the waveform; shorter than a syllable. */
const RELEASE_MS = 80;
