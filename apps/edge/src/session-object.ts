/**
 * One session: its lifetime, who may take it up, its record, and the one relay of its call. Reached through its own Worker alone,
 * which has checked keys, origins and signatures; tokens arrive here hashed.
 */
import { DurableObject } from "cloudflare:workers";
import { AntiphonError, type LeaseMessage } from "@antiphon/protocol";
import { recordFromJson } from "@antiphon/protocol/record";
import { systemClock } from "@antiphon/runtime";
import { sameHash } from "./auth.ts";
import { refuseSocket, upgradeResponse } from "./client-socket.ts";
import { type EdgeConfig, loadConfig } from "./config.ts";
import type { Env } from "./env.ts";
import { describeError, logEvent } from "./log.ts";
import { OrchestratorLink } from "./orchestrator-link.ts";
import { failed, type Outcome, succeeded } from "./outcome.ts";
import { type RelayEnd, SessionRelay } from "./session-relay.ts";
import { type SessionRow, SessionStore, type StoredState } from "./session-store.ts";

/** Who asks: the owner by key, or whoever holds the resume token. */
export type Credential = { kind: "owner"; owner: string } | { kind: "resume"; hash: string };

/** What is known of a session, as plain values. */
export interface SessionFacts extends SessionRow {
  /** The newest record as protobuf JSON text. */
  recordJson: string | null;
}

/** Headers by which the Worker hands a verified ticket over; nobody else can reach the object. */
export const TICKET_ID_HEADER = "x-antiphon-ticket-id";
export const TICKET_EXPIRES_HEADER = "x-antiphon-ticket-expires-at-ms";

export class SessionObject extends DurableObject<Env> {
  readonly #config: EdgeConfig;
  readonly #store: SessionStore;
  readonly #sessionId: string;
  #relay: SessionRelay | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#config = loadConfig(env);
    this.#store = new SessionStore(ctx.storage);
    this.#sessionId = ctx.id.toString();
    // Sockets do not survive the instance: whoever was connected is not any more.
    if (this.#store.load()?.state === "connected") this.#enter("disconnected");
  }

