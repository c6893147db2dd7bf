/** Time as a parameter. Owns the port and the one real implementation; fakes are in `testing/`. */

/** Monotonic time and timers. Everything that waits takes one of these. */
export interface Clock {
  /** Milliseconds since some fixed moment; never goes back, says nothing of the date. */
  nowMs(): number;
  /** Calls `action` once, not before `delayMs` have passed. */
  setTimer(delayMs: number, action: () => void): Timer;
}

export interface Timer {
  /** Idempotent; after it the action is not called. */
  cancel(): void;
}

/** The process' own clock. Its timers keep the process alive, as Node's do. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  setTimer(delayMs, action) {
    // A moment that has passed is due now; Node would warn of a negative delay.
    const handle = setTimeout(action, Math.max(0, delayMs));
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Waits on the given clock. Rejects with the signal's reason as soon as it aborts. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
