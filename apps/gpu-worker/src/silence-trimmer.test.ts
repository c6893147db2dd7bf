import { SeededRandom } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import { SilenceTrimmer } from "./silence-trimmer.ts";

/** At 1 kHz a sample is a millisecond: 10 before the first audible one are kept, 100 after the last. */
function trim(
  samples: Int16Array,
  sizes: () => number,
): { kept: number[]; trimmed: number | undefined } {
  const trimmer = new SilenceTrimmer({ sampleRateHz: 1_000, audibleAmplitude: 100 });
  const kept: number[] = [];
  for (let start = 0; start < samples.length; ) {
    const size = sizes();
    for (const part of trimmer.push(samples.subarray(start, start + size))) kept.push(...part);
    start += size;
  }
  for (const part of trimmer.flush()) kept.push(...part);
  return { kept, trimmed: trimmer.trimmedSamples };
}

/** Quiet samples are numbered, so that a shift shows. */
function speech(lead: number, tail: number): Int16Array {
  const samples = Int16Array.from({ length: lead + 60 + tail }, (_, index) => index % 90);
  for (const index of [lead, lead + 20, lead + 59]) samples[index] = 1_000 + index;
  return samples;
}

describe("a trimmed stretch of speech", () => {
  it("keeps 10 ms before and 100 ms after what can be heard", () => {
    const samples = speech(200, 300);
    expect(trim(samples, () => 100)).toEqual({
      kept: [...samples.subarray(190, 200 + 60 + 100)],
      trimmed: 190,
    });
  });

  it("keeps everything of one that begins and ends at once", () => {
    const samples = speech(4, 7);
    expect(trim(samples, () => 100)).toEqual({ kept: [...samples], trimmed: 0 });
  });

  it("is nothing at all when nothing can be heard", () => {
    const quiet = new Int16Array(500).fill(99);
    expect(trim(quiet, () => 100)).toEqual({ kept: [], trimmed: undefined });
  });

  it("does not depend on how it was cut", () => {
    const random = new SeededRandom(7);
    for (let round = 0; round < 200; round++) {
      const samples = speech(random.below(300), random.below(300));
      const whole = trim(samples, () => samples.length);
      expect(trim(samples, () => 1 + random.below(120))).toEqual(whole);
    }
  });

  it("gives quiet samples up to the last audible one at once, and holds the rest back", () => {
    const trimmer = new SilenceTrimmer({ sampleRateHz: 1_000, audibleAmplitude: 100 });
    const samples = speech(0, 50);
    expect(trimmer.push(samples).flatMap((part) => [...part])).toEqual([
      ...samples.subarray(0, 60),
    ]);
    expect(trimmer.push(new Int16Array(40))).toEqual([]);
    expect(trimmer.flush().reduce((sum, part) => sum + part.length, 0)).toBe(90);
  });
});
