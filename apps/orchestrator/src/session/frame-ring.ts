/** The look-ahead of one session: a fixed ring of frames, written by the reply and read by the pacer. No allocation a frame. */
import { FRAME_BYTES } from "@antiphon/protocol";
import { Waiter } from "@antiphon/runtime";

export interface RingFrame {
  utterance: number;
  /** A view into the ring: valid until the frame is taken. */
  pcm: Uint8Array;
}

/** Frames in, frames out, in order; its size is the bound on the look-ahead. */
export class FrameRing {
  readonly #pcm: Uint8Array;
  readonly #utterances: Uint32Array;
  readonly #framesMax: number;
  #first = 0;
  #count = 0;
  readonly #writer = new Waiter();

  constructor(framesMax: number) {
    this.#framesMax = framesMax;
    this.#pcm = new Uint8Array(framesMax * FRAME_BYTES);
    this.#utterances = new Uint32Array(framesMax);
  }

  get length(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#count === this.#framesMax;
  }

  /** Copies the frame in. Call only when there is room. */
  push(utterance: number, pcm: Uint8Array): void {
    if (this.full) throw new Error("the look-ahead is full");
    const slot = (this.#first + this.#count) % this.#framesMax;
    this.#pcm.set(pcm, slot * FRAME_BYTES);
    this.#utterances[slot] = utterance;
    this.#count++;
  }

  peek(): RingFrame | undefined {
    if (this.#count === 0) return undefined;
    const start = this.#first * FRAME_BYTES;
    return {
      utterance: this.#utterances[this.#first] ?? 0,
      pcm: this.#pcm.subarray(start, start + FRAME_BYTES),
    };
  }

  /** Forgets the frame that `peek` showed. */
  take(): void {
    if (this.#count === 0) return;
    this.#first = (this.#first + 1) % this.#framesMax;
    this.#count--;
    this.#writer.wake();
  }

  clear(): void {
    this.#count = 0;
    this.#writer.wake();
  }

  /** Resolves when there is room, or when the signal aborts. One waiter: the reply that writes. */
  room(signal: AbortSignal): Promise<void> {
    return this.full ? this.#writer.wait(signal) : Promise.resolve();
  }
}
