/** The sessions of this process: how many, each with its socket and its record, and their end. Knows nothing of what is said in them. */
import { AntiphonError, type LeaseMessage } from "@antiphon/protocol";
import { recordFromJson } from "@antiphon/protocol/record";
import type { Clock } from "@antiphon/runtime";
import type { Log } from "@antiphon/runtime/log";
import type { WebSocket } from "ws";
import { createRecordStore } from "./record-store.ts";
import type { RecordStore, TransportEnd } from "./session/ports.ts";
import { Session } from "./session/session.ts";
import type { SessionDeps, SessionIdentity } from "./session/session-deps.ts";
import { connectSocket, WebSocketTransport } from "./transport/websocket.ts";

export interface SessionHostOptions {
  clock: Clock;
  log: Log;
  deps: SessionDeps;
  sessionsMax: number;
  /** Where records are written, and the secret that its owner knows. */
  edgeUrl: string;
  internalSecret: string;
}

/** Each session from its lease until its last record is written. */
export class SessionHost {
  readonly #options: SessionHostOptions;
  readonly #sessions = new Map<Session, { records: RecordStore; ended: Promise<void> }>();
  #closing = false;

  constructor(options: SessionHostOptions) {
    this.#options = options;
  }

  /** Throws `overloaded` when all are taken, `unavailable` at the end. */
  admit(): void {
    if (this.#closing) throw new AntiphonError("unavailable", "This server is shutting down.");
    if (this.#sessions.size < this.#options.sessionsMax) return;
    throw new AntiphonError("overloaded", "All lines are busy. Try again in a moment.", {
      details: { retryAfterMs: RETRY_AFTER_MS },
    });
  }

  /** Throws `invalid_argument` for a lease whose record cannot be read. */
  start(socket: WebSocket, lease: LeaseMessage): void {
    const { deps, clock, edgeUrl, internalSecret } = this.#options;
    const log = this.#options.log.child({
      sessionId: lease.sessionId,
      leaseEpoch: lease.leaseEpoch,
    });
    const transport = new WebSocketTransport(socket, lease.leaseEpoch);
    const ended = Promise.withResolvers<void>();
    const records = createRecordStore({
      edgeUrl,
      secret: internalSecret,
      clock,
      log,
      onFenced: () =>
        session.end({
          kind: "error",
          error: new AntiphonError("conflict", "Another server has taken this session over."),
        }),
    });
    const session = new Session(deps, identityOf(lease), {
      transport,
      records,
      onEnded: (end) => {
        logEnd(log, end);
        records.flush().then(ended.resolve, ended.reject);
      },
    });
    const flushed = ended.promise
      .catch((reason) => log.warn({ err: reason }, "the last record could not be written"))
      .finally(() => this.#sessions.delete(session));
    this.#sessions.set(session, { records, ended: flushed });
    log.info("session started");
    connectSocket(socket, session, transport);
  }

  /** Takes nothing new, ends every session with `unavailable`, and waits for their records. Bounded. */
  async close(): Promise<void> {
    this.#closing = true;
    // Records first: the edge dials a successor as soon as a socket closes, and from then on ours are refused.
    await Promise.all([...this.#sessions.values()].map((hosted) => hosted.records.flush()));
    const flushed = [...this.#sessions.values()].map((hosted) => hosted.ended);
    const error = new AntiphonError("unavailable", "This server is shutting down.");
    for (const session of this.#sessions.keys()) session.end({ kind: "error", error });
    await Promise.all(flushed);
  }
}

/** A fault of ours is an error, with its cause; what clients and networks do is not. */
function logEnd(log: Log, end: TransportEnd): void {
  if (end.kind === "normal") {
    log.info("session ended");
    return;
  }
  const error = AntiphonError.from(end.error);
  if (error.code === "internal") log.error({ err: error }, "session failed");
  else log.info({ code: error.code }, "session ended");
}

/** Throws `invalid_argument` for a record that cannot be read. */
function identityOf(lease: LeaseMessage): SessionIdentity {
  const { sessionId, leaseEpoch } = lease;
  if (lease.record === null)
    return { sessionId, leaseEpoch, history: [], turnNumber: 0, owesAnswer: false };
  const record = recordFromJson(lease.record);
  return {
    sessionId,
    leaseEpoch,
    turnNumber: record.turnNumber,
    // Of an answer that had begun to sound the beginning would be said twice.
    owesAnswer:
      record.owesAnswer && !(record.reply?.utterances.some((each) => each.begun) ?? false),
    history: record.history.map((entry) => ({
      role: entry.role === "assistant" ? "assistant" : "user",
      text: entry.text,
      interrupted: entry.interrupted,
    })),
  };
}

/** About the length of a turn: by then somebody may have hung up. */
const RETRY_AFTER_MS = 2_000;
