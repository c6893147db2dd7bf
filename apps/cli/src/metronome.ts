/** A steady beat on a clock whose timers are late: due times count from the start, so that lateness does not add up. */
import type { Clock, Timer } from "@antiphon/runtime";

/**
 * Calls `onTick` with 0, 1, 2… every `intervalMs`, the first as soon as whoever started it is done; a late timer makes up for what it missed. After a stall of more
 * than half a second (a laptop that slept) the beat goes on from there instead: nobody can use that much at once.
 */
export class Metronome {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #onTick: (tick: number) => void;
  #nextDueMs: number;
  #tick = 0;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: { clock: Clock; intervalMs: number; onTick: (tick: number) => void }) {
    this.#clock = options.clock;
    this.#intervalMs = options.intervalMs;
    this.#onTick = options.onTick;
    this.#nextDueMs = options.clock.nowMs();
    this.#timer = this.#clock.setTimer(0, () => this.#beat());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #beat(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#nextDueMs > STALL_MS) this.#nextDueMs = nowMs;
    while (!this.#stopped && this.#nextDueMs <= nowMs) {
      this.#nextDueMs += this.#intervalMs;
      this.#onTick(this.#tick++);
    }
    if (this.#stopped) return;
    this.#timer = this.#clock.setTimer(this.#nextDueMs - nowMs, () => this.#beat());
  }
}

const STALL_MS = 500;
