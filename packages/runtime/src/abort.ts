/** Deadlines and races with abort signals, on an injected clock. */
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
