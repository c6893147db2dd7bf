/** Where a simulated world's chance comes from: one seed, and a stream of its own for each part, so that what one draws does not move what another gets. */
import { SeededRandom } from "@antiphon/runtime/testing";

export class Draw extends SeededRandom {
  readonly #seed: number;

  constructor(seed: number) {
    super(seed);
    this.#seed = seed >>> 0;
  }

  /** The same name gives the same stream. */
  stream(name: string): Draw {
    let hash = (this.#seed ^ 0x811c9dc5) >>> 0;
    for (let at = 0; at < name.length; at++) {
      hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193) >>> 0;
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) >>> 0;
    return new Draw(hash ^ (hash >>> 13));
  }

  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }

  /** A whole number of [from, to]. */
  whole(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }
}
