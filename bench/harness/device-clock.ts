/** The one timer of a load: calls every device once in 10 ms and knows how late it was. Plays nothing itself. */
import { constants, setPriority } from "node:os";
import { performance } from "node:perf_hooks";
import type { Lateness } from "../bench.ts";
import { tenth } from "./distribution.ts";

/** What is called: `tick` counts from the clock's start. */
export interface Ticked {
  tick(nowMs: number, tick: number): void;
}

/**
 * Due times count from the start, so lateness does not add up, and ticks that were missed are made up for. Lateness is taken device by
 * device, just before it is called: the last of fifty waits for the other forty-nine, and that is part of it.
 */
export class DeviceClock {
  readonly #devices = new Set<Ticked>();
  /** In steps of `BUCKET_MS`; the last holds everything beyond. */
  readonly #buckets = new Float64Array(BUCKETS);
  #startMs = 0;
  #tick = 0;
  #timer: NodeJS.Timeout | undefined;
  #ticks = 0;
  #maxMs = 0;

  add(device: Ticked): void {
    this.#devices.add(device);
    if (this.#timer !== undefined) return;
    goBefore(true);
    this.#startMs = performance.now();
    this.#tick = 0;
    this.#schedule();
  }

  /** Without devices the clock rests. */
  remove(device: Ticked): void {
    this.#devices.delete(device);
    if (this.#devices.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    goBefore(false);
  }

  /** Of every tick of every device so far. */
  lateness(): Lateness {
    return {
      ticks: this.#ticks,
      p50Ms: this.#quantileMs(0.5),
      p99Ms: this.#quantileMs(0.99),
      maxMs: tenth(this.#maxMs),
    };
  }

  #schedule(): void {
    const dueMs = this.#startMs + this.#tick * QUANTUM_MS;
    this.#timer = setTimeout(() => this.#run(), Math.max(0, dueMs - performance.now()));
  }

  #run(): void {
    const nowMs = performance.now();
    // A machine that slept: no device plays a minute at once.
    const missed = Math.floor((nowMs - this.#startMs) / QUANTUM_MS) - this.#tick;
    if (missed > STALL_TICKS) {
      this.#note(missed * QUANTUM_MS);
      this.#startMs += missed * QUANTUM_MS;
    }
    for (let dueMs = this.#startMs + this.#tick * QUANTUM_MS; dueMs <= nowMs; dueMs += QUANTUM_MS) {
      const tick = this.#tick++;
      for (const device of this.#devices) {
        const atMs = performance.now();
        this.#note(atMs - dueMs);
        device.tick(atMs, tick);
      }
    }
    if (this.#devices.size > 0) this.#schedule();
  }

  #note(lateMs: number): void {
    const bucket = Math.min(BUCKETS - 1, Math.floor(Math.max(0, lateMs) / BUCKET_MS));
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#ticks++;
    this.#maxMs = Math.max(this.#maxMs, lateMs);
  }

  #quantileMs(share: number): number {
    let left = share * this.#ticks;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      left -= this.#buckets[bucket] ?? 0;
      if (left <= 0) return tenth((bucket + 1) * BUCKET_MS);
    }
    return tenth(BUCKETS * BUCKET_MS);
  }
}

/**
 * Listeners have machines of their own: they do not wait for what they call. Only while the clock runs, since children inherit it, and
 * only where that is allowed; elsewhere lateness tells.
 */
function goBefore(others: boolean): void {
  try {
    setPriority(others ? constants.priority.PRIORITY_HIGH : constants.priority.PRIORITY_NORMAL);
  } catch (reason) {
    if (!(reason instanceof Error && "code" in reason && reason.code === "ERR_SYSTEM_ERROR"))
      throw reason;
  }
}

/** What a sound device asks for at once, here: 480 samples. */
export const QUANTUM_MS = 10;
export const QUANTUM_SAMPLES = 480;

const BUCKET_MS = 0.1;
const BUCKETS = 5_000;
const STALL_TICKS = 50;
