import { describe, expect, it } from "vitest";
import { rmsDbfs } from "./pcm.ts";
import { createResampler, resample } from "./resampler.ts";
import { joined, noise, randomChunks, sine } from "./testing/signals.ts";

const RATIOS = [
  [16_000, 48_000],
  [48_000, 16_000],
  [22_050, 48_000],
  [24_000, 48_000],
  [8_000, 48_000],
  [44_100, 48_000],
  [48_000, 48_000],
  [384_000, 4_000],
] as const;

describe.each(RATIOS)("from %i to %i Hz", (fromHz, toHz) => {
  it("gives the same samples however the input is cut", () => {
    const input = noise(7, 7_000);
    const whole = resample(input, { fromHz, toHz });
    expect(whole.length).toBe(Math.ceil((input.length * toHz) / fromHz));
    for (const longest of [1, 50, 3_000]) {
      const resampler = createResampler({ fromHz, toHz });
      const chunks = randomChunks(longest, input, longest);
      const outputs = chunks.map((chunk) => resampler.push(chunk));
      expect(joined([...outputs, resampler.flush()])).toEqual(whole);
    }
  });

  it("starts afresh after flush", () => {
    const input = noise(8, 500);
    const resampler = createResampler({ fromHz, toHz });
    const once = joined([resampler.push(input), resampler.flush()]);
    expect(joined([resampler.push(input), resampler.flush()])).toEqual(once);
  });
});

describe("the filter", () => {
  it.each([
    [16_000, 48_000],
    [48_000, 16_000],
    [22_050, 48_000],
    [44_100, 48_000],
  ])("keeps a tone's level and its place, %i to %i Hz", (fromHz, toHz) => {
    const output = resample(sine({ hz: 440, rateHz: fromHz, samples: fromHz }), { fromHz, toHz });
    const expected = sine({ hz: 440, rateHz: toHz, samples: toHz });
    // The ends, where the signal begins and breaks off, ring; the middle agrees within 1 % of its peak.
    for (let index = 2_000; index < toHz - 2_000; index++) {
      expect(Math.abs((output[index] ?? 0) - (expected[index] ?? 0))).toBeLessThan(160);
    }
  });

  it.each([100, 1_000, 4_000, 6_500])("keeps %i Hz within 0.2 dB over 16 → 48 → 16 kHz", (hz) => {
    const input = sine({ hz, rateHz: 16_000, samples: 16_000 });
    const there = resample(input, { fromHz: 16_000, toHz: 48_000 });
    const back = resample(there, { fromHz: 48_000, toHz: 16_000 });
    expect(back.length).toBe(input.length);
    const difference = rmsDbfs(back.subarray(500, 15_500)) - rmsDbfs(input.subarray(500, 15_500));
    expect(Math.abs(difference)).toBeLessThan(0.2);
  });

  it.each([8_050, 9_000, 12_000, 16_000, 23_000])(
    "lets nothing of %i Hz alias into 16 kHz",
    (hz) => {
      const input = sine({ hz, rateHz: 48_000, samples: 48_000, amplitude: 0.9 });
      const output = resample(input, { fromHz: 48_000, toHz: 16_000 }).subarray(500, 15_500);
      expect(rmsDbfs(output) - rmsDbfs(input)).toBeLessThan(-60);
    },
  );

  it.each([1_000, 6_000])("leaves no image of %i Hz in 48 kHz", (hz) => {
    const input = sine({ hz, rateHz: 16_000, samples: 16_000, amplitude: 0.9 });
    const output = resample(input, { fromHz: 16_000, toHz: 48_000 });
    // What is left when the tone at its new rate is taken away.
    const tone = bestFit(output.subarray(2_000, 46_000), hz, 48_000);
    expect(rmsDbfs(tone.rest) - rmsDbfs(input)).toBeLessThan(-60);
  });

  it("passes a constant unchanged in every phase", () => {
    const output = resample(new Int16Array(2_000).fill(10_000), { fromHz: 22_050, toHz: 48_000 });
    expect(output.subarray(500, 3_500).every((sample) => Math.abs(sample - 10_000) <= 1)).toBe(
      true,
    );
  });

  it("clamps where a full-scale square wave overshoots", () => {
    const square = Int16Array.from({ length: 4_800 }, (_, at) => (at % 96 < 48 ? 32767 : -32768));
    const output = resample(square, { fromHz: 48_000, toHz: 16_000 });
    expect(Math.max(...output)).toBe(32767);
    // Wrapped around, a sample in the middle of a high half would be negative.
    expect(output.subarray(322, 334).every((sample) => sample > 20_000)).toBe(true);
  });
});

describe("a wide transition, for a detector", () => {
  const wide = { fromHz: 48_000, toHz: 16_000, transition: "wide" } as const;

  it.each([100, 1_000, 4_000, 6_000])("keeps %i Hz within 0.3 dB", (hz) => {
    const input = sine({ hz, rateHz: 48_000, samples: 48_000 });
    const output = resample(input, wide).subarray(500, 15_500);
    expect(Math.abs(rmsDbfs(output) - rmsDbfs(input))).toBeLessThan(0.3);
  });

  it.each([9_500, 12_000, 23_000])("lets nothing of %i Hz alias", (hz) => {
    const input = sine({ hz, rateHz: 48_000, samples: 48_000, amplitude: 0.9 });
    const output = resample(input, wide).subarray(500, 15_500);
    expect(rmsDbfs(output) - rmsDbfs(input)).toBeLessThan(-60);
  });

  it("looks less far ahead than a narrow one", () => {
    const narrow = createResampler({ fromHz: 48_000, toHz: 16_000 });
    expect(createResampler(wide).lookAheadSamples).toBeLessThan(narrow.lookAheadSamples / 2);
  });
});

describe("rates that make no sense", () => {
  it.each([
    [0, 48_000],
    [16_000.5, 48_000],
    [47_999, 48_000],
  ])("are refused: %d to %d", (fromHz, toHz) => {
    expect(() => createResampler({ fromHz, toHz })).toThrow(RangeError);
  });
});

/** Projects onto sine and cosine of `hz`; gives what is left. */
function bestFit(samples: Int16Array, hz: number, rateHz: number): { rest: Int16Array } {
  const step = (2 * Math.PI * hz) / rateHz;
  let inPhase = 0;
  let quadrature = 0;
  samples.forEach((sample, index) => {
    inPhase += sample * Math.sin(step * index);
    quadrature += sample * Math.cos(step * index);
  });
  const scale = 2 / samples.length;
  return {
    rest: samples.map(
      (sample, index) =>
        sample - scale * (inPhase * Math.sin(step * index) + quadrature * Math.cos(step * index)),
    ),
  };
}
