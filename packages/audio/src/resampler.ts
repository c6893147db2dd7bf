/** Changes the sample rate of a stream by a ratio of whole numbers. Owns filter and history; knows nothing of frames. */
import { clampSample } from "./pcm.ts";

export interface ResamplerOptions {
  fromHz: number;
  toHz: number;
  /**
   * "narrow", the default: keeps 0.86 of the lower band, and nothing aliases. "wide": keeps 0.78, and what lies up to 0.15 above the band
   * folds into its top: enough for a detector, at three eighths of the cost.
   */
  transition?: Transition;
}

type Transition = "narrow" | "wide";

/** One stream's resampler. What comes out does not depend on how the input was cut. */
export interface Resampler {
  /** Everything that can be computed so far, in memory of its own: the filter looks `lookAheadSamples` ahead. */
  push(samples: Int16Array): Int16Array<ArrayBuffer>;
  /** The rest. In all, `ceil(in × toHz / fromHz)` samples came out, aligned with the input. Then it starts afresh. */
  flush(): Int16Array<ArrayBuffer>;
  /** Input samples that must follow one before it comes out. */
  readonly lookAheadSamples: number;
}

/**
 * A polyphase FIR filter: of an interpolation filter at the common multiple of both rates, only the taps that meet a real
 * sample are computed, and only for samples that come out. Its delay is taken out, so positions simply scale.
 */
export function createResampler(options: ResamplerOptions): Resampler {
  const { up, down } = reduceRatio(options.fromHz, options.toHz);
  if (up === 1 && down === 1) {
    return {
      push: (samples) => samples.slice(),
      flush: () => new Int16Array(0),
      lookAheadSamples: 0,
    };
  }
  const { taps, half } = filterOf(up, down, options.transition ?? "narrow");
  const width = 2 * half;
  const history = new Float64Array(width + BLOCK_SAMPLES);
  const stepWhole = Math.floor(down / up);
  const stepPhase = down % up;
  // `held` samples are in `history`; the next output's taps begin at `start` and are those of `phase`.
  // Half a filter of silence lies before the first sample.
  let held = half - 1;
  let start = 0;
  let phase = 0;

  const outputsWith = (more: number): number =>
    Math.max(0, Math.ceil(((held + more - width - start + 1) * up - phase) / down));

  function run(input: Int16Array, output: Int16Array): void {
    let written = 0;
    for (let taken = 0; taken < input.length; ) {
      const count = Math.min(history.length - (held - start), input.length - taken);
      history.copyWithin(0, start, held);
      held -= start;
      start = 0;
      for (let index = 0; index < count; index++) history[held + index] = input[taken + index];
      held += count;
      taken += count;
      while (start + width <= held) {
        output[written++] = clampSample(weightedSum(taps, phase * width, history, start, width));
        start += stepWhole;
        phase += stepPhase;
        if (phase >= up) {
          phase -= up;
          start++;
        }
      }
    }
  }

  return {
    lookAheadSamples: half,
    push(samples) {
      const output = new Int16Array(outputsWith(samples.length));
      run(samples, output);
      return output;
    },
    flush() {
      const output = new Int16Array(outputsWith(half));
      run(new Int16Array(half), output);
      history.fill(0);
      held = half - 1;
      start = 0;
      phase = 0;
      return output;
    },
  };
}

/** A function of its own, so that the compiler keeps its few values in registers. */
function weightedSum(
  taps: Float64Array,
  offset: number,
  history: Float64Array,
  start: number,
  width: number,
): number {
  // Four sums side by side: one alone waits for each addition to end, and takes three times as long.
  let sum0 = 0;
  let sum1 = 0;
  let sum2 = 0;
  let sum3 = 0;
  for (let tap = 0; tap < width; tap += 4) {
    sum0 += taps[offset + tap] * history[start + tap];
    sum1 += taps[offset + tap + 1] * history[start + tap + 1];
    sum2 += taps[offset + tap + 2] * history[start + tap + 2];
    sum3 += taps[offset + tap + 3] * history[start + tap + 3];
  }
  return sum0 + sum1 + (sum2 + sum3);
}

