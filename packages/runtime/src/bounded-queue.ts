/** A queue with a limit and a named way to overflow, read by one consumer as an async iterable. */

/** What happens to a value for which there is no room. */
export type OverflowPolicy = "drop-oldest" | "reject";

/**
 * Holds at most `max` values between a producer that must not wait and one consumer that may.
 *
 * `push` answers what the overflow policy did, so that nothing is lost unsaid. After `close` what is queued is still
 * read; after `fail` it is not, and the reader gets the reason.
 */
export class BoundedQueue<T> implements AsyncIterable<T> {
  readonly #max: number;
  readonly #overflow: OverflowPolicy;
  #values: T[] = [];
  #waiting: ((result: IteratorResult<T>) => void) | undefined;
  #rejectWaiting: ((reason: unknown) => void) | undefined;
  #end: { kind: "closed" } | { kind: "failed"; reason: unknown } | undefined;

  constructor(options: { max: number; overflow: OverflowPolicy }) {
    this.#max = options.max;
    this.#overflow = options.overflow;
  }

  get length(): number {
    return this.#values.length;
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  /** "accepted", "dropped-oldest" (this one is in, the oldest is gone), or "rejected" (full, or ended). */
  push(value: T): "accepted" | "dropped-oldest" | "rejected" {
    if (this.#end !== undefined) return "rejected";
    if (this.#waiting !== undefined) {
      const resolve = this.#waiting;
      this.#waiting = undefined;
      this.#rejectWaiting = undefined;
      resolve({ done: false, value });
      return "accepted";
    }
    if (this.#values.length < this.#max) {
      this.#values.push(value);
      return "accepted";
    }
    if (this.#overflow === "reject") return "rejected";
    this.#values.shift();
    this.#values.push(value);
    return "dropped-oldest";
  }

  /** No more values; the reader ends after what is queued. */
  close(): void {
    if (this.#end !== undefined) return;
    this.#end = { kind: "closed" };
    this.#waiting?.({ done: true, value: undefined });
    this.#waiting = undefined;
    this.#rejectWaiting = undefined;
  }

  /** Ends at once: what is queued is discarded, the reader throws `reason`. */
  fail(reason: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { kind: "failed", reason };
    this.#values = [];
    this.#rejectWaiting?.(reason);
    this.#waiting = undefined;
    this.#rejectWaiting = undefined;
  }

  /** Takes everything queued, without waiting. */
  drain(): T[] {
    const values = this.#values;
    this.#values = [];
    return values;
  }

  /** One consumer: a second `next` while one is pending is a programmer error. */
  [Symbol.asyncIterator](): AsyncIterator<T> {
    return {
      next: () => this.#next(),
      return: () => {
        this.close();
        this.#values = [];
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  #next(): Promise<IteratorResult<T>> {
    const value = this.#values.shift();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#end?.kind === "closed") return Promise.resolve({ done: true, value: undefined });
    if (this.#end?.kind === "failed") return Promise.reject(this.#end.reason);
    if (this.#waiting !== undefined) throw new Error("BoundedQueue has one consumer");
    return new Promise((resolve, reject) => {
      this.#waiting = resolve;
      this.#rejectWaiting = reject;
    });
  }
}
