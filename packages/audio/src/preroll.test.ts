import { describe, expect, it } from "vitest";
import { FRAME_SAMPLES } from "./audio-format.ts";
import { Preroll } from "./preroll.ts";

const frame = (value: number) => new Int16Array(FRAME_SAMPLES).fill(value);

describe("a preroll", () => {
  it("gives the frames from the one that holds a position on", () => {
    const preroll = new Preroll({ framesMax: 4 });
    for (let index = 0; index < 6; index++) preroll.push(frame(index));
    expect([preroll.oldestSample, preroll.endSample]).toEqual([
      2 * FRAME_SAMPLES,
      6 * FRAME_SAMPLES,
    ]);
    const found = preroll.from(4 * FRAME_SAMPLES + 1);
    expect(found.map(({ startSample, samples }) => [startSample, samples[0]])).toEqual([
      [4 * FRAME_SAMPLES, 4],
      [5 * FRAME_SAMPLES, 5],
    ]);
  });

  it("gives what it still has when the position is gone, and nothing for the future", () => {
    const preroll = new Preroll({ framesMax: 2 });
    expect(preroll.from(-5)).toEqual([]);
    for (let index = 0; index < 5; index++) preroll.push(frame(index));
    expect(preroll.from(-5).map(({ samples }) => samples[0])).toEqual([3, 4]);
    expect(preroll.from(preroll.endSample)).toEqual([]);
  });

  it("copies what is pushed and refuses what is no frame", () => {
    const preroll = new Preroll({ framesMax: 2 });
    const pushed = frame(1);
    preroll.push(pushed);
    pushed.fill(9);
    expect(preroll.from(0)[0]?.samples[0]).toBe(1);
    expect(() => preroll.push(new Int16Array(959))).toThrow(RangeError);
  });
});
