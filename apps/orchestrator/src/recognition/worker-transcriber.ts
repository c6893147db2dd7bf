/** Words from the pool's recognisers: keeps a session on one worker and moves it when that one is lost. Owns placement, retries and deadlines; the stream is the channel's business. */
import { AntiphonError, ERROR_CODES } from "@antiphon/protocol";
import { type Clock, deadline, type Timer } from "@antiphon/runtime";
import type { Log } from "@antiphon/runtime/log";
import type {
  PartialTranscript,
  Transcriber,
  TranscriptionOptions,
  TranscriptionSegment,
  TranscriptionStream,
} from "../session/ports.ts";
import {
  type SegmentAnswer,
  type TranscribeClient,
  TranscriptionChannel,
} from "./transcription-channel.ts";
import { type SegmentFinal, WorkerSegment } from "./worker-segment.ts";

/** As much of the pool as recognition sees. */
export interface RecogniserPool {
  /** BCP 47, of every recogniser that is ready. */
  languages(): string[];
  /** The best worker that is not excluded; undefined when there is none now. */
  pickRecogniser(
    language: string | undefined,
    excluding: ReadonlySet<string>,
  ): { workerId: string; model: string; asr: TranscribeClient } | undefined;
  /** A stream to this worker broke. */
  reportLost(workerId: string): void;
}

export interface WorkerTranscriberOptions {
  workers: RecogniserPool;
  clock: Clock;
  log: Log;
}

export function createWorkerTranscriber(options: WorkerTranscriberOptions): Transcriber {
  return {
    languages: () => options.workers.languages(),
    open: (session) => new WorkerTranscriptionStream(options, session),
  };
}

class WorkerTranscriptionStream implements TranscriptionStream {
  readonly #options: WorkerTranscriberOptions;
  readonly #session: TranscriptionOptions;
  /** Not over yet, oldest first. */
  readonly #segments = new Set<WorkerSegment>();
  /** Workers that this session lost, until they answer again. */
  readonly #lost = new Set<string>();
  #channel: { stream: TranscriptionChannel; model: string } | undefined;
  #retry: Timer | undefined;
  #segmentCount = 0;
  #closed = false;

  constructor(options: WorkerTranscriberOptions, session: TranscriptionOptions) {
    this.#options = options;
    this.#session = session;
  }

