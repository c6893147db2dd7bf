/** Deadlines, races with abort signals and waits that a signal ends; time comes from an injected clock. */
import type { Clock } from "./clock.ts";

/** A signal that aborts with `reason()` after `deadlineMs`, or with its parent. `dispose` when the wait is over. */
export function deadline(
  clock: Clock,
  deadlineMs: number,
  reason: () => unknown,
  parent?: AbortSignal,
): { signal: AbortSignal; dispose: () => void } {
  const controller = new AbortController();
  const onParent = () => controller.abort(parent?.reason);
  if (parent?.aborted) onParent();
  parent?.addEventListener("abort", onParent, { once: true });
  const timer = clock.setTimer(deadlineMs, () => controller.abort(reason()));
  return {
    signal: controller.signal,
    dispose: () => {
      timer.cancel();
      parent?.removeEventListener("abort", onParent);
    },
  };
}

/** Settles with `work`, or rejects with the signal's reason; `work` itself must listen to the signal to stop. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    work.catch(() => {});
    return Promise.reject(signal.reason);
  }
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/**
 * One waiter who sleeps until somebody says that things have changed, or until it is not to wait any more. It is told neither which nor
 * what: it looks for itself when it wakes. A wake while nobody waits is forgotten.
 */
export class Waiter {
  #wake: (() => void) | undefined;

  /** Never rejects; resolves at once where `signal` has aborted. Not to be called again before it has resolved. */
  wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener("abort", wake);
        this.#wake = undefined;
        resolve();
      };
      this.#wake = wake;
      signal.addEventListener("abort", wake, { once: true });
    });
  }

  wake(): void {
    this.#wake?.();
  }
}
