import type { Clock } from "@antiphon/runtime";
import { FakeClock } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import { Metronome } from "./metronome.ts";

/** Each timer fires this much too late. */
function lateClock(clock: FakeClock, lateMs: number): Clock {
  return {
    nowMs: () => clock.nowMs(),
    setTimer: (delayMs, action) => clock.setTimer(delayMs + lateMs, action),
  };
}

function ticksOf(clock: Clock) {
  const ticks: number[] = [];
  const metronome = new Metronome({ clock, intervalMs: 20, onTick: (tick) => ticks.push(tick) });
  return { ticks, metronome };
}

describe("a metronome", () => {
  it("keeps its pace on a clock whose timers are late", () => {
    const clock = new FakeClock();
    const { ticks, metronome } = ticksOf(lateClock(clock, 7));
    clock.advance(1_000);
    expect(ticks).toEqual(Array.from({ length: 50 }, (_, tick) => tick));
    metronome.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it("makes up for a short stall at once, and goes on from the end of a long one", () => {
    const clock = new FakeClock();
    const { ticks } = ticksOf(lateClock(clock, 400));
    clock.advance(400);
    expect(ticks).toHaveLength(21);
    const stalled = ticksOf(lateClock(clock, 60_000));
    clock.advance(60_000);
    expect(stalled.ticks).toEqual([0]);
  });

  it("can be stopped by its own tick", () => {
    const clock = new FakeClock();
    const metronome: Metronome = new Metronome({
      clock,
      intervalMs: 20,
      onTick: (tick) => {
        if (tick === 1) metronome.stop();
      },
    });
    clock.advance(1_000);
    expect(clock.pendingTimers).toBe(0);
  });
});
