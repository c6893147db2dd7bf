/** The last point before the wire that can hold or discard speech. Owns order, PAUSE and STOP of one stream; knows no protocol. */

/** Something on its way to the listener. */
export interface GateItem<Owner, Message> {
  /** The utterance it belongs to: `clear` discards by owner. */
  owner: Owner;
  /** Sound waits while the gate is closed, and whatever is behind it; the rest passes. */
  sound: boolean;
  /** Called once, as the item leaves: what it says of the samples sent is true at that moment. */
  leave(): Message;
}

/**
 * Between one producer that waits for room and one consumer that pulls.
 *
 * Closing the gate discards nothing: opened again it goes on at the same frame. `clear` discards what an utterance has in here
 * and refuses the rest of it. A consumer that does not pull fills the gate, and the producer waits: no more than `itemsMax` are held.
 */
export class FrameGate<Owner extends object, Message> {
  readonly #itemsMax: number;
  readonly #progress: () => Message;
  readonly #items: GateItem<Owner, Message>[] = [];
  /** What needs no open gate and waits for nothing before it: ends of stopped utterances. */
  readonly #ahead: Array<() => Message> = [];
  readonly #cleared = new WeakSet<Owner>();
  #progressDue = false;
  #paused = false;
  #end: "open" | "ending" | "closed" = "open";
  #wakeConsumer: (() => void) | undefined;
  #wakeProducers: Array<() => void> = [];

  constructor(options: { itemsMax: number; progress: () => Message }) {
    this.#itemsMax = options.itemsMax;
    this.#progress = options.progress;
  }

  get paused(): boolean {
    return this.#paused;
  }

  set paused(paused: boolean) {
    this.#paused = paused;
    this.#wake();
  }

  get length(): number {
    return this.#items.length + this.#ahead.length;
  }

  /** Resolves when there was room; false: the utterance was cleared or the gate closed, nothing more of it is wanted. */
  async put(item: GateItem<Owner, Message>): Promise<boolean> {
    while (this.#items.length >= this.#itemsMax && this.#wants(item.owner)) {
      await new Promise<void>((resolve) => this.#wakeProducers.push(resolve));
    }
    if (!this.#wants(item.owner)) return false;
    this.#items.push(item);
    this.#wake();
    return true;
  }

  /** Passes before everything else, open or not. The caller bounds how many there can be. */
  putAhead(leave: () => Message): void {
    if (this.#end === "closed") return;
    this.#ahead.push(leave);
    this.#wake();
  }

  /** Progress is due. Several before the consumer pulls are one. */
  sayProgress(): void {
    if (this.#end !== "open") return;
    this.#progressDue = true;
    this.#wake();
  }

  /** Nothing of this utterance leaves any more. */
  clear(owner: Owner): void {
    this.#cleared.add(owner);
    const kept = this.#items.filter((item) => item.owner !== owner);
    this.#items.splice(0, this.#items.length, ...kept);
    this.#releaseProducers();
    this.#wake();
  }

  /** What is in here still leaves, then `take` says undefined. */
  end(): void {
    if (this.#end === "open") this.#end = "ending";
    this.#wake();
  }

  /** At once: what is in here is discarded. */
  close(): void {
    this.#end = "closed";
    this.#items.length = 0;
    this.#ahead.length = 0;
    this.#releaseProducers();
    this.#wake();
  }

  /** The next message, when there is one that may leave; undefined at the end. One consumer. */
  async take(): Promise<Message | undefined> {
    for (;;) {
      const message = this.#next();
      if (message !== undefined) return message;
      if (this.#end === "closed") return undefined;
      if (this.#end === "ending" && this.length === 0) return undefined;
      await new Promise<void>((resolve) => {
        this.#wakeConsumer = resolve;
      });
    }
  }

  #next(): Message | undefined {
    if (this.#end === "closed") return undefined;
    const ahead = this.#ahead.shift();
    if (ahead !== undefined) return ahead();
    if (this.#progressDue) {
      this.#progressDue = false;
      return this.#progress();
    }
    const [first] = this.#items;
    if (first === undefined || (first.sound && this.#paused)) return undefined;
    this.#items.shift();
    this.#releaseProducers();
    return first.leave();
  }

  #wants(owner: Owner): boolean {
    return this.#end !== "closed" && !this.#cleared.has(owner);
  }

  #wake(): void {
    const wake = this.#wakeConsumer;
    this.#wakeConsumer = undefined;
    wake?.();
  }

  #releaseProducers(): void {
    for (const wake of this.#wakeProducers.splice(0)) wake();
  }
}
