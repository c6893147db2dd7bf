import { FakeClock } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import { Ticker } from "./ticker.ts";

describe("with sessions of one process", () => {
  it("calls each once in 20 ms, spread over four phases, on one timer", () => {
    const clock = new FakeClock();
    const ticker = new Ticker({ clock, onError: () => {} });
    const ticks: number[][] = [[], [], [], []];
    const sessions = ticks.map((own) => ({ tick: (nowMs: number) => void own.push(nowMs) }));
    for (const session of sessions) ticker.add(session);
    expect(clock.pendingTimers).toBe(1);
    clock.advance(200);
    expect(ticks.map((own) => own.length)).toEqual([10, 10, 10, 10]);
    expect(new Set(ticks.map((own) => (own[0] ?? 0) % 20)).size).toBe(4);
    for (const session of sessions) ticker.remove(session);
    expect(clock.pendingTimers).toBe(0);
  });

  it("ends nobody else's tick when one fails", () => {
    const clock = new FakeClock();
    const failed: unknown[] = [];
    const ticker = new Ticker({ clock, onError: (_, reason) => failed.push(reason) });
    let ticked = 0;
    const bad = {
      tick: () => {
        throw new Error("broken");
      },
    };
    const good = { tick: () => void ticked++ };
    ticker.add(bad);
    ticker.add(good);
    clock.advance(100);
    expect(ticked).toBe(5);
    expect(failed).toHaveLength(5);
    ticker.remove(bad);
    ticker.remove(good);
  });
});
