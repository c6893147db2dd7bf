import { describe, expect, it } from "vitest";
import { deadline, untilAborted, Waiter } from "./abort.ts";
import { FakeClock, settle } from "./testing/index.ts";

describe("a deadline", () => {
  it("aborts with its reason when the time is up, and not when it was disposed of before", () => {
    const clock = new FakeClock();
    const kept = deadline(clock, 100, () => "late");
    const disposed = deadline(clock, 100, () => "late");
    disposed.dispose();
    clock.advance(100);
    expect([kept.signal.reason, disposed.signal.aborted]).toEqual(["late", false]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("aborts with its parent, for the parent's reason", () => {
    const parent = new AbortController();
    const child = deadline(new FakeClock(), 100, () => "late", parent.signal);
    parent.abort("unwanted");
    expect(child.signal.reason).toBe("unwanted");
    const late = deadline(new FakeClock(), 100, () => "late", AbortSignal.abort("before"));
    expect(late.signal.reason).toBe("before");
  });
});

describe("work that may be aborted", () => {
  it("settles as it would alone", async () => {
    const { signal } = new AbortController();
    expect(await untilAborted(Promise.resolve(1), signal)).toBe(1);
    await expect(untilAborted(Promise.reject(new Error("no")), signal)).rejects.toThrow("no");
  });

  it("is left when the signal aborts, and its own end concerns nobody then", async () => {
    const abort = new AbortController();
    const work = Promise.withResolvers<void>();
    const left = untilAborted(work.promise, abort.signal);
    abort.abort(new Error("left"));
    await expect(left).rejects.toThrow("left");
    work.reject(new Error("late"));
    await settle();
    const after = Promise.reject(new Error("late"));
    await expect(untilAborted(after, abort.signal)).rejects.toThrow("left");
  });
});

describe("a waiter", () => {
  it.each([
    ["somebody wakes it", (waiter: Waiter) => waiter.wake()],
    ["it is not to wait any more", (_: Waiter, abort: AbortController) => abort.abort()],
  ])("sleeps until %s", async (_, wake) => {
    const waiter = new Waiter();
    const abort = new AbortController();
    const slept = sleeping(waiter, abort.signal);
    await settle();
    expect(slept.over).toBe(false);
    wake(waiter, abort);
    await settle();
    expect(slept.over).toBe(true);
  });

  it("does not sleep where the signal has aborted", async () => {
    await new Waiter().wait(AbortSignal.abort());
  });

  it("is not woken by what came before it slept, and sleeps again after it was woken", async () => {
    const waiter = new Waiter();
    const { signal } = new AbortController();
    waiter.wake();
    const first = sleeping(waiter, signal);
    await settle();
    expect(first.over).toBe(false);
    waiter.wake();
    waiter.wake();
    await settle();
    const second = sleeping(waiter, signal);
    await settle();
    expect([first.over, second.over]).toEqual([true, false]);
    waiter.wake();
  });
});

function sleeping(waiter: Waiter, signal: AbortSignal): { over: boolean } {
  const state = { over: false };
  void waiter.wait(signal).then(() => {
    state.over = true;
  });
  return state;
}
