/** How much goes wrong in a run, and until when. Owns the chance of faults, not what they are. */
import type { Draw } from "./draw.ts";

export class Weather {
  /** 0: nothing fails; 1: as often as each part says. */
  readonly severity: number;
  #calm = false;

  constructor(severity: number) {
    this.severity = severity;
  }

  get calm(): boolean {
    return this.#calm;
  }

  /** From now on nothing fails any more. */
  clearUp(): void {
    this.#calm = true;
  }

  /** Draws in any case: a part's later draws do not depend on the weather. */
  strikes(draw: Draw, chance: number): boolean {
    return draw.next() < chance * this.severity && !this.#calm;
  }
}
