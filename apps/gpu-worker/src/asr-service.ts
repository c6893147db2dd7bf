/** Speech recognition over RPC: one stream a session, its segments, their answers. Owns the protocol's rules; decoding is in `recognition-segment.ts`. */
import { AntiphonError, ID_BYTES_MAX, PROGRESS_INTERVAL_MS } from "@antiphon/protocol";
import {
  type AsrService,
  type TranscribeRequest,
  type TranscribeResponseSchema,
  toConnectError,
} from "@antiphon/protocol/worker";
import { BoundedQueue, type Clock } from "@antiphon/runtime";
import type { Log } from "@antiphon/runtime/log";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { ProgressTimer } from "./progress-timer.ts";
import {
  type Recogniser,
  RecognitionSegment,
  type SegmentTerminal,
} from "./recognition-segment.ts";

export interface AsrServiceDeps {
  /**
   * Borrows a recogniser, loading it if need be. Model "": the default one for the language. Rejects with `not_found` for
   * a model that is not known, `unimplemented` for a language that no model has.
   */
  acquireRecogniser(model: string, language: string): Promise<Recogniser>;
  clock: Clock;
  log: Log;
}

/** Serves any number of streams. */
export function createAsrService(deps: AsrServiceDeps): ServiceImpl<typeof AsrService> {
  const progress = new ProgressTimer(deps.clock, PROGRESS_INTERVAL_MS);
  return {
    async *transcribe(requests, context) {
      const stream = new RecognitionStream(deps);
      const stopProgress = progress.start(() => stream.sayProgress());
      const release = () => {
        stopProgress();
        stream.cancelAll();
      };
      // A caller that went away need not end the reading, nor ask for the answer at which this generator stands.
      context.signal.addEventListener("abort", release, { once: true });
      const reading = stream.read(requests);
      // Awaited below; when the caller leaves first, its end concerns nobody.
      reading.catch(() => {});
      try {
        yield* stream.responses;
        if (!context.signal.aborted) await reading;
      } catch (reason) {
        // The caller went away: nobody is left to be told.
        if (context.signal.aborted) return;
        const error = AntiphonError.from(reason);
        if (error.code === "internal") deps.log.error({ err: reason }, "transcription failed");
        throw toConnectError(error);
      } finally {
        release();
      }
    },
  };
}

type Response = MessageInitShape<typeof TranscribeResponseSchema>;

class RecognitionStream {
  readonly #deps: AsrServiceDeps;
  readonly responses = new BoundedQueue<Response>({ max: RESPONSES_MAX, overflow: "reject" });
  readonly #segments = new Map<string, RecognitionSegment>();
  /** Ids whose segments are over, newest last: what was on its way to them is discarded. */
  readonly #over = new Set<string>();
  #sessionId = "";
  #halfClosed = false;

  constructor(deps: AsrServiceDeps) {
    this.#deps = deps;
  }

