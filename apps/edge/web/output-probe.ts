/** What left for the loudspeaker in the last 30 s, for tests to read: `window.antiphonProbe`. Measured on the audio thread; changes nothing. */
import type { PlayerBlock } from "@antiphon/client/browser";

export interface OutputBlock {
  /** Loudest sample, 0 to 1. */
  peak: number;
  /** Of the reply in play, at the block's end. */
  positionSamples: number;
  /** When the block began, on the audio context's clock. */
  contextTimeMs: number;
  /** When the page learnt of it, on `performance.now()`'s clock: some 20 ms after it began. */
  receivedAtMs: number;
}

export class OutputProbe {
  #blocks: OutputBlock[] = [];

  /** Oldest first. A copy. */
  readonly blocks = (): OutputBlock[] => this.#blocks.map((block) => ({ ...block }));

  add(block: PlayerBlock): void {
    this.#blocks.push({
      peak: block.peak,
      positionSamples: block.report.positionSamples,
      contextTimeMs: block.contextTimeS * 1000,
      receivedAtMs: performance.now(),
    });
    if (this.#blocks.length > BLOCKS_MAX + SLACK) this.#blocks = this.#blocks.slice(-BLOCKS_MAX);
  }

  /** Read-only on the window. */
  expose(): void {
    Object.defineProperty(window, "antiphonProbe", {
      value: Object.freeze({ blocks: this.blocks }),
    });
  }
}

/** 30 s of blocks of 20 ms. */
const BLOCKS_MAX = 1_500;
/** So that the array is cut now and then, not at every block. */
const SLACK = 250;
