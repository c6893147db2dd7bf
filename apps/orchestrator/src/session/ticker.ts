/** The process' one pacing timer: every session is called once in 20 ms, spread over four phases. Owns the timer, not what is done. */
import { FRAME_MS } from "@antiphon/protocol";
import type { Clock, Timer } from "@antiphon/runtime";

export interface Ticked {
  tick(nowMs: number): void;
}

/**
 * Ticks at 5 ms; each phase is served at every fourth. Due times count from the start, so lateness does not add up; ticks missed in
 * a stall are skipped, not made up for. `onError` gets what a session's tick throws: one session's fault ends that session alone.
 */
export class Ticker {
  readonly #clock: Clock;
  readonly #onError: (ticked: Ticked, reason: unknown) => void;
  readonly #phases: Set<Ticked>[] = Array.from({ length: PHASES }, () => new Set());
  #timer: Timer | undefined;
  #startMs = 0;
  #tick = 0;

  constructor(options: { clock: Clock; onError: (ticked: Ticked, reason: unknown) => void }) {
    this.#clock = options.clock;
    this.#onError = options.onError;
  }

  /** Joins the emptiest phase. */
  add(ticked: Ticked): void {
    const emptiest = this.#phases.reduce((best, phase) => (phase.size < best.size ? phase : best));
    emptiest.add(ticked);
    if (this.#timer !== undefined) return;
    this.#startMs = this.#clock.nowMs();
    this.#tick = 0;
    this.#schedule();
  }

  remove(ticked: Ticked): void {
    for (const phase of this.#phases) phase.delete(ticked);
    if (this.#phases.some((phase) => phase.size > 0)) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #schedule(): void {
    const dueMs = this.#startMs + (this.#tick + 1) * TICK_MS;
    this.#timer = this.#clock.setTimer(Math.max(0, dueMs - this.#clock.nowMs()), () => this.#run());
  }

  #run(): void {
    const nowMs = this.#clock.nowMs();
    const reached = Math.max(this.#tick + 1, Math.floor((nowMs - this.#startMs) / TICK_MS));
    const from = Math.max(this.#tick + 1, reached - PHASES + 1);
    this.#tick = reached;
    this.#schedule();
    for (let tick = from; tick <= reached; tick++) {
      for (const ticked of this.#phases[tick % PHASES] ?? []) {
        try {
          ticked.tick(nowMs);
        } catch (reason) {
          this.#onError(ticked, reason);
        }
      }
    }
  }
}

const PHASES = 4;
const TICK_MS = FRAME_MS / PHASES;
