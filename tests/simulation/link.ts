/** One direction of a connection: ordered, as TCP is, with a delay that is drawn, and standing still at times. Owns when, not what. */
import type { Draw } from "./draw.ts";
import type { Party } from "./virtual-clock.ts";

export interface LinkHabits {
  delayMs: number;
  jitterMs: number;
  /** Of standing still after a message, and for how long at most. */
  stallChance: number;
  stallMsMax: number;
}

export class Link {
  readonly #to: Party;
  readonly #draw: Draw;
  #habits: LinkHabits;
  #lastDueMs = 0;
  #stalledUntilMs = 0;
  #cut = false;
  #underWayBytes = 0;

  constructor(options: { to: Party; draw: Draw; habits: LinkHabits }) {
    this.#to = options.to;
    this.#draw = options.draw;
    this.#habits = options.habits;
  }

  /** Sent and not yet there. */
  get underWayBytes(): number {
    return this.#underWayBytes;
  }

  /** `deliver` is called at the other end, in order; never, once the link was cut. */
  send(bytes: number, deliver: () => void): void {
    const nowMs = this.#to.nowMs();
    const { delayMs, jitterMs, stallChance, stallMsMax } = this.#habits;
    if (stallChance > 0 && this.#draw.chance(stallChance)) {
      this.#stalledUntilMs = Math.max(
        this.#stalledUntilMs,
        nowMs + this.#draw.between(0, stallMsMax),
      );
    }
    const arrivesMs = Math.max(
      nowMs + delayMs + this.#draw.between(0, jitterMs),
      this.#stalledUntilMs,
    );
    this.#lastDueMs = Math.max(this.#lastDueMs, arrivesMs);
    this.#underWayBytes += bytes;
    this.#to.at(this.#lastDueMs, () => {
      this.#underWayBytes -= bytes;
      if (!this.#cut) deliver();
    });
  }

  cut(): void {
    this.#cut = true;
  }

  /** From now on it only takes its time. */
  calm(): void {
    this.#habits = { ...this.#habits, jitterMs: 0, stallChance: 0 };
    this.#stalledUntilMs = 0;
  }
}
