import { describe, expect, it } from "vitest";
import { createLimiter, measureLoudness } from "./loudness.ts";
import { dbToFactor, peakDbfs, rmsDbfs } from "./pcm.ts";
import { joined, noise, randomChunks, sine } from "./testing/signals.ts";

const RATE_HZ = 48_000;

describe("loudness", () => {
  const speech = sine({ hz: 300, rateHz: RATE_HZ, samples: RATE_HZ, amplitude: 0.1 });

  it("is the level of a steady tone", () => {
    expect(measureLoudness(speech, RATE_HZ)).toBeCloseTo(-23.01, 1);
  });

  it("does not fall when pauses are added, silent or hissing", () => {
    const hiss = noise(3, 3 * RATE_HZ, 0.005);
    expect(measureLoudness(joined([new Int16Array(RATE_HZ), speech]), RATE_HZ)).toBeCloseTo(
      -23.01,
      1,
    );
    expect(measureLoudness(joined([hiss, speech, hiss]), RATE_HZ)).toBeCloseTo(-23.01, 1);
  });

  it("is −Infinity where nothing was said", () => {
    expect(measureLoudness(new Int16Array(RATE_HZ), RATE_HZ)).toBe(-Infinity);
    expect(measureLoudness(new Int16Array(0), RATE_HZ)).toBe(-Infinity);
  });
});

describe("a limiter", () => {
  const limit = (chunks: Int16Array[], gainDb: number, ceilingDb: number) => {
    const limiter = createLimiter({ gainDb, ceilingDb });
    return joined([...chunks.map((chunk) => limiter.push(chunk)), limiter.flush()]);
  };

  it("is a plain gain below the ceiling, aligned and as long as the input", () => {
    const input = sine({ hz: 300, rateHz: RATE_HZ, samples: 5_000, amplitude: 0.1 });
    const output = limit([input], 6, -1);
    expect(output.length).toBe(input.length);
    output.forEach((sample, index) => {
      expect(Math.abs(sample - (input[index] ?? 0) * dbToFactor(6))).toBeLessThan(1);
    });
  });

  it.each([0, 6, 20, 60])("never passes the ceiling at %i dB of gain", (gainDb) => {
    const loud = noise(5, 20_000);
    const output = limit([loud], gainDb, -1);
    expect(peakDbfs(output)).toBeLessThanOrEqual(-0.99);
    expect(rmsDbfs(output)).toBeGreaterThan(-12);
  });

  it("turns down before a peak without a step, and lets go after it", () => {
    const quiet = (samples: number) =>
      sine({ hz: 1_000, rateHz: RATE_HZ, samples, amplitude: 0.1 });
    const output = limit([joined([quiet(9_600), noise(6, 480), quiet(48_000)])], 12, -1);
    const full = 0.1 * dbToFactor(12);
    // 100 ms before the burst and half a second after it the gain is whole; right after it, it is not yet.
    expect(rmsDbfs(output.subarray(0, 4_800))).toBeCloseTo(20 * Math.log10(full) - 3.01, 1);
    expect(rmsDbfs(output.subarray(-4_800))).toBeCloseTo(20 * Math.log10(full) - 3.01, 1);
    expect(rmsDbfs(output.subarray(10_200, 11_160))).toBeLessThan(20 * Math.log10(full) - 6);
  });

  it("gives the same samples however the input is cut", () => {
    const input = noise(9, 12_000);
    const whole = limit([input], 9, -2);
    for (const longest of [1, 300, 5_000]) {
      expect(limit(randomChunks(longest, input, longest), 9, -2)).toEqual(whole);
    }
  });

  it("gives back an utterance shorter than its look-ahead", () => {
    expect([...limit([Int16Array.of(1, 2, 3)], 0, -1)]).toEqual([1, 2, 3]);
  });
});
