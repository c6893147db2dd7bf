import { describe, expect, it } from "vitest";
import { AwakeTime } from "./awake-time.ts";

describe("time in which one was awake", () => {
  it("begins with the first tick, whenever that is, and goes on with those that are in time", () => {
    const awake = new AwakeTime();
    expect([5_000, 5_020, 5_045].map((nowMs) => awake.tick(nowMs))).toEqual([0, 20, 25]);
    expect(awake.ms).toBe(45);
  });

  it("counts a stall as two ticks, whatever it was", () => {
    const awake = new AwakeTime();
    awake.tick(0);
    expect([awake.tick(10_000), awake.tick(10_020)]).toEqual([40, 20]);
  });
});
