/** How loud each 10 ms of a stream is in four bands, cheaply. Owns its filters; compares nothing. */
import { FRAME_SAMPLES, SAMPLE_RATE_HZ } from "./audio-format.ts";

/** Bands of a hop. */
export const BANDS = 4;
/** 10 ms. */
export const HOP_MS = 10;
export const HOP_SAMPLES = (SAMPLE_RATE_HZ * HOP_MS) / 1000;
/** What silence gives: quieter than anything a microphone delivers, and no infinity to calculate with. */
export const ENERGY_FLOOR_DB = -90;

/**
 * One stream's energies, in dBFS.
 *
 * Samples are summed in sixes, which brings the rate to 8 kHz at the price of one addition each: what folds back is the same
 * in two streams that are compared, so it does no harm. The difference of neighbours takes away the slope of voices, so that
 * the low band does not drown the others, and each band is one resonance.
 */
export class BandEnergies {
  readonly #state = new Float64Array(2 * BANDS);
  #previous = 0;
  readonly #energies = new Float32Array(2 * BANDS);

  /** A frame of 20 ms: two hops of four values, in memory that the next call overwrites. */
  push(frame: Int16Array): Float32Array {
    for (let hop = 0; hop < FRAME_SAMPLES / HOP_SAMPLES; hop++) this.#hop(frame, hop);
    return this.#energies;
  }

  #hop(frame: Int16Array, hop: number): void {
    // In variables and written out: a loop over four bands costs three times as much.
    const state = this.#state;
    let [a1, a2, b1, b2] = [state[0], state[1], state[2], state[3]];
    let [c1, c2, d1, d2] = [state[4], state[5], state[6], state[7]];
    let [sumA, sumB, sumC, sumD] = [0, 0, 0, 0];
    let previous = this.#previous;
    const end = (hop + 1) * HOP_SAMPLES;
    for (let at = hop * HOP_SAMPLES; at < end; at += DECIMATION) {
      const sample =
        frame[at] + frame[at + 1] + frame[at + 2] + frame[at + 3] + frame[at + 4] + frame[at + 5];
      const input = sample - PRE_EMPHASIS * previous;
      previous = sample;
      const a0 = input + LOW.feedback1 * a1 + LOW.feedback2 * a2;
      const a = a0 - a2;
      a2 = a1;
      a1 = a0;
      sumA += a * a;
      const b0 = input + LOW_MID.feedback1 * b1 + LOW_MID.feedback2 * b2;
      const b = b0 - b2;
      b2 = b1;
      b1 = b0;
      sumB += b * b;
      const c0 = input + HIGH_MID.feedback1 * c1 + HIGH_MID.feedback2 * c2;
      const c = c0 - c2;
      c2 = c1;
      c1 = c0;
      sumC += c * c;
      const d0 = input + HIGH.feedback1 * d1 + HIGH.feedback2 * d2;
      const d = d0 - d2;
      d2 = d1;
      d1 = d0;
      sumD += d * d;
    }
    this.#previous = previous;
    state.set([settled(a1), settled(a2), settled(b1), settled(b2)], 0);
    state.set([settled(c1), settled(c2), settled(d1), settled(d2)], 4);
    const energies = this.#energies;
    energies[hop * BANDS] = decibels(sumA * LOW.scale);
    energies[hop * BANDS + 1] = decibels(sumB * LOW_MID.scale);
    energies[hop * BANDS + 2] = decibels(sumC * HIGH_MID.scale);
    energies[hop * BANDS + 3] = decibels(sumD * HIGH.scale);
  }
}

/** A resonance of gain 1 at its middle, as two multiplications; the gain is put into `scale`, which turns a hop's sum into power. */
function resonance(fromHz: number, toHz: number) {
  const middle = (2 * Math.PI * Math.sqrt(fromHz * toHz)) / DECIMATED_RATE_HZ;
  const alpha = Math.tan((Math.PI * (toHz - fromHz)) / DECIMATED_RATE_HZ);
  const gain = alpha / (1 + alpha) / (DECIMATION * FULL_SCALE);
  return {
    feedback1: (2 * Math.cos(middle)) / (1 + alpha),
    feedback2: -(1 - alpha) / (1 + alpha),
    scale: gain ** 2 / (HOP_SAMPLES / DECIMATION),
  };
}

function decibels(power: number): number {
  return power <= POWER_FLOOR ? ENERGY_FLOOR_DB : 10 * Math.log10(power);
}

/** Numbers too small for the processor's fast path would come out of a filter in silence. */
function settled(value: number): number {
  return Math.abs(value) < SETTLED ? 0 : value;
}

/** To 8 kHz: telephones show that speech is all there, and small loudspeakers give little else. */
const DECIMATION = 6;
const DECIMATED_RATE_HZ = SAMPLE_RATE_HZ / DECIMATION;
const FULL_SCALE = 32_768;
const POWER_FLOOR = 10 ** (ENERGY_FLOOR_DB / 10);
const SETTLED = 1e-6;
/** Voices fall by 6 to 12 dB an octave above 500 Hz; this gives about 6 back. */
const PRE_EMPHASIS = 0.9;
/** Pitch and first resonance of the voice; its upper part and the second; third; hiss. Each about as wide as the ear's share. */
const LOW = resonance(180, 450);
const LOW_MID = resonance(450, 1_000);
const HIGH_MID = resonance(1_000, 2_000);
const HIGH = resonance(2_000, 3_500);
