/** Releases a reply's frames on a 20 ms grid and knows what has been played. Sends through a callback; synthesises nothing. */
import {
  CREDIT_CLOSE_MS,
  CREDIT_EXTRA_MS,
  CREDIT_HOLD_MS,
  FRAME_MS,
  FRAME_SAMPLES,
  LEAD_MS,
  SAMPLE_RATE_HZ,
} from "@antiphon/protocol";
import { AwakeTime } from "./awake-time.ts";
import type { FrameRing } from "./frame-ring.ts";
import type { OutgoingVoiceFrame } from "./ports.ts";

export interface PacerOptions {
  epoch: number;
  ring: FrameRing;
  /** The client says what it has played; otherwise the grid stands for it. */
  reported: boolean;
  send(frame: OutgoingVoiceFrame): void;
  onFirstFrame(): void;
  /** The last sample was played. */
  onPlayed(): void;
  /** The listener has not acknowledged anything for 10 s. */
  onReaderLost(): void;
}

/**
 * Paces one reply.
 *
 * Workers synthesise faster than speech. Sent at once, the audio would sit in the client's buffer and a barge-in would silence
 * nothing, so the lead (200 ms) is all that can still be heard after a STOP that never arrives. Due times count from the first
 * frame, not from the last send: a late timer does not add up. A stall is made up for by filling the lead again, at most: where it was
 * longer than the lead the listener's buffer ran dry, sound is late by the rest, and the grid shifts by that.
 *
 * Credit: at most lead + 300 ms of unacknowledged audio is in flight, and how long a listener may say nothing is counted in time in which
 * this process would have heard it. Belongs to one reply; after `stop` it is finished.
 */
export class Pacer {
  readonly #options: PacerOptions;
  /** Time at which the first frame would sound with no lead. */
  #gridMs: number | undefined;
  #seq = 0;
  #sourceEnded = false;
  #finished = false;
  #held = false;
  #heldAtMs = 0;
  /** STOP came then: what sounded after it was not this reply. */
  #stoppedMs: number | undefined;
  #playedReported = 0;
  #reportedAtMs = 0;
  #emptyReported = false;
  readonly #awake = new AwakeTime();
  /** Awake since then, with audio unacknowledged and without any report. */
  #silentSinceMs: number | undefined;

  constructor(options: PacerOptions) {
    this.#options = options;
  }

  get sourceEnded(): boolean {
    return this.#sourceEnded;
  }

