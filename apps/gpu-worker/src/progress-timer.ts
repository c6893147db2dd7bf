/** One timer that tells every open stream to say that it lives. Owns the timer; what is said is the stream's. */
import type { Clock, Timer } from "@antiphon/runtime";

/** Runs only while somebody listens. */
export class ProgressTimer {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #listeners = new Set<() => void>();
  #timer: Timer | undefined;

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  /** Calls `listener` every interval until the returned function is called. */
  start(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#timer ??= this.#arm(this.#clock.nowMs() + this.#intervalMs);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#timer?.cancel();
      this.#timer = undefined;
    };
  }

  /** On a grid, so that a late timer does not add up; after a stall it goes on from now. */
  #arm(dueMs: number): Timer {
    return this.#clock.setTimer(dueMs - this.#clock.nowMs(), () => {
      const nextMs = Math.max(dueMs, this.#clock.nowMs() - this.#intervalMs) + this.#intervalMs;
      this.#timer = this.#arm(nextMs);
      for (const listener of this.#listeners) listener();
    });
  }
}
