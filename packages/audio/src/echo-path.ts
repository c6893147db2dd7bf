/** What is known of the way from the loudspeaker back to the microphone: its delay and, in each band, its loss. Learns; judges no speech. */
import { BANDS, ENERGY_FLOOR_DB, HOP_MS } from "./band-energies.ts";

/** Energies of the last five seconds on one axis of slots of 10 ms, four a slot, in dBFS. */
export class EnergyHistory {
  readonly #values = new Float32Array(SLOTS * BANDS).fill(ENERGY_FLOOR_DB);

  at(slot: number, band: number): number {
    return this.#values[(slot & SLOT_MASK) * BANDS + band];
  }

  set(slot: number, band: number, value: number): void {
    this.#values[(slot & SLOT_MASK) * BANDS + band] = value;
  }
}

/** Both ends of the path, as far as learning needs them. */
export interface PathEnds {
  far: EnergyHistory;
  /** How loud the far end may still be in the room: its energies with a falling tail. */
  farTail: EnergyHistory;
  /** 1 where the far end stands out in a band, so that its echo would tell something. */
  farStrong: EnergyHistory;
  near: EnergyHistory;
  /** Of the microphone, by band: what it hears when nothing sounds. */
  noise: Float32Array;
}

/**
 * For every lag and band the gain that explains the microphone best (a running median), and for every lag how far off that is on
 * average. An echo makes one lag fit far better than those away from it: then the path is locked to it. Without an echo, on headphones,
 * the gains fall until they explain nothing.
 */
export class EchoPath {
  /** Gain in dB, by lag and band. */
  readonly gains = new Float32Array(LAGS * BANDS);
  /** Comparisons that a gain rests on, by lag and band; 0: only a bound is known, since the microphone heard nothing. */
  readonly #counts = new Uint16Array(LAGS * BANDS);
  /** While nothing is heard of a band: the gain is at most this, seen so often. */
  readonly #bounds = new Float32Array(LAGS * BANDS).fill(GAIN_BOUND_DB);
  readonly #boundCounts = new Float32Array(LAGS * BANDS);
  /** Mean deviation from what a lag predicts, in dB, and the comparisons behind it. */
  readonly #deviations = new Float32Array(LAGS);
  readonly #comparisons = new Float32Array(LAGS);
  /** Of the lag that is locked. */
  readonly lockedGains = new Float32Array(BANDS);
  #locked = -1;
  #decayDb = TAIL_DECAY_DB;

  /** In slots; −1 until one lag is known to be it. */
  get lockedLag(): number {
    return this.#locked;
  }

  /** By how much the room's tail falls in a slot: learned, too. */
  get decayDb(): number {
    return this.#decayDb;
  }

  /** The locked lag still explains what is heard. */
  get good(): boolean {
    return this.#locked >= 0 && this.#deviations[this.#locked] <= GOOD_DB + 0.5;
  }

  known(lag: number, band: number): boolean {
    return this.#counts[lag * BANDS + band] > 0;
  }

  /** Lags that may be the echo's before one is locked: those that fit well for how little is known, and nearly as well as the best. */
  credible(young: boolean): number[] {
    let best = Number.POSITIVE_INFINITY;
    for (let lag = 0; lag < LAGS; lag++) {
      if (this.#comparisons[lag] >= COMPARISONS_YOUNG_MIN) {
        best = Math.min(best, this.#deviations[lag]);
      }
    }
    const least = young ? COMPARISONS_YOUNG_MIN : COMPARISONS_MIN;
    const most = young ? DEVIATION_YOUNG_MAX_DB : DEVIATION_MAX_DB;
    const lags: number[] = [];
    for (let lag = 0; lag < LAGS; lag++) {
      const count = this.#comparisons[lag];
      if (count < least) continue;
      const doubt = DOUBT_DB / count;
      const deviation = this.#deviations[lag];
      if (deviation <= Math.min(best + CREDIBLE_GAP_DB, most) + doubt) lags.push(lag);
    }
    return lags;
  }

  /** Compares the microphone's slot with every slot of the far end that it may hold. */
  learn(slot: number, ends: PathEnds): void {
    for (let lag = 0; lag < LAGS; lag++) {
      for (let band = 0; band < BANDS; band++) {
        if (ends.farStrong.at(slot - lag, band) === 0) continue;
        this.#compare(lag, band, {
          far: ends.far.at(slot - lag, band),
          near: ends.near.at(slot, band),
          noise: ends.noise[band] + NOISE_MARGIN_DB,
        });
      }
    }
    if (slot % LOCK_EVERY_SLOTS !== 0) return;
    this.#lock();
    if (this.#locked < 0) return;
    this.#learnDecay(slot, ends);
    const good = this.#deviations[this.#locked] <= GOOD_DB;
    for (let band = 0; band < BANDS; band++) {
      const gain = this.gains[this.#locked * BANDS + band];
      // A person who speaks makes the path look louder than it is: it may rise only while all of it fits.
      if (good || gain < this.lockedGains[band]) this.lockedGains[band] = gain;
    }
  }

  #compare(lag: number, band: number, now: { far: number; near: number; noise: number }): void {
    const at = lag * BANDS + band;
    const { far, near, noise } = now;
    const count = this.#counts[at];
    let error: number;
    if (count === 0) {
      if (near < noise) {
        this.#boundCounts[at]++;
        this.gains[at] = this.#bounds[at] = Math.min(this.#bounds[at], noise - far);
        return;
      }
      const over = near - far - this.#bounds[at] - BOUND_MARGIN_DB;
      if (over <= 0) {
        this.#counts[at] = 1;
        this.gains[at] = near - far;
        return;
      }
      // Louder than an echo can be that was not heard before: the bound is what is known, as firmly as often it was seen.
      this.gains[at] = this.#bounds[at];
      this.#counts[at] = Math.min(MEMORY_SLOTS, this.#boundCounts[at] + 1);
      this.#boundCounts[at] = 0;
      error = over + BOUND_MARGIN_DB;
    } else {
      const predicted = this.gains[at] + far;
      if (near < noise && predicted <= noise) return;
      error = near < noise ? noise - predicted : near - predicted;
      if (count < COUNT_MAX) this.#counts[at]++;
    }
    const clipped = Math.max(-ERROR_MAX_DB, Math.min(ERROR_MAX_DB, error));
    this.gains[at] += clipped * Math.max(1 / (count + 1), 1 / MEMORY_SLOTS);
    const comparisons = ++this.#comparisons[lag];
    const rate = Math.max(1 / comparisons, 1 / DEVIATION_MEMORY_SLOTS);
    this.#deviations[lag] += (Math.abs(clipped) - this.#deviations[lag]) * rate;
  }

