/** One segment of a session's speech, as long as some worker may still have to hear it again. Owns its recent audio, its attempts and its outcome; knows no stream. */
import { type AntiphonError, FRAME_BYTES, FRAME_MS } from "@antiphon/protocol";
import type { PartialTranscript } from "../session/ports.ts";
import type { SegmentRequest } from "./transcription-channel.ts";

export interface SegmentFinal {
  text: string;
  computeMs: number;
  confidence: number;
}

/** The way to the worker that has the segment now. */
export type SendToWorker = (segmentId: string, request: SegmentRequest) => void;

export class WorkerSegment {
  readonly outcome: Promise<SegmentFinal>;
  readonly #segmentId: string;
  readonly #language: string;
  readonly #onPartial: (partial: PartialTranscript) => void;
  readonly #settled = Promise.withResolvers<SegmentFinal>();
  /** The last 10 s, oldest first. */
  #recent: Uint8Array[] = [];
  #attempt = 0;
  #begun = 0;
  /** To the worker that has it now: as many frames as it was given. */
  #worker: Placement | undefined;
  /** Pushed so far. */
  #frames = 0;
  /** Somebody waits for a partial that covers so many. */
  #flushFrames: number | undefined;
  #over = false;
  ended = false;

  constructor(options: {
    segmentId: string;
    language: string;
    onPartial: (partial: PartialTranscript) => void;
  }) {
    this.#segmentId = options.segmentId;
    this.#language = options.language;
    this.#onPartial = options.onPartial;
    this.outcome = this.#settled.promise;
    // It may fail before anybody asks for it.
    this.outcome.catch(() => {});
  }

  get over(): boolean {
    return this.#over;
  }

  /** Some worker has it. */
  get placed(): boolean {
    return this.#worker !== undefined;
  }

  get attempts(): number {
    return this.#attempt;
  }

  /** Begins it at a worker, and says again what has been said so far: the last 10 s at most. */
  place(model: string, send: SendToWorker): void {
    this.#attempt++;
    this.#begin(model, send);
  }

  /** The worker is gone, or has failed it. */
  displace(): void {
    this.#worker = undefined;
  }

  push(pcm: Uint8Array): void {
    if (this.#over || this.ended) return;
    if (pcm.byteLength !== FRAME_BYTES) {
      throw new RangeError(`a frame has ${FRAME_BYTES} bytes, not ${pcm.byteLength}`);
    }
    const frame = pcm.slice();
    this.#frames++;
    this.#recent.push(frame);
    if (this.#recent.length > REPLAY_FRAMES_MAX) this.#recent.shift();
    const worker = this.#worker;
    if (worker === undefined) return;
    if (worker.frames === WORKER_FRAMES_MAX) {
      // No recogniser takes more: it hears the last 10 s afresh, and the oldest audio is gone.
      worker.send(worker.id, { case: "cancel", value: {} });
      this.#begin(worker.model, worker.send);
    } else {
      this.#send(worker, frame);
    }
  }

  end(): void {
    if (this.#over || this.ended) return;
    this.ended = true;
    this.#worker?.send(this.#worker.id, { case: "end", value: {} });
  }

  /** Whether an answer under this id is about the attempt that counts. */
  answers(workerSegmentId: string): boolean {
    return !this.#over && this.#worker?.id === workerSegmentId;
  }

  /** `audioMs` counts from what the worker was given first. */
  hearPartial({ text, audioMs, confidence }: PartialTranscript): void {
    if (this.ended || this.#worker === undefined) return;
    const endMs = audioMs + this.#worker.fromFrame * FRAME_MS;
    if (endMs >= (this.#flushFrames ?? 0) * FRAME_MS) this.#flushFrames = undefined;
    this.#onPartial({ text, audioMs: endMs, confidence });
  }

  /** Asked again of each worker that takes the segment over, until one has answered. */
  flush(): void {
    if (this.#over || this.ended) return;
    this.#flushFrames = this.#frames;
    this.#worker?.send(this.#worker.id, { case: "flush", value: {} });
  }

  finish(final: SegmentFinal): void {
    this.#settle();
    this.#settled.resolve(final);
  }

  fail(error: AntiphonError): void {
    this.#withdraw();
    this.#settle();
    this.#settled.reject(error);
  }

  /** Not wanted any more: whoever waits gets no words. */
  cancel(): void {
    this.#withdraw();
    this.finish({ text: "", computeMs: 0, confidence: 1 });
  }

  #begin(model: string, send: SendToWorker): void {
    // An id is used once: late answers to an earlier attempt must not be taken for this one's.
    const id = `${this.#segmentId}.${++this.#begun}`;
    const fromFrame = this.#frames - this.#recent.length;
    const worker: Placement = { id, model, fromFrame, frames: 0, send };
    this.#worker = worker;
    const language = this.#language;
    send(id, { case: "begin", value: { model, language, partials: true } });
    for (const frame of this.#recent) this.#send(worker, frame);
    if (this.ended) send(id, { case: "end", value: {} });
    else if (this.#flushFrames !== undefined) send(id, { case: "flush", value: {} });
  }

  #send(worker: Placement, pcm: Uint8Array): void {
    worker.frames++;
    worker.send(worker.id, { case: "audio", value: { pcm } });
  }

  #withdraw(): void {
    if (!this.#over) this.#worker?.send(this.#worker.id, { case: "cancel", value: {} });
  }

  #settle(): void {
    this.#over = true;
    this.#worker = undefined;
    this.#recent = [];
  }
}

/** A segment at one worker. */
interface Placement {
  id: string;
  model: string;
  /** The first frame of the segment that this worker was given. */
  fromFrame: number;
  /** As many as it was given. */
  frames: number;
  send: SendToWorker;
}

/** What a person may say between two breaths; more would delay the answer by the time to decode it all again. */
const REPLAY_FRAMES_MAX = 10_000 / FRAME_MS;
/** As long as a worker's segment may be: 30 s. */
const WORKER_FRAMES_MAX = 30_000 / FRAME_MS;
