/** Events with types, nothing more: no wildcard, no once, no asynchronous delivery. */

/** Listeners are called in the order in which they were added, before `emit` returns. */
export class TypedEmitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(event: never) => void>>();

  /** Returns what removes the listener again. */
  on<T extends keyof Events>(type: T, listener: (event: Events[T]) => void): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  protected emit<T extends keyof Events>(type: T, event: Events[T]): void {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) listener(event as never);
  }
}