  begin(onPartial: (partial: PartialTranscript) => void): TranscriptionSegment {
    const segment = new WorkerSegment({
      segmentId: `${++this.#segmentCount}`,
      language: this.#session.language ?? "",
      onPartial,
    });
    if (this.#closed) segment.cancel();
    else if (this.#segments.size >= SEGMENTS_MAX) segment.fail(overloaded());
    else this.#segments.add(segment);
    this.#place();
    return {
      push: (pcm) => segment.push(pcm),
      flush: () => segment.flush(),
      finish: () => this.#finish(segment),
      cancel: () => {
        if (!segment.over) segment.cancel();
        this.#segments.delete(segment);
      },
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#retry?.cancel();
    for (const segment of this.#segments) segment.cancel();
    this.#segments.clear();
    this.#channel?.stream.close();
    this.#channel = undefined;
  }

  /** The deadline covers every attempt: a turn waits for its words no longer than that. */
  async #finish(segment: WorkerSegment): Promise<SegmentFinal> {
    segment.end();
    const limit = deadline(this.#options.clock, FINAL_MS_MAX, () => undefined);
    limit.signal.addEventListener("abort", () => {
      if (!segment.over) segment.fail(this.#tooLate(segment));
    });
    try {
      return await segment.outcome;
    } finally {
      limit.dispose();
      this.#segments.delete(segment);
    }
  }

  /** Gives every segment that has no worker to the one of this session, or finds one. */
  #place(waited = false): void {
    const homeless = [...this.#segments].filter((segment) => !segment.over && !segment.placed);
    if (this.#closed || homeless.length === 0) return;
    const channel = this.#channel ?? this.#open(waited);
    if (channel === undefined) {
      this.#placeLater();
      return;
    }
    if (homeless.some((segment) => segment.attempts > 0)) this.#session.onReplaced?.();
    for (const segment of homeless) {
      if (this.#channel !== channel) break;
      segment.place(channel.model, (id, request) => channel.stream.send(id, request));
    }
  }

  /** A worker that this session lost is tried again only after a wait, and when there is no other. */
  #open(waited: boolean): { stream: TranscriptionChannel; model: string } | undefined {
    const { workers, clock, log } = this.#options;
    const { sessionId, language } = this.#session;
    const picked =
      workers.pickRecogniser(language, this.#lost) ??
      (waited ? workers.pickRecogniser(language, NONE) : undefined);
    if (picked === undefined) return undefined;
    const { workerId, model, asr } = picked;
    const stream = new TranscriptionChannel({
      workerId,
      sessionId,
      asr,
      clock,
      log,
      onAnswer: (id, answer) => this.#take(stream, id, answer),
      onLost: (error) => this.#lose(stream, error),
    });
    this.#channel = { stream, model };
    return this.#channel;
  }

  #placeLater(): void {
    this.#retry ??= this.#options.clock.setTimer(RETRY_MS, () => {
      this.#retry = undefined;
      this.#place(true);
    });
  }

  #take(stream: TranscriptionChannel, id: string, answer: SegmentAnswer): void {
    const segment = [...this.#segments].find((each) => each.answers(id));
    if (segment === undefined || this.#channel?.stream !== stream) return;
    if (answer.case === "partial") {
      const { text, audioMs, confidence = 1 } = answer.value;
      segment.hearPartial({ text, audioMs, confidence });
    } else if (answer.case === "final") {
      this.#lost.delete(stream.workerId);
      const { text, computeMs, confidence = 1 } = answer.value;
      segment.finish({ text, computeMs, confidence });
    } else if (answer.case === "error") {
      this.#failed(stream, segment, errorOf(answer.value));
    } else if (answer.case === "cancelled") {
      const error = new AntiphonError("unavailable", "The recogniser gave the segment up.");
      this.#failed(stream, segment, error);
    }
  }

  /** One segment failed at a worker that lives: its model may be starting anew. A second failure there gives the worker up. */
  #failed(stream: TranscriptionChannel, segment: WorkerSegment, error: AntiphonError): void {
    const { log } = this.#options;
    const { sessionId } = this.#session;
    log.warn({ sessionId, workerId: stream.workerId, err: error }, "segment failed");
    const again = error.retryable && segment.attempts < ATTEMPTS_MAX;
    segment.displace();
    if (!again) {
      segment.fail(error);
    } else if (segment.attempts < ATTEMPTS_BEFORE_MOVE) {
      this.#placeLater();
    } else {
      // The worker may speak well all the same: the pool is not told.
      stream.close();
      this.#leave(stream, error);
    }
  }

  #lose(stream: TranscriptionChannel, error: AntiphonError): void {
    if (this.#channel?.stream !== stream) return;
    this.#options.workers.reportLost(stream.workerId);
    this.#leave(stream, error);
  }

  /** Each segment that was there is said again elsewhere, as often as it may be. */
  #leave(stream: TranscriptionChannel, error: AntiphonError): void {
    this.#channel = undefined;
    // Bounded: ids of workers are used once, and a call may outlive many of them.
    if (this.#lost.size >= LOST_MAX) this.#lost.clear();
    this.#lost.add(stream.workerId);
    for (const segment of this.#segments) {
      if (!segment.placed) continue;
      segment.displace();
      if (segment.attempts >= ATTEMPTS_MAX) segment.fail(error);
    }
    this.#place();
  }

  #tooLate(segment: WorkerSegment): AntiphonError {
    if (segment.placed) {
      return new AntiphonError("deadline_exceeded", "The recogniser did not answer in time.");
    }
    const { language } = this.#session;
    const offered = this.#options.workers.languages();
    if (language !== undefined && offered.length > 0 && !understood(language, offered)) {
      return new AntiphonError("unimplemented", `No recogniser understands "${language}".`);
    }
    return new AntiphonError("unavailable", "No recogniser can be reached now.");
  }
}

function errorOf(said: { code: string; message: string; retryable: boolean }): AntiphonError {
  const code = ERROR_CODES.find((candidate) => candidate === said.code) ?? "internal";
  return new AntiphonError(code, said.message, { retryable: said.retryable });
}

/** The primary subtag decides: "en-US" is understood by "en". */
function understood(language: string, offered: readonly string[]): boolean {
  const primary = (tag: string) => tag.split("-", 1)[0]?.toLowerCase();
  return offered.some((each) => primary(each) === primary(language));
}

function overloaded(): AntiphonError {
  return new AntiphonError("overloaded", "Recognition is too far behind.", {
    details: { retryAfterMs: 1_000 },
  });
}

const NONE: ReadonlySet<string> = new Set();
/** As many as a worker takes on one stream. */
const SEGMENTS_MAX = 8;
/** Two workers lost under one segment are a coincidence, three a fault that a fourth will not mend. */
const ATTEMPTS_MAX = 4;
const ATTEMPTS_BEFORE_MOVE = 2;
/** A worker says that it lives every 200 ms, so one that has just come is known by then. */
const RETRY_MS = 200;
/** Beyond it nobody waits for the answer any more; a model that has to be read from disk takes two seconds. */
const FINAL_MS_MAX = 10_000;
const LOST_MAX = 64;
