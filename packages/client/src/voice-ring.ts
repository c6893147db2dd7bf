/** The frames a playout holds: a ring of fixed size that copies on the way in and allocates nothing after. Owns memory, no order and no time. */
import type { VoiceFrame } from "@antiphon/protocol";
import { FRAME_SAMPLES } from "@antiphon/protocol/limits";

export class VoiceRing {
  readonly #samples: Int16Array;
  readonly #bytes: Uint8Array;
  readonly #slots: VoiceSlot[];
  #first = 0;
  #count = 0;
  /** Samples of the first frame that were taken. */
  #offset = 0;

  constructor(capacityFrames: number) {
    this.#samples = new Int16Array(capacityFrames * FRAME_SAMPLES);
    this.#bytes = new Uint8Array(this.#samples.buffer);
    this.#slots = Array.from({ length: capacityFrames }, () => ({ epoch: 0, positionSamples: 0 }));
  }

  get full(): boolean {
    return this.#count === this.#slots.length;
  }

  /** Not taken yet. */
  get samples(): number {
    return this.#count * FRAME_SAMPLES - this.#offset;
  }

  /** Of the next sample; undefined when there is none. */
  get epoch(): number | undefined {
    return this.#count === 0 ? undefined : this.#slots[this.#first]?.epoch;
  }

  /** Of the next sample, within its reply. */
  get positionSamples(): number {
    return (this.#slots[this.#first]?.positionSamples ?? 0) + this.#offset;
  }

  /** How many samples can be taken before the next frame begins. */
  get frameSamplesLeft(): number {
    return this.#count === 0 ? 0 : FRAME_SAMPLES - this.#offset;
  }

  /** Call with room only. */
  push(frame: VoiceFrame): void {
    const index = (this.#first + this.#count) % this.#slots.length;
    const slot = this.#slots[index] as VoiceSlot;
    slot.epoch = frame.epoch;
    slot.positionSamples = frame.positionSamples;
    // Every engine we run on is little-endian, and the bytes come at any offset: copied, they are samples.
    this.#bytes.set(frame.pcm, index * FRAME_SAMPLES * 2);
    this.#count++;
  }

  /** The sample `ahead` of the next one, provided that it is of this epoch; 0 otherwise. */
  peek(ahead: number, epoch: number): number {
    const at = this.#offset + ahead;
    const frames = Math.floor(at / FRAME_SAMPLES);
    if (frames >= this.#count) return 0;
    const index = (this.#first + frames) % this.#slots.length;
    if (this.#slots[index]?.epoch !== epoch) return 0;
    return this.#samples[index * FRAME_SAMPLES + (at % FRAME_SAMPLES)] ?? 0;
  }

  /** Within `frameSamplesLeft`. */
  skip(samples: number): void {
    this.#offset += samples;
    if (this.#offset >= FRAME_SAMPLES) this.#dropFirst();
  }

  dropBelow(epoch: number): void {
    for (let first = this.epoch; first !== undefined && first < epoch; first = this.epoch) {
      this.#dropFirst();
    }
  }

  #dropFirst(): void {
    this.#first = (this.#first + 1) % this.#slots.length;
    this.#count--;
    this.#offset = 0;
  }
}

interface VoiceSlot {
  epoch: number;
  /** Of the frame's first sample, within its reply. */
  positionSamples: number;
}
