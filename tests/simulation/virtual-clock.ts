/** Virtual time for a whole world in one thread: what is due, in order, one step after another. Owns time and whose timers they are; knows nothing of what they do. */
import type { Clock, Timer } from "@antiphon/runtime";

/**
 * Each step moves time to the earliest timer and fires it, and lets every promise settle before the next. Order is that of time, then of
 * setting, so the same calls give the same order on every machine.
 */
export class VirtualClock {
  #nowMs = 0;
  #steps = 0;
  #order = 0;
  /** A binary heap: a linear search over some hundred timers would be most of a run's time. */
  readonly #heap: Entry[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Timers fired. */
  get steps(): number {
    return this.#steps;
  }

  /** `within`: a part of that one, which stands still with it and counts its own timers. */
  party(name: string, within?: Party): Party {
    return new Party(this, name, within);
  }

  /** Fires the next timer that is due by `untilMs`; false when there is none, and time is `untilMs` then. */
  async step(untilMs: number): Promise<boolean> {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.dueMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs);
        return false;
      }
      this.#pop();
      if (next.action === undefined) continue;
      if (next.party.stalledUntilMs > next.dueMs) {
        // Its process stands still: whatever is due meanwhile happens at the end, in the order in which it was due.
        next.dueMs = next.party.stalledUntilMs;
        this.#push(next);
        continue;
      }
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      this.#steps++;
      const { action } = next;
      next.action = undefined;
      next.party.fired();
      action();
      await everythingSettled();
      return true;
    }
  }

  set(party: Party, atMs: number, action: () => void): Entry {
    const dueMs = Math.max(this.#nowMs, atMs);
    const entry = { dueMs, wantedMs: dueMs, order: this.#order++, party, action };
    this.#push(entry);
    return entry;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Entry;
      if (!isBefore(entry, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = child + 1;
      if (right < heap.length && isBefore(heap[right] as Entry, heap[child] as Entry))
        child = right;
      if (!isBefore(heap[child] as Entry, last)) break;
      heap[at] = heap[child] as Entry;
      at = child;
    }
    heap[at] = last;
  }
}

/** One process or thread of the world: its own view of the clock, its own timers, its own stalls. */
export class Party implements Clock {
  readonly name: string;
  readonly #clock: VirtualClock;
  readonly #within: Party | undefined;
  #pending = 0;
  #stalledUntilMs = 0;

  constructor(clock: VirtualClock, name: string, within?: Party) {
    this.#clock = clock;
    this.name = name;
    this.#within = within;
  }

  get stalledUntilMs(): number {
    return this.#within?.stalledUntilMs ?? this.#stalledUntilMs;
  }

  /** Timers neither fired nor cancelled. */
  get pendingTimers(): number {
    return this.#pending;
  }

  /** It stands still for so long: a garbage collection, a hidden page, a stopped process. */
  stall(forMs: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.#clock.nowMs + forMs);
  }

  nowMs(): number {
    return this.#clock.nowMs;
  }

  setTimer(delayMs: number, action: () => void): Timer {
    return this.at(this.#clock.nowMs + Math.max(0, delayMs), action);
  }

  /** A moment rather than a delay: added to the time of asking, the same moment would come out otherwise in its last digit. */
  at(atMs: number, action: () => void): Timer {
    const entry = this.#clock.set(this, atMs, action);
    this.#pending++;
    return {
      cancel: () => {
        if (entry.action === undefined) return;
        entry.action = undefined;
        this.#pending--;
      },
    };
  }

  fired(): void {
    this.#pending--;
  }
}

interface Entry {
  dueMs: number;
  /** Before a stall put it off. */
  wantedMs: number;
  order: number;
  party: Party;
  /** Undefined: fired or cancelled. */
  action: (() => void) | undefined;
}

function isBefore(one: Entry, other: Entry): boolean {
  if (one.dueMs !== other.dueMs) return one.dueMs < other.dueMs;
  if (one.wantedMs !== other.wantedMs) return one.wantedMs < other.wantedMs;
  return one.order < other.order;
}

/** Node runs every microtask before the next of these: however long a chain of promises is, it is through then. */
function everythingSettled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
