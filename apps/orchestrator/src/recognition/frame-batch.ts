/** Frames of many inputs on their way to the detector's thread, in one piece of memory that is handed over. Owns collecting and its bound; sends nothing. */
import { FRAME_MS, FRAME_SAMPLES } from "@antiphon/audio";
import type { DetectorRequest } from "./silero-message.ts";

type Frames = Extract<DetectorRequest, { kind: "frames" }>;

/** At most 2 s of each input wait here; beyond that its newest frames are left out, and it goes on from a later place. */
export class FrameBatch {
  #streamIds: number[] = [];
  #startSamples: number[] = [];
  #closed: number[] = [];
  #pcm = new Int16Array(FRAMES_AT_FIRST * FRAME_SAMPLES);
  readonly #frames = new Map<number, number>();

  get empty(): boolean {
    return this.#streamIds.length === 0 && this.#closed.length === 0;
  }

  /** Copies the frame. */
  push(streamId: number, startSample: number, frame: Int16Array): void {
    if (frame.length !== FRAME_SAMPLES) {
      throw new RangeError(`a frame has ${FRAME_SAMPLES} samples, not ${frame.length}`);
    }
    const frames = this.#frames.get(streamId) ?? 0;
    if (frames >= FRAMES_MAX) return;
    this.#frames.set(streamId, frames + 1);
    const start = this.#streamIds.length * FRAME_SAMPLES;
    if (start === this.#pcm.length) {
      const larger = new Int16Array(2 * this.#pcm.length);
      larger.set(this.#pcm);
      this.#pcm = larger;
    }
    this.#pcm.set(frame, start);
    this.#streamIds.push(streamId);
    this.#startSamples.push(startSample);
  }

  close(streamId: number): void {
    this.#closed.push(streamId);
  }

  /** Everything collected; a new batch begins. */
  take(): Frames {
    const taken: Frames = {
      kind: "frames",
      count: this.#streamIds.length,
      streamIds: this.#streamIds,
      startSamples: this.#startSamples,
      pcm: this.#pcm,
      closed: this.#closed,
    };
    // As large as this one needed to be, so that a steady number of sessions neither grows nor wastes memory.
    this.#pcm = new Int16Array(Math.max(FRAMES_AT_FIRST, taken.count) * FRAME_SAMPLES);
    this.#streamIds = [];
    this.#startSamples = [];
    this.#closed = [];
    this.#frames.clear();
    return taken;
  }
}

/** Ten sessions' frames of ten milliseconds. */
const FRAMES_AT_FIRST = 8;
/** Two seconds, as all that a session's input may be behind. */
const FRAMES_MAX = 2_000 / FRAME_MS;
