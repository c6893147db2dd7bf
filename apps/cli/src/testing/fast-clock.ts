/** A clock that runs faster than the world: real sockets, no real waiting. */
import type { Clock } from "@antiphon/runtime";

export function fastClock(factor: number): Clock {
  const startMs = performance.now();
  return {
    nowMs: () => (performance.now() - startMs) * factor,
    setTimer(delayMs, action) {
      const handle = setTimeout(action, delayMs / factor);
      return { cancel: () => clearTimeout(handle) };
    },
  };
}