  /** Takes the caller's messages until they end. What is then still open was never completed, and is cancelled. */
  async read(requests: AsyncIterable<TranscribeRequest>): Promise<void> {
    try {
      for await (const request of requests) {
        if (this.responses.ended) return;
        this.#take(request);
      }
      this.#halfClosed = true;
      for (const segment of [...this.#segments.values()]) if (!segment.ended) segment.cancel();
      this.#closeWhenDone();
    } catch (reason) {
      this.#end(reason);
    }
  }

  sayProgress(): void {
    this.#sayIfRoom({
      kind: { case: "progress", value: { pendingSegments: this.#segments.size } },
    });
  }

  cancelAll(): void {
    this.#halfClosed = true;
    for (const segment of [...this.#segments.values()]) segment.cancel();
    this.responses.close();
  }

  #take(request: TranscribeRequest): void {
    this.#checkIds(request);
    const { segmentId, kind } = request;
    const segment = this.#segments.get(segmentId);
    if (kind.case === "begin") {
      this.#begin(segmentId, kind.value);
    } else if (kind.case === undefined) {
      throw new AntiphonError(
        "invalid_argument",
        "A message without begin, audio, flush, end or cancel.",
      );
    } else if (segment === undefined) {
      if (kind.case !== "cancel" && !this.#over.has(segmentId)) {
        throw new AntiphonError("failed_precondition", "This segment was not begun.");
      }
    } else if (kind.case === "audio") {
      segment.push(kind.value.pcm);
    } else if (kind.case === "flush") {
      segment.flush();
    } else if (kind.case === "end") {
      segment.end();
    } else {
      segment.cancel();
    }
  }

  #checkIds(request: TranscribeRequest): void {
    if (this.#sessionId === "") {
      checkId("session", request.sessionId);
      this.#sessionId = request.sessionId;
    } else if (request.sessionId !== "" && request.sessionId !== this.#sessionId) {
      throw new AntiphonError("invalid_argument", "One stream belongs to one session.");
    }
    checkId("segment", request.segmentId);
  }

  #begin(segmentId: string, begin: { model: string; language: string; partials: boolean }): void {
    if (this.#segments.has(segmentId) || this.#over.has(segmentId)) {
      throw new AntiphonError("invalid_argument", "A segment's id is used once.");
    }
    if (byteLength(begin.model) > ID_BYTES_MAX || byteLength(begin.language) > ID_BYTES_MAX) {
      throw new AntiphonError("invalid_argument", "The name of model or language is too long.");
    }
    if (this.#segments.size >= SEGMENTS_MAX) {
      const error = new AntiphonError("overloaded", "Too many segments are open on this stream.");
      this.#settle(segmentId, { kind: "error", error });
      return;
    }
    const segment = new RecognitionSegment({
      clock: this.#deps.clock,
      acquire: () => this.#deps.acquireRecogniser(begin.model, begin.language),
      language: begin.language,
      partials: begin.partials,
      onPartial: ({ text, confidence }, audioMs) =>
        this.#sayIfRoom({
          segmentId,
          kind: { case: "partial", value: { text, audioMs, ...known(confidence) } },
        }),
      onTerminal: (terminal) => this.#settle(segmentId, terminal),
    });
    this.#segments.set(segmentId, segment);
  }

  #settle(segmentId: string, terminal: SegmentTerminal): void {
    this.#segments.delete(segmentId);
    this.#over.add(segmentId);
    if (this.#over.size > OVER_MAX) {
      const [oldest] = this.#over;
      if (oldest !== undefined) this.#over.delete(oldest);
    }
    this.#log(terminal);
    const said = this.responses.push({ segmentId, kind: kindOf(terminal) });
    if (said === "rejected" && !this.responses.ended) {
      this.responses.fail(new AntiphonError("unavailable", "The caller reads no answers."));
    }
    this.#closeWhenDone();
  }

  #log(terminal: SegmentTerminal): void {
    if (terminal.kind !== "error") return;
    const fields = { sessionId: this.#sessionId, code: terminal.error.code, err: terminal.error };
    if (terminal.error.code === "internal") this.#deps.log.error(fields, "segment failed");
    else this.#deps.log.info(fields, "segment refused");
  }

  /** Terminals are owed and partials are not: a slow reader loses partials first. */
  #sayIfRoom(response: Response): void {
    if (this.responses.length < RESPONSES_MAX - SEGMENTS_MAX) this.responses.push(response);
  }

  #closeWhenDone(): void {
    if (this.#halfClosed && this.#segments.size === 0) this.responses.close();
  }

  /** The stream ends in an error; its segments get their terminals before that. */
  #end(reason: unknown): void {
    const error = AntiphonError.from(reason);
    for (const segment of [...this.#segments.values()]) segment.fail(error);
    this.responses.close();
    throw error;
  }
}

function kindOf(terminal: SegmentTerminal): NonNullable<Response["kind"]> {
  switch (terminal.kind) {
    case "final": {
      const { text, language, audioMs, computeMs, confidence } = terminal;
      return {
        case: "final",
        value: { text, language, audioMs, computeMs, ...known(confidence) },
      };
    }
    case "cancelled":
      return { case: "cancelled", value: {} };
    case "error": {
      const { code, message, retryable } = terminal.error;
      const shown = code === "internal" ? "Recognition failed." : message;
      return { case: "error", value: { code, message: shown, retryable } };
    }
  }
}

function checkId(what: string, id: string): void {
  if (id === "" || byteLength(id) > ID_BYTES_MAX) {
    throw new AntiphonError(
      "invalid_argument",
      `A ${what} id has 1 to ${ID_BYTES_MAX} bytes, not ${byteLength(id)}.`,
    );
  }
}

function byteLength(text: string): number {
  return Buffer.byteLength(text);
}

function known(confidence: number | undefined): { confidence?: number } {
  return confidence === undefined ? {} : { confidence };
}

/** A turn rarely has more than two segments under way: one spoken, one being decoded. */
const SEGMENTS_MAX = 8;
/** Several seconds of progress and partials; each terminal always has room. */
const RESPONSES_MAX = 128;
/** Frames of a segment that is over arrive for one round trip; ids are remembered far longer. */
const OVER_MAX = 256;
