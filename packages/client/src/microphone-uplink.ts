/** The way of microphone audio to the server: numbering, and how much may be under way. Owns no socket and no device. */
import {
  AntiphonError,
  encodeMicrophoneFrame,
  FRAME_BYTES,
  FRAME_MS,
  FRAME_SAMPLES,
  INPUT_BACKLOG_MS_MAX,
  MICROPHONE_HEADER_BYTES,
  SAMPLE_RATE_HZ,
} from "@antiphon/protocol";
import { type Clock, deadline, delay, untilAborted } from "@antiphon/runtime";

/**
 * At most 2 s of audio are unacknowledged. A live microphone cannot wait: beyond that its frames queue for a second and then the oldest
 * is dropped, counted, and shown to the server by a step in `seq`. A file can: its sender awaits `readyToSend` before each frame,
 * which also keeps it at eight times the pace of speech.
 */
export class MicrophoneUplink {
  readonly #options: MicrophoneUplinkOptions;
  readonly #ended = new AbortController();
  #queue: Uint8Array[] = [];
  #nextSeq = 0;
  #sentSamples = 0;
  #settledSamples = 0;
  /** What had been sent when the server's count began: it starts again behind a new upstream. */
  #countFromSamples = 0;
  #droppedFrames = 0;
  #suspended = false;
  #startedMs: number | undefined;
  #wake: (() => void) | undefined;

  constructor(options: MicrophoneUplinkOptions) {
    this.#options = options;
  }

  /** One frame: 960 samples, or their 1,920 bytes. */
  push(pcm: Uint8Array | Int16Array): "sent" | "queued" | "dropped-oldest" {
    const bytes =
      pcm instanceof Int16Array ? new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength) : pcm;
    const message = encodeMicrophoneFrame({ seq: this.#nextSeq, pcm: bytes });
    if (this.#options.mode === "file" && !this.#windowOpen()) {
      throw new AntiphonError("failed_precondition", "Await readyToSend() before each frame.");
    }
    this.#nextSeq = (this.#nextSeq + 1) >>> 0;
    this.#startedMs ??= this.#options.clock.nowMs();
    this.#queue.push(message);
    this.#drain();
    if (this.#queue.length === 0) return "sent";
    if (this.#queue.length <= QUEUE_FRAMES_MAX) return "queued";
    this.#queue.shift();
    this.#droppedFrames++;
    return "dropped-oldest";
  }

  /** Resolves when a frame may be pushed without being dropped. Rejects when the session ends, or the server stops acknowledging. */
  async readyToSend(): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    this.#startedMs ??= nowMs;
    const sentMs = (this.#sentSamples * 1000) / SAMPLE_RATE_HZ;
    const aheadMs = this.#startedMs + sentMs / FILE_PACE - nowMs;
    if (aheadMs > FILE_BURST_MS) {
      await delay(this.#options.clock, aheadMs - FILE_BURST_MS, this.#ended.signal);
    }
    while (!this.#windowOpen()) {
      const wait = deadline(
        this.#options.clock,
        ACKNOWLEDGE_DEADLINE_MS,
        () =>
          new AntiphonError(
            "deadline_exceeded",
            `The server took no audio for ${ACKNOWLEDGE_DEADLINE_MS / 1000} s.`,
          ),
        this.#ended.signal,
      );
      try {
        const woken = new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        await untilAborted(woken, wait.signal);
      } finally {
        wait.dispose();
      }
    }
    this.#ended.signal.throwIfAborted();
  }

  /** From `input_ack`: both counted by the server since its upstream began. */
  acknowledge(samples: number, droppedSamples: number): void {
    const settled = this.#countFromSamples + samples + droppedSamples;
    this.#settledSamples = Math.min(Math.max(this.#settledSamples, settled), this.#sentSamples);
    this.#drain();
    this.#wake?.();
  }

  /** The way behind the edge is broken: nothing is sent into it. */
  suspend(): void {
    this.#suspended = true;
  }

  /** It was mended. What had been sent is either there or lost; the new upstream counts from zero, frames and acknowledgements. */
  resume(): void {
    this.#suspended = false;
    this.#droppedFrames += this.#queue.length;
    this.#queue = [];
    this.#nextSeq = 0;
    this.#countFromSamples = this.#sentSamples;
    this.#settledSamples = this.#sentSamples;
    this.#wake?.();
  }

  end(reason: AntiphonError): void {
    this.#queue = [];
    this.#ended.abort(reason);
  }

  stats(): MicrophoneUplinkStats {
    return {
      sentSamples: this.#sentSamples,
      unacknowledgedSamples: this.#sentSamples - this.#settledSamples,
      droppedFrames: this.#droppedFrames,
    };
  }

  #drain(): void {
    while (this.#queue.length > 0 && this.#windowOpen() && this.#socketTakes()) {
      const message = this.#queue.shift() as Uint8Array;
      this.#sentSamples += FRAME_SAMPLES;
      this.#options.send(message);
    }
  }

  #windowOpen(): boolean {
    const unacknowledged = this.#sentSamples - this.#settledSamples;
    return !this.#suspended && unacknowledged + FRAME_SAMPLES <= WINDOW_SAMPLES;
  }

  /** A file's window alone bounds what the socket holds. */
  #socketTakes(): boolean {
    return this.#options.mode === "file" || this.#options.bufferedBytes() < BUFFERED_BYTES_MAX;
  }
}

export interface MicrophoneUplinkOptions {
  clock: Clock;
  mode: "live" | "file";
  send: (message: Uint8Array) => void;
  /** The socket's `bufferedAmount`. */
  bufferedBytes: () => number;
}

export interface MicrophoneUplinkStats {
  sentSamples: number;
  unacknowledgedSamples: number;
  droppedFrames: number;
}

const WINDOW_SAMPLES = (INPUT_BACKLOG_MS_MAX * SAMPLE_RATE_HZ) / 1000;
/** A second more than is under way already: older speech than that would only delay the answer. */
const QUEUE_FRAMES_MAX = 1000 / FRAME_MS;
/** Half a second inside our own socket says that the network does not keep up. */
const BUFFERED_BYTES_MAX = (500 / FRAME_MS) * (MICROPHONE_HEADER_BYTES + FRAME_BYTES);
/** 400 messages a second: an edge takes 500 of a client before it thinks of an attack. */
const FILE_PACE = 8;
/** Timers are late by some milliseconds: frames go in small groups, without waiting for each. */
const FILE_BURST_MS = 50;
/** Acknowledgements come once a second; a recogniser that is catching up may hold them back for several. */
const ACKNOWLEDGE_DEADLINE_MS = 30_000;
