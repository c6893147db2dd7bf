import type { CpuInfo } from "node:os";
import { FakeClock } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import { createMachineLoad } from "./machine-load.ts";

const processor = (user: number, idle: number): CpuInfo => ({
  model: "",
  speed: 0,
  times: { user, nice: 0, sys: 0, idle, irq: 0 },
});

describe("the machine's load", () => {
  it("is the share of processor time used since the look a second ago", () => {
    const clock = new FakeClock();
    let now = [processor(100, 900), processor(0, 1_000)];
    let looks = 0;
    const load = createMachineLoad(clock, () => {
      looks++;
      return now;
    });
    expect(load()).toBe(0);
    now = [processor(1_100, 900), processor(500, 1_500)];
    clock.advance(1_000);
    expect(load()).toBe(0.75);
    clock.advance(999);
    expect(load()).toBe(0.75);
    expect(looks).toBe(2);
    clock.advance(1);
    expect(load()).toBe(0.75);
    now = [processor(1_100, 1_900), processor(500, 2_500)];
    clock.advance(1_000);
    expect(load()).toBe(0);
  });
});
