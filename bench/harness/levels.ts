/** How loud samples are, and the same samples at another level. Pure. */
import { clampSample, dbToFactor, rmsDbfs, SAMPLE_RATE_HZ } from "@antiphon/audio";

/** At this root mean square, taken over `part` of them (default: all). */
export function atLevel(samples: Int16Array, dbfs: number, part: Int16Array = samples): Int16Array {
  return louder(samples, dbfs - rmsDbfs(part));
}

export function louder(samples: Int16Array, gainDb: number): Int16Array {
  const factor = dbToFactor(gainDb);
  return Int16Array.from(samples, (sample) => clampSample(sample * factor));
}

/** Without what is 40 dB below its loudest 10 ms, at either end. */
export function trimmed(samples: Int16Array): Int16Array {
  const levels: number[] = [];
  for (let at = 0; at < samples.length; at += BLOCK_SAMPLES) {
    levels.push(rmsDbfs(samples.subarray(at, at + BLOCK_SAMPLES)));
  }
  const floor = Math.max(...levels) - 40;
  const first = levels.findIndex((level) => level > floor);
  const last = levels.findLastIndex((level) => level > floor);
  return samples.slice(first * BLOCK_SAMPLES, (last + 1) * BLOCK_SAMPLES);
}

/** Rises and falls within 10 ms: cut out of a recording, its noise must not begin with a click. */
export function faded(samples: Int16Array): Int16Array {
  const ramp = Math.min(BLOCK_SAMPLES, samples.length >> 1);
  return samples.map((sample, index) => {
    const edge = Math.min(index, samples.length - 1 - index, ramp) / ramp;
    return Math.round(sample * edge);
  });
}

/** Falls to nothing and rises again within 16 ms, about each of these samples: what a pause leaves when its silence is cut out. */
export function dipped(samples: Int16Array, atSamples: readonly number[]): Int16Array {
  const all = samples.slice();
  for (const middle of atSamples) {
    for (let away = -DIP_SAMPLES; away < DIP_SAMPLES; away++) {
      const at = middle + away;
      if (at < 0 || at >= all.length) continue;
      all[at] = Math.round(((all[at] ?? 0) * Math.abs(away)) / DIP_SAMPLES);
    }
  }
  return all;
}

/** As the player's ramp: 8 ms. */
const DIP_SAMPLES = (8 * SAMPLE_RATE_HZ) / 1000;
const BLOCK_SAMPLES = SAMPLE_RATE_HZ / 100;
