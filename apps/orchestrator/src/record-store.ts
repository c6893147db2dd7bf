/** Keeps one session's record at its object: one idempotent call, throttled, retried within a budget. Owns the writing, not what is in a record. */

import {
  AntiphonError,
  codeOfStatus,
  ErrorBodySchema,
  RECORD_INTERVAL_MS_MIN,
  recordPath,
} from "@antiphon/protocol";
import { recordToJson, SessionRecordSchema } from "@antiphon/protocol/record";
import { type Clock, deadline, type Timer, untilAborted } from "@antiphon/runtime";
import type { Log } from "@antiphon/runtime/log";
import { create } from "@bufbuild/protobuf";
import type { RecordStore, ReplySnapshot, SessionSnapshot } from "./session/ports.ts";

export interface RecordStoreOptions {
  /** For instance "http://127.0.0.1:8787". */
  edgeUrl: string;
  /** The launcher's internal secret. */
  secret: string;
  clock: Clock;
  log: Log;
  /** A newer lease holds the session: nothing more is written, and the session here is over. */
  onFenced: () => void;
  fetch?: typeof globalThis.fetch;
}

/** One a session and lease epoch; versions rise from 1. */
export function createRecordStore(options: RecordStoreOptions): RecordStore {
  return new HttpRecordStore(options);
}

class HttpRecordStore implements RecordStore {
  readonly #options: RecordStoreOptions;
  #pending: SessionSnapshot | undefined;
  #version = 0;
  #writing: Promise<void> | undefined;
  #nextWriteMs = 0;
  #timer: Timer | undefined;
  #failures = 0;
  #closed = false;

  constructor(options: RecordStoreOptions) {
    this.#options = options;
  }