/** As one call, for a whole recording. */
export function resample(samples: Int16Array, options: ResamplerOptions): Int16Array<ArrayBuffer> {
  const resampler = createResampler(options);
  const body = resampler.push(samples);
  const rest = resampler.flush();
  const all = new Int16Array(body.length + rest.length);
  all.set(body);
  all.set(rest, body.length);
  return all;
}

function reduceRatio(fromHz: number, toHz: number): { up: number; down: number } {
  for (const rateHz of [fromHz, toHz]) {
    if (!Number.isInteger(rateHz) || rateHz <= 0) {
      throw new RangeError(`a sample rate is a whole number above 0, not ${rateHz}`);
    }
  }
  const divisor = greatestCommonDivisor(fromHz, toHz);
  const ratio = { up: toHz / divisor, down: fromHz / divisor };
  if (ratio.up > PHASES_MAX || ratio.down > PHASES_MAX) {
    throw new RangeError(`${fromHz} to ${toHz} Hz is no ratio of small numbers`);
  }
  return ratio;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

interface Filter {
  /** `up` rows of `2 × half` taps. */
  taps: Float64Array;
  half: number;
}

/** Streams of one ratio share one table: 320 phases of 64 taps are 164 kB. */
const filters = new Map<string, Filter>();

function filterOf(up: number, down: number, transition: Transition): Filter {
  const key = `${up}/${down} ${transition}`;
  const known = filters.get(key);
  if (known !== undefined) return known;
  const filter = designFilter(up, down, TRANSITIONS[transition]);
  // Rates come from models and files, so their number is small but not ours to choose.
  if (filters.size >= FILTERS_MAX) filters.clear();
  filters.set(key, filter);
  return filter;
}

/** A Kaiser-windowed sinc. */
function designFilter(
  up: number,
  down: number,
  { zeroCrossings, middle }: { zeroCrossings: number; middle: number },
): Filter {
  const stretch = Math.max(1, down / up);
  // Even, so that the taps are a multiple of four.
  const half = 2 * Math.ceil((zeroCrossings * stretch) / 2);
  const width = 2 * half;
  const cutoff = middle / stretch;
  const taps = new Float64Array(up * width);
  const row = new Float64Array(width);
  for (let phase = 0; phase < up; phase++) {
    let sum = 0;
    for (let tap = 0; tap < width; tap++) {
      const distance = phase / up + half - 1 - tap;
      const inside = 1 - (distance / half) ** 2;
      const window = inside <= 0 ? 0 : besselI0(KAISER_BETA * Math.sqrt(inside));
      row[tap] = sinc(distance * cutoff) * window;
      sum += row[tap];
    }
    // Each phase passes a constant unchanged: otherwise a steady level would hum at the phase rate.
    for (let tap = 0; tap < width; tap++) taps[phase * width + tap] = row[tap] / sum;
  }
  return { taps, half };
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** Modified Bessel function of the first kind, by its power series. */
function besselI0(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/**
 * Zero crossings on each side, at the lower rate; with the window below the transition is 4.5 of the band divided by them. Its middle, of
 * the lower band: at 0.93 a narrow one ends where aliases would begin, and speech keeps 6.9 of 8 kHz.
 */
const TRANSITIONS: Readonly<Record<Transition, { zeroCrossings: number; middle: number }>> = {
  narrow: { zeroCrossings: 32, middle: 0.93 },
  wide: { zeroCrossings: 12, middle: 0.965 },
};
/** Kaiser's formula for 72 dB: beyond what 60 dB of stopband ask for, rounding to 16 bits does the rest. */
const KAISER_BETA = 7;
/** Bounds the working memory; 85 ms at 48 kHz, so a frame is one block. */
const BLOCK_SAMPLES = 4_096;
/** 11,025 to 48,000 Hz takes 640: every rate in use reduces below this. */
const PHASES_MAX = 2_048;
const FILTERS_MAX = 32;
