/** A sound device on a timer instead of a sound card: plays what a session's player gives, captures what a microphone says. Owns the listener's time; knows no socket. */
import {
  AUDIBLE_AMPLITUDE,
  FRAME_SAMPLES,
  firstSampleAtLeast,
  SAMPLE_RATE_HZ,
} from "@antiphon/audio";
import { Playout } from "@antiphon/client";
import { QUANTUM_SAMPLES, type Ticked } from "./device-clock.ts";
import type { Microphone } from "./microphone.ts";
import type { Room } from "./room.ts";

/** 10 ms as they were played. Valid until the call that got it returns. */
export interface Quantum {
  /** The device began to play it. */
  startMs: number;
  samples: Int16Array;
  /** Which of its samples are a reply's: none where `count` is 0. */
  offset: number;
  count: number;
  /** The reply's, after this quantum. */
  epoch: number;
  positionSamples: number;
  /** Nothing is buffered any more. */
  empty: boolean;
}

export interface DeviceOptions {
  microphone: Microphone;
  /** Without one nothing comes back from the loudspeaker. */
  room?: Room;
  /** On which of two ticks the microphone's frame is due, so that not all devices send at once. */
  phase: number;
  send(frame: Int16Array): void;
  onPlayed(quantum: Quantum): void;
}

/**
 * A sample is taken to sound when the quantum that holds it is pulled, plus its place in it: where the timer was late, that is later than
 * on a sound card, never earlier.
 */
export class Device implements Ticked {
  readonly playout = new Playout();
  readonly #options: DeviceOptions;
  readonly #samples = new Int16Array(QUANTUM_SAMPLES);
  readonly #echo = new Float32Array(FRAME_SAMPLES);
  #wasPlaying = false;
  #pulledSamples = 0;

  constructor(options: DeviceOptions) {
    this.#options = options;
  }

  tick(nowMs: number, tick: number): void {
    const { microphone, room, phase, send, onPlayed } = this.#options;
    // Its last sample has been captured: a microphone that heard ahead would know an echo before it sounds.
    const captured = microphone.samples + FRAME_SAMPLES <= this.#pulledSamples;
    if (tick % TICKS_A_FRAME === phase && captured) {
      send(microphone.frame(room?.hear(this.#echo)));
      microphone.sent(nowMs);
    }
    const count = this.playout.pull(this.#samples);
    this.#pulledSamples += QUANTUM_SAMPLES;
    room?.play(this.#samples);
    // A reply's samples lie together: at the beginning where it was playing already, else at the end.
    const offset = this.#wasPlaying ? 0 : QUANTUM_SAMPLES - count;
    this.#wasPlaying = count > 0 && offset + count === QUANTUM_SAMPLES;
    const { epoch, positionSamples, empty } = this.playout.report();
    onPlayed({
      startMs: nowMs,
      samples: this.#samples,
      offset,
      count,
      epoch,
      positionSamples,
      empty,
    });
  }
}

/** When sample `index` of this quantum has been played. */
export function playedMs(quantum: Quantum, index: number): number {
  return quantum.startMs + ((index + 1) * 1000) / SAMPLE_RATE_HZ;
}

/** When the first sample above −45 dBFS sounds; undefined where there is none. */
export function audibleMs(quantum: Quantum): number | undefined {
  const index = firstSampleAtLeast(quantum.samples, AUDIBLE_AMPLITUDE);
  return index < 0 ? undefined : quantum.startMs + (index * 1000) / SAMPLE_RATE_HZ;
}

const TICKS_A_FRAME = FRAME_SAMPLES / QUANTUM_SAMPLES;
