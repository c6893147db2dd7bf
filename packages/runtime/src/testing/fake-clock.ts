/** A clock that moves only when told. For unit tests and the simulator. */
import type { Clock, Timer } from "../clock.ts";

export class FakeClock implements Clock {
  #nowMs = 0;
  #nextId = 0;
  readonly #timers = new Map<number, { dueMs: number; action: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, action: () => void): Timer {
    const id = this.#nextId++;
    this.#timers.set(id, { dueMs: this.#nowMs + Math.max(0, delayMs), action });
    return { cancel: () => this.#timers.delete(id) };
  }

  /** Timers not yet fired nor cancelled: a test's end expects 0. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Fires what falls due, in order of time and then of setting; what they set falls due in the same call. */
  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs;
    for (;;) {
      const next = this.#earliest(untilMs);
      if (next === undefined) break;
      this.#timers.delete(next.id);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.action();
    }
    this.#nowMs = untilMs;
  }

  /** The process stands still: what falls due meanwhile fires, late, when time is advanced again. */
  stall(byMs: number): void {
    this.#nowMs += byMs;
  }

  /** As `advance`, in steps, letting promises settle after each: for code that awaits between timers. */
  async advanceAsync(byMs: number, stepMs = 5): Promise<void> {
    await settle();
    for (let doneMs = 0; doneMs < byMs; doneMs += stepMs) {
      this.advance(Math.min(stepMs, byMs - doneMs));
      await settle();
    }
  }

  #earliest(untilMs: number): { id: number; dueMs: number; action: () => void } | undefined {
    let best: { id: number; dueMs: number; action: () => void } | undefined;
    for (const [id, timer] of this.#timers) {
      if (timer.dueMs <= untilMs && (best === undefined || timer.dueMs < best.dueMs)) {
        best = { id, ...timer };
      }
    }
    return best;
  }
}

/** Lets every promise that can settle now do so, timers and I/O excepted. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
