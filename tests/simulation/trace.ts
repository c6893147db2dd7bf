/** The story of one run, a line an event. Owns the lines and their hash; costs nothing where nobody wants it. */
import { createHash } from "node:crypto";

export class Trace {
  /** Ask before a line is made up: most runs need none. */
  readonly wanted: boolean;
  readonly lines: string[] = [];
  readonly #nowMs: () => number;

  constructor(wanted: boolean, nowMs: () => number) {
    this.wanted = wanted;
    this.#nowMs = nowMs;
  }

  note(who: string, what: string): void {
    if (!this.wanted || this.lines.length >= LINES_MAX) return;
    this.lines.push(`${this.#nowMs().toFixed(2).padStart(9)} ms  ${who.padEnd(12)} ${what}`);
  }

  hash(): string {
    const hash = createHash("sha256");
    for (const line of this.lines) hash.update(line).update("\n");
    return hash.digest("hex");
  }
}

/** A run of two minutes in which everything happens is a tenth of it. */
const LINES_MAX = 200_000;