  put(record: SessionSnapshot): void {
    if (this.#closed) return;
    this.#pending = record;
    // A new state is worth a new try, however often the last one failed.
    if (this.#failures >= ATTEMPTS_MAX) this.#failures = 0;
    this.#schedule();
  }

  async flush(): Promise<void> {
    const limit = deadline(
      this.#options.clock,
      FLUSH_DEADLINE_MS,
      () => new Error("it took too long"),
    );
    try {
      for (let writes = 0; ; writes++) {
        if (this.#writing !== undefined) await untilAborted(this.#writing, limit.signal);
        // What came or failed meanwhile has set it anew; here nothing waits for its turn.
        this.#timer?.cancel();
        this.#timer = undefined;
        if (this.#pending === undefined || this.#closed) return;
        if (writes === FLUSH_WRITES_MAX) throw new Error("the edge refuses it again and again");
        this.#write();
      }
    } catch (reason) {
      this.#options.log.warn(
        { err: reason },
        "the session record was not written before the session ended",
      );
    } finally {
      this.#timer?.cancel();
      this.#timer = undefined;
      limit.dispose();
    }
  }

  #schedule(): void {
    if (this.#writing !== undefined || this.#timer !== undefined || this.#closed) return;
    const { clock } = this.#options;
    const waitMs = this.#nextWriteMs - clock.nowMs();
    if (waitMs <= 0) {
      this.#write();
      return;
    }
    this.#timer = clock.setTimer(waitMs, () => {
      this.#timer = undefined;
      if (this.#pending !== undefined && this.#writing === undefined) this.#write();
    });
  }

  #write(): void {
    const snapshot = this.#pending;
    if (snapshot === undefined) return;
    this.#pending = undefined;
    this.#version += 1;
    this.#nextWriteMs = this.#options.clock.nowMs() + RECORD_INTERVAL_MS_MIN;
    this.#writing = this.#send(snapshot, this.#version)
      .then(
        () => {
          this.#failures = 0;
        },
        (reason: unknown) => this.#failed(snapshot, reason),
      )
      .finally(() => {
        this.#writing = undefined;
        if (this.#pending !== undefined) this.#schedule();
      });
  }

  #failed(snapshot: SessionSnapshot, reason: unknown): void {
    const { log, clock } = this.#options;
    const fields = { sessionId: snapshot.sessionId, leaseEpoch: snapshot.leaseEpoch };
    const error = AntiphonError.from(reason);
    if (error.code === "conflict" || error.code === "not_found") {
      this.#closed = true;
      this.#pending = undefined;
      log.warn({ ...fields, code: error.code }, "the session record is another's now");
      if (error.code === "conflict") this.#options.onFenced();
      return;
    }
    this.#failures += 1;
    log.warn(
      { ...fields, err: error, failures: this.#failures },
      "a session record was not written",
    );
    if (!error.retryable || this.#failures >= ATTEMPTS_MAX) return;
    // Newest wins: a state that came meanwhile goes out instead.
    this.#pending ??= snapshot;
    this.#nextWriteMs = clock.nowMs() + RECORD_INTERVAL_MS_MIN * 2 ** (this.#failures - 1);
  }

  async #send(snapshot: SessionSnapshot, version: number): Promise<void> {
    const { edgeUrl, secret, clock } = this.#options;
    const limit = deadline(
      clock,
      WRITE_DEADLINE_MS,
      () => new AntiphonError("deadline_exceeded", "The session's object did not answer in time."),
    );
    try {
      const response = await untilAborted(
        (this.#options.fetch ?? globalThis.fetch)(`${edgeUrl}${recordPath(snapshot.sessionId)}`, {
          method: "PUT",
          headers: { "content-type": "application/json", authorization: `Bearer ${secret}` },
          body: JSON.stringify(recordOf(snapshot, version)),
          signal: limit.signal,
        }),
        limit.signal,
      );
      const body = await untilAborted(response.text(), limit.signal);
      if (!response.ok) throw errorOf(response.status, body);
    } catch (reason) {
      if (reason instanceof AntiphonError) throw reason;
      throw new AntiphonError("unavailable", "The session's object cannot be reached.", {
        cause: reason,
      });
    } finally {
      limit.dispose();
    }
  }
}

function errorOf(status: number, body: string): AntiphonError {
  try {
    const { error } = ErrorBodySchema.parse(JSON.parse(body));
    return new AntiphonError(error.code, error.message, { retryable: error.retryable });
  } catch {
    return new AntiphonError(codeOfStatus(status), `The edge answered HTTP ${status}.`, {
      retryable: status >= 500 || status === 429,
    });
  }
}

function recordOf(snapshot: SessionSnapshot, version: number) {
  const { history, reply, options, metrics, ...rest } = snapshot;
  const { client, ...chosen } = options;
  return recordToJson(
    create(SessionRecordSchema, {
      ...rest,
      version,
      history: history.map((entry) => ({ ...entry })),
      ...(reply === undefined ? {} : { reply: replyOf(reply) }),
      options: { ...chosen, clientOptionsJson: JSON.stringify(client) },
      metrics: {
        ...metrics,
        firstAudioLatencyMs: Math.round(metrics.firstAudioLatencyMs),
        endOfSpeechToFirstAudioMs: Math.round(metrics.endOfSpeechToFirstAudioMs),
        durationMs: Math.round(metrics.durationMs),
      },
    }),
  );
}

function replyOf(reply: ReplySnapshot) {
  return {
    ...reply,
    heardSamples: Math.round(reply.heardSamples),
    utterances: reply.utterances.map((utterance) => ({
      ...utterance,
      words: utterance.words.map((word) => ({
        ...word,
        startSample: Math.round(word.startSample),
        endSample: Math.round(word.endSample),
      })),
    })),
  };
}

/** The object answers in milliseconds; two seconds cover a cold isolate and a busy machine. */
const WRITE_DEADLINE_MS = 2_000;
/** At hang-up: one write under way and one more. */
const FLUSH_DEADLINE_MS = 3_000;
/** An edge that refuses the last state this often, without a pause between, will not take it before the deadline either. */
const FLUSH_WRITES_MAX = 3;
/** With doubling pauses from 500 ms: eight seconds of an edge that restarts. The next state starts afresh. */
const ATTEMPTS_MAX = 5;
