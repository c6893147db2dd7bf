import { describe, expect, it } from "vitest";
import { FRAME_SAMPLES } from "./audio-format.ts";
import { Framer } from "./framer.ts";
import { joined, noise, randomChunks } from "./testing/signals.ts";

describe("a framer", () => {
  it.each([1, 2, 3])("gives the same frames however the input is cut (seed %i)", (seed) => {
    const samples = noise(seed, 10 * FRAME_SAMPLES + 17);
    const framer = new Framer();
    const frames = randomChunks(seed, samples).flatMap((chunk) => framer.push(chunk));
    expect(frames.map((frame) => frame.length)).toEqual(Array(10).fill(FRAME_SAMPLES));
    expect(framer.pendingSamples).toBe(17);
    const last = framer.flush();
    expect(last?.length).toBe(FRAME_SAMPLES);
    const all = joined([...frames, last ?? new Int16Array(0)]);
    expect(all.subarray(0, samples.length)).toEqual(samples);
    expect(all.subarray(samples.length).every((sample) => sample === 0)).toBe(true);
  });

  it("gives no frame of nothing at the end", () => {
    const framer = new Framer();
    expect(framer.push(new Int16Array(FRAME_SAMPLES)).length).toBe(1);
    expect(framer.flush()).toBeUndefined();
  });

  it("gives each frame memory of its own", () => {
    const framer = new Framer({ frameSamples: 2 });
    const [first, second] = framer.push(Int16Array.of(1, 2, 3, 4));
    first?.fill(9);
    expect([...(second ?? [])]).toEqual([3, 4]);
  });
});
