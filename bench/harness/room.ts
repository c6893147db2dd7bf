/** The way from a loudspeaker to a microphone in a small room: delay, loss, some reflections, a dull tone. Pure. */
import { SAMPLE_RATE_HZ } from "@antiphon/audio";

export interface RoomOptions {
  /** Loss of power from what is played to what is heard of it, on speech. */
  lossDb: number;
  /** Until the first of it arrives. */
  delayMs: number;
}

/** One device's. `hear` is asked for the samples of the device's time in order. */
export class Room {
  readonly #history = new Float32Array(HISTORY_SAMPLES);
  readonly #taps: ReadonlyArray<{ samples: number; gain: number }>;
  #played = 0;
  #heard = 0;
  #low = 0;
  #lowBefore = 0;
  #high = 0;

  constructor(options: RoomOptions) {
    const power = REFLECTIONS.reduce((sum, [, gain]) => sum + gain * gain, 0);
    const gain = (10 ** (-options.lossDb / 20) / Math.sqrt(power)) * FILTER_GAIN;
    this.#taps = REFLECTIONS.map(([afterMs, share]) => ({
      samples: Math.round(((options.delayMs + afterMs) * SAMPLE_RATE_HZ) / 1000),
      gain: gain * share,
    }));
  }

  /** What the loudspeaker was given, in order. */
  play(samples: Int16Array): void {
    for (const sample of samples) this.#history[this.#played++ & HISTORY_MASK] = sample;
  }

  /** What the microphone hears of it: as many samples as `into` has, after those of the last call. Only what was played may be asked for. */
  hear(into: Float32Array): Float32Array {
    for (let index = 0; index < into.length; index++) {
      const at = this.#heard++;
      let sum = 0;
      for (const { samples, gain } of this.#taps) {
        if (at >= samples) sum += gain * (this.#history[(at - samples) & HISTORY_MASK] ?? 0);
      }
      // A small loudspeaker: nothing below 200 Hz, little above 4 kHz.
      this.#low += LOW_PASS * (sum - this.#low);
      this.#high = HIGH_PASS * (this.#high + this.#low - this.#lowBefore);
      this.#lowBefore = this.#low;
      into[index] = this.#high;
    }
    return into;
  }
}

/** After the first arrival, in ms, and how loud: two walls, a table, then a tail. */
const REFLECTIONS: ReadonlyArray<readonly [number, number]> = [
  [0, 1],
  [1.9, -0.45],
  [4.3, 0.38],
  [8.7, -0.3],
  [14.9, 0.24],
  [23.6, 0.17],
  [36.1, -0.12],
  [52.3, 0.08],
];
const LOW_PASS = 1 - Math.exp((-2 * Math.PI * 4_000) / SAMPLE_RATE_HZ);
const HIGH_PASS = Math.exp((-2 * Math.PI * 200) / SAMPLE_RATE_HZ);
/** What both filters take from speech, measured on the voices here: 1.5 dB. */
const FILTER_GAIN = 10 ** (1.5 / 20);
/** 1.4 s: the longest delay and the tail, several times. */
const HISTORY_SAMPLES = 65_536;
const HISTORY_MASK = HISTORY_SAMPLES - 1;