  /** For whoever watches whether it gets on. `player`: what the client last said of it, where it says anything. */
  get progress(): {
    held: boolean;
    releasedSamples: number;
    player: { positionSamples: number; reportedAtMs: number } | undefined;
  } {
    const player = { positionSamples: this.#playedReported, reportedAtMs: this.#reportedAtMs };
    return {
      held: this.#held,
      releasedSamples: this.releasedSamples,
      player: this.#options.reported && this.#reportedAtMs > 0 ? player : undefined,
    };
  }

  get releasedSamples(): number {
    return this.#seq * FRAME_SAMPLES;
  }

  /** Nothing more will be written to the ring. */
  endSource(): void {
    this.#sourceEnded = true;
  }

  /** Called every 20 ms by the process' ticker. */
  tick(nowMs: number): void {
    if (this.#finished) return;
    this.#awake.tick(nowMs);
    if (this.#held) return;
    this.#release(nowMs);
    if (this.#finished) return;
    if (this.#sourceEnded && this.#options.ring.length === 0 && this.#allPlayed(nowMs)) {
      this.#finished = true;
      this.#options.onPlayed();
    }
  }

  /** A `playback` report of this epoch. Positions never go back and never pass what was released. */
  report(positionSamples: number, empty: boolean, nowMs: number): void {
    const position = Math.min(positionSamples, this.releasedSamples);
    this.#playedReported = Math.max(this.#playedReported, position);
    this.#reportedAtMs = nowMs;
    this.#emptyReported = empty;
    this.#silentSinceMs = undefined;
  }

  /** Samples of the reply that have sounded, as well as can be known now. */
  playedSamples(nowMs: number): number {
    if (this.#gridMs === undefined) return 0;
    if (!this.#options.reported) {
      const heldMs = this.#held ? this.#heldAtMs : nowMs;
      const untilMs = Math.min(nowMs, heldMs, this.#stoppedMs ?? nowMs);
      const elapsed = ((untilMs - this.#gridMs) * SAMPLE_RATE_HZ) / 1000;
      return Math.max(0, Math.min(this.releasedSamples, Math.round(elapsed)));
    }
    return this.#playedReported;
  }

  /** Samples of the reply that should be sounding by the grid, whatever the listener says: what an echo is to be compared with. */
  soundingSamples(nowMs: number): number {
    if (this.#gridMs === undefined) return 0;
    const untilMs = Math.min(nowMs, this.#held ? this.#heldAtMs : nowMs);
    const elapsed = ((untilMs - this.#gridMs) * SAMPLE_RATE_HZ) / 1000;
    return Math.max(0, Math.min(this.releasedSamples, Math.round(elapsed)));
  }

  /** PAUSE: releases nothing, discards nothing. The grid moves by the time held. */
  hold(nowMs: number): void {
    if (this.#held) return;
    this.#held = true;
    this.#heldAtMs = nowMs;
  }

  release(nowMs: number): void {
    if (!this.#held) return;
    this.#held = false;
    if (this.#gridMs !== undefined) this.#gridMs += nowMs - this.#heldAtMs;
    this.#silentSinceMs = undefined;
  }

  /** STOP: nothing of this reply is sent any more. */
  stop(nowMs: number): void {
    this.#finished = true;
    this.#stoppedMs = nowMs;
    this.#options.ring.clear();
  }

  #release(nowMs: number): void {
    for (let released = 0; released < FRAMES_PER_TICK_MAX; released++) {
      const frame = this.#options.ring.peek();
      if (frame === undefined) break;
      if (this.#gridMs === undefined) {
        this.#gridMs = nowMs;
        this.#silentSinceMs = this.#awake.ms;
        this.#options.onFirstFrame();
        if (this.#finished) return;
      }
      const lateMs = nowMs - (this.#gridMs + this.#seq * FRAME_MS - LEAD_MS);
      if (lateMs < 0) break;
      if (!this.#hasCredit()) return;
      if (lateMs > LEAD_MS) this.#gridMs += lateMs - LEAD_MS;
      this.#options.send({
        epoch: this.#options.epoch,
        utterance: frame.utterance,
        seq: this.#seq,
        positionSamples: this.releasedSamples,
        pcm: frame.pcm,
      });
      this.#options.ring.take();
      this.#seq++;
    }
  }

  #hasCredit(): boolean {
    if (!this.#options.reported) return true;
    const unacknowledgedMs =
      ((this.releasedSamples - this.#playedReported) * 1000) / SAMPLE_RATE_HZ;
    if (unacknowledgedMs === 0) this.#silentSinceMs = undefined;
    else this.#silentSinceMs ??= this.#awake.ms;
    const silentMs = this.#awake.ms - (this.#silentSinceMs ?? this.#awake.ms);
    if (silentMs >= CREDIT_CLOSE_MS) {
      this.#finished = true;
      this.#options.onReaderLost();
      return false;
    }
    return unacknowledgedMs < LEAD_MS + CREDIT_EXTRA_MS && silentMs < CREDIT_HOLD_MS;
  }

  #allPlayed(nowMs: number): boolean {
    if (this.#gridMs === undefined) return true;
    const endMs = this.#gridMs + this.#seq * FRAME_MS;
    if (!this.#options.reported) return nowMs >= endMs;
    if (this.#playedReported >= this.releasedSamples) return true;
    if (this.#emptyReported && nowMs >= endMs && this.#reportedAtMs >= endMs) return true;
    // A player that says that it still has some is believed.
    return nowMs >= Math.max(endMs, this.#reportedAtMs) + PLAYOUT_GRACE_MS;
  }
}

/** Beyond the lead's ten, so that a first burst goes out in one tick and no stall can turn into a flood. */
const FRAMES_PER_TICK_MAX = 16;
/** A client that reports may lag by its jitter buffer, its output latency and the network; then the reply is over anyway. */
const PLAYOUT_GRACE_MS = 2_000;
