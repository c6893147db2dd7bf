/** Time as whatever is ticked every 20 ms was awake for it. Owns what a late tick counts for; reads no clock. */
import { FRAME_MS } from "@antiphon/protocol";

/**
 * Nothing reaches a process that stands still, and when it goes on its timers come before what waits to be read: that others said nothing
 * meanwhile is not their fault. So a late tick counts as little more than one in time.
 */
export class AwakeTime {
  #tickedMs: number | undefined;
  #ms = 0;

  /** Since the first tick. */
  get ms(): number {
    return this.#ms;
  }

  /** Returns what is counted since the tick before. */
  tick(nowMs: number): number {
    const sinceMs = Math.min(nowMs - (this.#tickedMs ?? nowMs), LATE_TICK_MS_MAX);
    this.#tickedMs = nowMs;
    this.#ms += sinceMs;
    return sinceMs;
  }
}

/** A busy process is one tick late now and then, and not for seconds. */
const LATE_TICK_MS_MAX = 2 * FRAME_MS;
