/** Who may compute next in one inference process. Owns the order and the waiting; knows nothing of what is computed. */
import { AntiphonError } from "@antiphon/protocol";
import type { Clock, Timer } from "@antiphon/runtime";

export type JobPriority = "final" | "partial";

/**
 * A fixed number of slots and a bounded line before them: finals go before partials, otherwise first come, first served.
 *
 * With no slots (the process is starting again) everybody waits. A wait that is too long ends in `overloaded`, or
 * `unavailable` where there is no process.
 */
export class SlotQueue {
  readonly #clock: Clock;
  readonly #waitingMax: number;
  readonly #waitMsMax: number;
  #slots = 0;
  #busy = 0;
  #closed: AntiphonError | undefined;
  readonly #lines: Record<JobPriority, Waiting[]> = { final: [], partial: [] };

  constructor(options: { clock: Clock; waitingMax: number; waitMsMax: number }) {
    this.#clock = options.clock;
    this.#waitingMax = options.waitingMax;
    this.#waitMsMax = options.waitMsMax;
  }

  /** Slots taken. */
  get busy(): number {
    return this.#busy;
  }

  get waiting(): number {
    return this.#lines.final.length + this.#lines.partial.length;
  }

  /** 0 while there is no process. */
  setSlots(slots: number): void {
    this.#slots = slots;
    this.#admit();
  }

  /** Everybody who waits is refused, and everybody who comes, until `open`. */
  close(error: AntiphonError): void {
    this.#closed = error;
    this.#slots = 0;
    for (const line of Object.values(this.#lines)) {
      for (const waiting of line.splice(0)) waiting.refuse(error);
    }
  }

  open(): void {
    this.#closed = undefined;
  }

  /** Resolves with the function that gives the slot back. Rejects with the signal's reason when it aborts first. */
  acquire(priority: JobPriority, signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (this.#busy < this.#slots) return Promise.resolve(this.#take());
    if (this.waiting >= this.#waitingMax) return Promise.reject(this.#tooMany());
    return new Promise((resolve, reject) => {
      const line = this.#lines[priority];
      const leave = () => {
        timer.cancel();
        signal.removeEventListener("abort", onAbort);
        const index = line.indexOf(waiting);
        if (index >= 0) line.splice(index, 1);
      };
      const waiting: Waiting = {
        admit: () => {
          leave();
          resolve(this.#take());
        },
        refuse: (reason) => {
          leave();
          reject(reason);
        },
      };
      const onAbort = () => waiting.refuse(signal.reason);
      const timer: Timer = this.#clock.setTimer(this.#waitMsMax, () =>
        waiting.refuse(this.#tooMany()),
      );
      signal.addEventListener("abort", onAbort, { once: true });
      line.push(waiting);
    });
  }

  #take(): () => void {
    this.#busy++;
    let taken = true;
    return () => {
      if (!taken) return;
      taken = false;
      this.#busy--;
      this.#admit();
    };
  }

  #admit(): void {
    while (this.#busy < this.#slots) {
      const next = this.#lines.final[0] ?? this.#lines.partial[0];
      if (next === undefined) return;
      next.admit();
    }
  }

  #tooMany(): AntiphonError {
    if (this.#slots === 0) {
      return new AntiphonError("unavailable", "The model is starting again; try again shortly.");
    }
    return new AntiphonError("overloaded", "The model has more to do than it can take.", {
      details: { retryAfterMs: this.#waitMsMax },
    });
  }
}

interface Waiting {
  admit(): void;
  refuse(reason: unknown): void;
}
