/** Tells the machine's own voice, come back through the room, from somebody else's. Compares energies; hears no words and plays nothing. */
import { BANDS, ENERGY_FLOOR_DB } from "./band-energies.ts";
import { EchoPath, EnergyHistory, LAGS, NOISE_MARGIN_DB, type PathEnds } from "./echo-path.ts";

export interface FarEndJudgement {
  /** How well what is being played explains what is heard, 0 to 1. */
  match: number;
  /** Well enough: it is the far end's echo, or nothing at all. */
  echo: boolean;
}

/**
 * Two streams of band energies on one axis of slots of 10 ms: what is sounding, by the server's clock, and what the microphone hears.
 * The delay between them is unknown, within 600 ms, and may change. Every slot is written once and in order, silence too.
 *
 * What is heard is an echo when the path, as far as it is known, explains its loudness in all bands. What is louder than that in some
 * band is somebody. On headphones the path explains nothing, so nobody is taken for an echo there.
 */
export class FarEndMatch {
  readonly #path = new EchoPath();
  readonly #ends: PathEnds = {
    far: new EnergyHistory(),
    farTail: new EnergyHistory(),
    farStrong: new EnergyHistory(),
    near: new EnergyHistory(),
    noise: new Float32Array(BANDS).fill(NOISE_AT_FIRST_DB),
  };
  /** Power of the slot before, by band: energies are taken over two slots, which evens out a pitch of 100 Hz. */
  readonly #farBefore = new Float32Array(BANDS);
  readonly #nearBefore = new Float32Array(BANDS);
  readonly #farPeak = new Float32Array(BANDS).fill(PEAK_AT_FIRST_DB);
  readonly #tail = new Float32Array(BANDS).fill(ENERGY_FLOOR_DB);
  #lastStrongSlot = Number.NEGATIVE_INFINITY;
  #strongSlots = 0;
  #heardSlots = 0;
  /** Somebody spoke: pauses in their words are theirs up to here. */
  #somebodyUntilSlot = -1;
  /** What the locked path usually fails to explain, in dB: a quantile. */
  #usualExcessDb = EXCESS_AT_FIRST_DB;

  /** What sounds in this slot: `energies[offset]` and the three after it, in dBFS. */
  played(slot: number, energies: Float32Array, offset: number): void {
    const { far, farTail, farStrong } = this.#ends;
    let strongBands = 0;
    for (let band = 0; band < BANDS; band++) {
      const power = powerOf(energies[offset + band]);
      const energy = decibels((power + this.#farBefore[band]) / 2);
      this.#farBefore[band] = power;
      far.set(slot, band, energy);
      this.#farPeak[band] = Math.max(energy, this.#farPeak[band] - PEAK_FALL_DB);
      this.#tail[band] = Math.max(energy, this.#tail[band] - this.#path.decayDb);
      const tail = Math.max(this.#tail[band], far.at(slot - 1, band));
      farTail.set(slot, band, tail);
      const strong =
        energy > this.#farPeak[band] - STRONG_RANGE_DB &&
        energy > STRONG_DB_MIN &&
        energy > tail - STRONG_TAIL_DB;
      farStrong.set(slot, band, strong ? 1 : 0);
      if (strong) strongBands++;
    }
    if (strongBands < 2) return;
    this.#lastStrongSlot = slot;
    this.#strongSlots++;
  }

  /** What the microphone hears in this slot; `played` has been told of it, or will be within the lag. */
  heard(slot: number, energies: Float32Array, offset: number): void {
    this.#heardSlots++;
    const { near, noise } = this.#ends;
    for (let band = 0; band < BANDS; band++) {
      const power = powerOf(energies[offset + band]);
      const energy = decibels((power + this.#nearBefore[band]) / 2);
      this.#nearBefore[band] = power;
      near.set(slot, band, energy);
      const rise = energy - noise[band];
      if (this.#heardSlots === 1) noise[band] = energy;
      else if (this.#heardSlots < NOISE_SLOTS_AT_FIRST || rise < 0)
        noise[band] += NOISE_RATE * rise;
      else noise[band] += Math.min(NOISE_RISE_DB, rise);
    }
    if (slot - this.#lastStrongSlot <= LAGS + 1) this.#path.learn(slot, this.#ends);
  }

  /** The slots from `from` up to, not including, `to`: both sides have been told of them. */
  judge(from: number, to: number): FarEndJudgement {
    // Nothing has sounded for longer than any echo takes.
    if (to - this.#lastStrongSlot > LAGS + 1 + TAIL_SLOTS_MAX) return SOMEBODY;
    const locked = this.#lockedExcess(from, to);
    const guessed = this.#guessedExcess(from, to);
    const limitDb = Math.max(
      EXCESS_DB_MIN,
      Math.min(EXCESS_DB_MAX, EXCESS_FACTOR * this.#usualExcessDb + EXCESS_EXTRA_DB),
    );
    const explained = locked <= limitDb || guessed <= GUESSED_EXCESS_DB_MAX;
    const match = 1 - Math.min(1, Math.min(locked / limitDb, guessed / GUESSED_EXCESS_DB_MAX) / 2);
    if (this.#aboveNoise(from, to) < AUDIBLE_DB) {
      // Hardly anything is heard: part of whatever is going on.
      const unknown = this.#strongSlots < START_SLOTS;
      const echo =
        (this.#path.lockedLag >= 0 || explained || unknown) && from >= this.#somebodyUntilSlot;
      return { match: 0, echo };
    }
    if (this.#path.lockedLag >= 0) this.#learnUsual(locked, limitDb);
    if (explained) return { match, echo: true };
    this.#somebodyUntilSlot = to + SOMEBODY_SLOTS;
    return { match, echo: false };
  }

  #lockedExcess(from: number, to: number): number {
    const lag = this.#path.lockedLag;
    if (lag < 0) return Number.POSITIVE_INFINITY;
    let least = Number.POSITIVE_INFINITY;
    for (let each = Math.max(0, lag - 1); each <= Math.min(LAGS - 1, lag + 1); each++) {
      least = Math.min(least, this.#excess(each, this.#path.lockedGains, 0, from, to));
    }
    return least;
  }

  /** By the best of the lags that may be it, over more of the past: a window alone can be explained by many. */
  #guessedExcess(from: number, to: number): number {
    if (this.#path.lockedLag >= 0) return Number.POSITIVE_INFINITY;
    let least = Number.POSITIVE_INFINITY;
    const start = Math.max(0, from - GUESS_SLOTS);
    for (const lag of this.#path.credible(this.#strongSlots < YOUNG_SLOTS)) {
      least = Math.min(least, this.#excess(lag, this.#path.gains, lag * BANDS, start, to));
    }
    return least;
  }

  /** How much louder than the path explains, in dB, over slots and bands. */
  #excess(lag: number, gains: Float32Array, at: number, from: number, to: number): number {
    const { farTail, near, noise } = this.#ends;
    let sum = 0;
    for (let slot = from; slot < to; slot++) {
      for (let band = 0; band < BANDS; band++) {
        const gain = this.#path.known(lag, band)
          ? Math.min(gains[at + band], GAIN_MAX_DB)
          : GAIN_UNKNOWN_DB;
        const expected = Math.max(
          noise[band] + NOISE_MARGIN_DB,
          farTail.at(slot - lag, band) + gain + PATH_MARGIN_DB,
        );
        sum += Math.max(0, Math.min(near.at(slot, band) - expected, EXCESS_CLIP_DB));
      }
    }
    return sum / ((to - from) * BANDS);
  }

  #aboveNoise(from: number, to: number): number {
    let sum = 0;
    for (let slot = from; slot < to; slot++) {
      for (let band = 0; band < BANDS; band++) {
        sum += Math.max(0, this.#ends.near.at(slot, band) - this.#ends.noise[band] - 3);
      }
    }
    return sum / ((to - from) * BANDS);
  }

  #learnUsual(excessDb: number, limitDb: number): void {
    if (excessDb <= this.#usualExcessDb) this.#usualExcessDb -= USUAL_FALL_DB;
    else if (this.#path.good || excessDb < limitDb) this.#usualExcessDb += USUAL_RISE_DB;
    this.#usualExcessDb = Math.max(USUAL_DB_MIN, this.#usualExcessDb);
  }
}

function powerOf(db: number): number {
  return 10 ** (db / 10);
}

function decibels(power: number): number {
  return Math.max(ENERGY_FLOOR_DB, 10 * Math.log10(power + POWER_FLOOR));
}

const SOMEBODY: FarEndJudgement = { match: 0, echo: false };
const POWER_FLOOR = 1e-9;
const NOISE_AT_FIRST_DB = -50;
const PEAK_AT_FIRST_DB = -60;
const NOISE_SLOTS_AT_FIRST = 30;
const NOISE_RATE = 0.2;
/** 3 dB a second: a fan that starts is noise after some seconds, a vowel never is. */
const NOISE_RISE_DB = 0.03;
const PEAK_FALL_DB = 0.03;
/** A band that is 22 dB below its own peaks says nothing through a room. */
const STRONG_RANGE_DB = 22;
const STRONG_DB_MIN = -62;
/** In its own tail a sound is no new one. */
const STRONG_TAIL_DB = 3;
/** Reverberation after the last lag. */
const TAIL_SLOTS_MAX = 29;
const AUDIBLE_DB = 1;
/** A third of a second of sound. */
const START_SLOTS = 30;
const YOUNG_SLOTS = 90;
const GUESS_SLOTS = 25;
/** A quarter of a second: closures inside words. */
const SOMEBODY_SLOTS = 25;
const GAIN_MAX_DB = 6;
/** Of a band in which nothing was heard yet. */
const GAIN_UNKNOWN_DB = -20;
/** Peaks of a room's response between two frequencies of a band. */
const PATH_MARGIN_DB = 4;
const EXCESS_CLIP_DB = 15;
const GUESSED_EXCESS_DB_MAX = 1;
/** Twice of what is usual, within bounds: rooms differ, and so do the compressors of telephones. */
const EXCESS_FACTOR = 2;
const EXCESS_EXTRA_DB = 0.2;
const EXCESS_DB_MIN = 0.35;
const EXCESS_DB_MAX = 3;
const EXCESS_AT_FIRST_DB = 0.4;
const USUAL_RISE_DB = 0.06;
const USUAL_FALL_DB = 0.006;
const USUAL_DB_MIN = 0.05;