  create(owner: string, resumeHash: string): void {
    const nowMs = Date.now();
    this.#store.create({ owner, resumeHash, nowMs, expiresAtMs: nowMs + FIRST_CONNECT_MS });
    this.#armAlarm();
    logEvent("info", "session created", { sessionId: this.#sessionId });
  }

  describe(credential: Credential): Outcome<SessionFacts> {
    const session = this.#authorise(credential);
    if (!session.ok) return session;
    return succeeded({ ...session.value, recordJson: this.#store.recordJson() });
  }

  /** Takes a resume token, stores the hash of the one that replaces it. */
  renew(resumeHash: string, nextHash: string): Outcome<null> {
    const session = this.#authorise({ kind: "resume", hash: resumeHash });
    if (!session.ok) return session;
    if (session.value.state === "ended") return failed("failed_precondition", SESSION_OVER);
    this.#store.addResumeHash(nextHash, Date.now());
    return succeeded(null);
  }

  async end(credential: Credential): Promise<Outcome<null>> {
    const session = this.#authorise(credential);
    if (!session.ok) return session;
    await this.#erase();
    return succeeded(null);
  }

  /** `json`: a session record's protobuf JSON. Idempotent; refused from whoever does not hold the newest grant. */
  putRecord(json: string): Outcome<null> {
    if (this.#current() === undefined) return failed("not_found", NO_SESSION);
    const record = recordFromJson(JSON.parse(json));
    if (this.#store.putRecord(record, json) === "stale") {
      return failed("conflict", "The session has a newer record or another holder.");
    }
    return succeeded(null);
  }

  /** The client's upgrade, its ticket verified. Spending the ticket comes first: nothing is dialled for a second use. */
  override async fetch(request: Request): Promise<Response> {
    const session = this.#current();
    if (session === undefined) return refuseSocket(request, error("not_found", NO_SESSION));
    const ticketId = request.headers.get(TICKET_ID_HEADER) ?? "";
    const expiresAtMs = Number(request.headers.get(TICKET_EXPIRES_HEADER));
    if (!this.#store.spendTicket(ticketId, expiresAtMs, Date.now())) {
      return refuseSocket(request, error("unauthenticated", "The ticket was used before."));
    }
    if (session.state === "ended") {
      return refuseSocket(request, error("failed_precondition", SESSION_OVER));
    }
    this.#relay?.stop(error("conflict", "Another client has taken this session over."));
    const [client, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
    this.#startRelay(server);
    return upgradeResponse(client);
  }

  /** At least once, perhaps late, perhaps for nothing: looks at what is due, and is armed again whatever happens. */
  override async alarm(): Promise<void> {
    try {
      const session = this.#store.load();
      if (session === undefined || session.expiresAtMs > Date.now()) return;
      this.#relay?.stop(error("deadline_exceeded", "The session has reached its longest life."));
      await this.#erase();
    } finally {
      this.#armAlarm();
    }
  }

  #startRelay(server: WebSocket): void {
    const { orchestratorUrls: urls, internalSecret: secret } = this.#config;
    const logFields = { sessionId: this.#sessionId };
    const relay: SessionRelay = new SessionRelay({
      client: server,
      clock: systemClock,
      logFields,
      link: new OrchestratorLink({
        urls,
        secret,
        clock: systemClock,
        fetch: (...request) => fetch(...request),
        lease: () => this.#lease(),
        onFailure: (url, reason) =>
          logEvent("warn", "dial failed", { ...logFields, url, error: describeError(reason) }),
      }),
      onEnd: (end) => {
        if (this.#relay === relay) this.#relayEnded(end);
      },
    });
    this.#relay = relay;
    this.#enter("connected");
    this.ctx.waitUntil(relay.start());
    logEvent("info", "client connected", logFields);
  }

  #relayEnded(end: RelayEnd): void {
    this.#relay = undefined;
    logEvent("info", "call over", {
      sessionId: this.#sessionId,
      end: end.kind,
      code: end.kind === "failed" ? end.code : undefined,
    });
    if (this.#current() !== undefined) this.#enter(end.kind === "ended" ? "ended" : "disconnected");
  }

  #lease(): LeaseMessage {
    const json = this.#store.recordJson();
    return {
      type: "lease",
      sessionId: this.#sessionId,
      leaseEpoch: this.#store.nextLeaseEpoch(),
      record: json === null ? null : JSON.parse(json),
      resumeTtlMs: this.#config.sessionResumeTtlMs,
      start: "by-client",
      way: { kind: "socket" },
    };
  }

  #authorise(credential: Credential): Outcome<SessionRow> {
    const session = this.#current();
    if (session === undefined) return failed("not_found", NO_SESSION);
    const allowed =
      credential.kind === "owner"
        ? sameHash(credential.owner, session.owner)
        : this.#store.resumeHashes(Date.now()).some((hash) => sameHash(hash, credential.hash));
    return allowed
      ? succeeded(session)
      : failed("permission_denied", "This key or token is for another session.");
  }

  /** The session, unless its time is over: an alarm may come late. */
  #current(): SessionRow | undefined {
    const session = this.#store.load();
    return session !== undefined && session.expiresAtMs > Date.now() ? session : undefined;
  }

  #enter(state: StoredState): void {
    const session = this.#store.load();
    if (session === undefined) return;
    const lastMs = session.createdAtMs + LIFETIME_MS;
    const nextMs = Date.now() + this.#config.sessionResumeTtlMs;
    this.#store.setState(state, state === "connected" ? lastMs : Math.min(lastMs, nextMs));
    this.#armAlarm();
  }

  #armAlarm(): void {
    const session = this.#store.load();
    if (session === undefined) return;
    const dueMs =
      session.state === "connected"
        ? Math.min(session.expiresAtMs, Date.now() + ALIVE_CHECK_MS)
        : session.expiresAtMs;
    this.ctx.waitUntil(this.ctx.storage.setAlarm(dueMs));
  }

  async #erase(): Promise<void> {
    const relay = this.#relay;
    this.#relay = undefined;
    relay?.stop();
    await this.#store.erase();
    logEvent("info", "session erased", { sessionId: this.#sessionId });
  }
}

/** A page asks for a session when the person presses the button: whoever has not come after a minute will not. */
const FIRST_CONNECT_MS = 60_000;
/** No conversation lasts longer; a socket forgotten open does. */
const LIFETIME_MS = 24 * 60 * 60 * 1000;
/** While a call runs the alarm is a sign of life: after a crash it wakes the object, which then finds nobody connected. */
const ALIVE_CHECK_MS = 60_000;

const NO_SESSION = "There is no such session; it may have expired. Start a new one.";
const SESSION_OVER = "The session is over. Start a new one.";

const error = (code: ConstructorParameters<typeof AntiphonError>[0], message: string) =>
  new AntiphonError(code, message);