  #lock(): void {
    let best = -1;
    for (let lag = 0; lag < LAGS; lag++) {
      if (this.#comparisons[lag] < LOCK_COMPARISONS_MIN) continue;
      if (best < 0 || this.#deviations[lag] < this.#deviations[best]) best = lag;
    }
    if (best < 0 || this.#deviations[best] > LOCK_DEVIATION_MAX_DB) return;
    let second = Number.POSITIVE_INFINITY;
    for (let lag = 0; lag < LAGS; lag++) {
      if (Math.abs(lag - best) <= NEIGHBOUR_LAGS || this.#comparisons[lag] <= 20) continue;
      second = Math.min(second, this.#deviations[lag]);
    }
    if (second <= this.#deviations[best] + LOCK_GAP_DB) return;
    const better =
      this.#locked < 0 || this.#deviations[best] < this.#deviations[this.#locked] - MOVE_GAP_DB;
    if (!better) return;
    this.#locked = best;
    for (let band = 0; band < BANDS; band++)
      this.lockedGains[band] = this.gains[best * BANDS + band];
  }

  /** Where the far end has fallen, what is heard is the room: a tail longer than expected falls more slowly from now on. */
  #learnDecay(slot: number, ends: PathEnds): void {
    if (this.#deviations[this.#locked] > GOOD_DB) return;
    for (let each = slot; each > slot - LOCK_EVERY_SLOTS && each >= 8; each--) {
      for (let band = 0; band < BANDS; band++) {
        const tail = ends.farTail.at(each - this.#locked, band);
        if (ends.far.at(each - this.#locked, band) > tail - TAIL_BELOW_DB) continue;
        const noise = ends.noise[band] + NOISE_MARGIN_DB;
        const near = ends.near.at(each, band);
        const predicted = tail + this.lockedGains[band];
        if (near < noise && predicted < noise) continue;
        const longer = near - Math.max(noise, predicted) > TAIL_ERROR_DB;
        this.#decayDb = longer
          ? Math.max(TAIL_DECAY_DB_MIN, this.#decayDb - TAIL_SLOWER_DB)
          : Math.min(TAIL_DECAY_DB_MAX, this.#decayDb + TAIL_FASTER_DB);
      }
    }
  }
}

/** A power of two, for the ring: five seconds. */
const SLOTS = 512;
const SLOT_MASK = SLOTS - 1;
/** 0 to 600 ms: a telephone's loudspeaker over a bad network is at 400. */
export const LAGS = 600 / HOP_MS + 1;
/** What a microphone must hear above its noise before it counts as something. */
export const NOISE_MARGIN_DB = 4;
/** No room amplifies by more. */
const GAIN_BOUND_DB = 10;
const BOUND_MARGIN_DB = 3;
/** 0.6 s: a hand before the microphone changes the path, a word does not. */
const MEMORY_SLOTS = 60;
const DEVIATION_MEMORY_SLOTS = 120;
const COUNT_MAX = 1_000;
/** One slot of somebody's loud word says no more than any other. */
const ERROR_MAX_DB = 12;
const LOCK_EVERY_SLOTS = 4;
const LOCK_COMPARISONS_MIN = 60;
/** In rooms the right lag is off by 1 to 2 dB, wrong ones by 4 and more. */
const LOCK_DEVIATION_MAX_DB = 2.3;
const LOCK_GAP_DB = 0.7;
const MOVE_GAP_DB = 0.3;
/** A room smears an echo over 30 ms. */
const NEIGHBOUR_LAGS = 3;
const GOOD_DB = 2.2;
/** Before much of a reply has sounded, a lag is believed on five comparisons and 3 dB; later on forty and 2.2 dB. */
const COMPARISONS_YOUNG_MIN = 5;
const COMPARISONS_MIN = 40;
const DEVIATION_YOUNG_MAX_DB = 3;
const DEVIATION_MAX_DB = 2.2;
const CREDIBLE_GAP_DB = 1;
const DOUBT_DB = 10;
/** 150 dB a second: a furnished room. */
const TAIL_DECAY_DB = 1.5;
const TAIL_DECAY_DB_MIN = 0.6;
const TAIL_DECAY_DB_MAX = 3;
const TAIL_BELOW_DB = 6;
const TAIL_ERROR_DB = 2;
const TAIL_SLOWER_DB = 0.02;
const TAIL_FASTER_DB = 0.004;
