/** Wires the orchestrator: the one place where both sides of each port are made. Decides nothing about conversations. */
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { AntiphonError, type LeaseMessage, RPC_MESSAGE_BYTES_MAX } from "@antiphon/protocol";
import { recordFromJson } from "@antiphon/protocol/record";
import { RegistryService } from "@antiphon/protocol/worker";
import { type Clock, systemClock } from "@antiphon/runtime";
import { createLog, type Log } from "@antiphon/runtime/log";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { WebSocket } from "ws";
import type { Config } from "./config.ts";
import { discoverLanguageModel } from "./llm/discover-language-model.ts";
import { createSileroVad } from "./recognition/silero-vad.ts";
import { createWorkerTranscriber } from "./recognition/worker-transcriber.ts";
import { createRecordStore } from "./record-store.ts";
import { createWorkerSynthesizer } from "./routing/worker-client.ts";
import { WorkerConnections } from "./routing/worker-connections.ts";
import { createWorkerRecognisers } from "./routing/worker-recognisers.ts";
import { createRegistryService, WorkerRegistry } from "./routing/worker-registry.ts";
import type { RecordStore, TransportEnd } from "./session/ports.ts";
import { Session } from "./session/session.ts";
import type { SessionDeps, SessionIdentity } from "./session/session-deps.ts";
import { Ticker } from "./session/ticker.ts";
import { startSocketServer } from "./transport/socket-server.ts";
import { connectSocket, WebSocketTransport } from "./transport/websocket.ts";

export interface Orchestrator {
  /** Where the edge dials. */
  readonly streamUrl: string;
  /** Where workers beat. */
  readonly registryUrl: string;
  readonly responder: { kind: string; model?: string };
  /** Takes nothing new, ends every session with `unavailable`, and writes the records. Bounded. */
  close(): Promise<void>;
}

/** Starts everything and resolves once sessions can be taken. */
export async function startOrchestrator(
  config: Config,
  onFatal: (reason: Error) => void,
): Promise<Orchestrator> {
  const log = createLog({ name: "orchestrator", level: config.log.level, pii: config.log.pii });
  const clock = systemClock;
  const registry = new WorkerRegistry({ clock, log });
  const connections = new WorkerConnections({ secret: config.internalSecret });
  const detector = createSileroVad({
    log,
    onGivenUp: () => onFatal(new Error("the voice activity detector cannot be kept running")),
  });
  const registryServer = await startRegistryServer(config, registry);
  const llm = await discoverLanguageModel({
    baseUrl: config.llm.baseUrl === "" ? undefined : config.llm.baseUrl,
    model: config.llm.model === "" ? undefined : config.llm.model,
    apiKey: config.llm.apiKey === "" ? undefined : config.llm.apiKey,
    discovery: config.llm.discovery ? "auto" : "off",
    clock,
    log,
  });
  const recognisers = createWorkerRecognisers({ registry, connections, random: Math.random });
  const sessions = new SessionHost(config, clock, log, {
    clock,
    ticker: new Ticker({
      clock,
      onError: (ticked, reason) =>
        (ticked as Session).end({ kind: "error", error: AntiphonError.from(reason) }),
    }),
    detector,
    transcriber: createWorkerTranscriber({ workers: recognisers, clock, log }),
    synthesizer: createWorkerSynthesizer({
      registry,
      connections,
      clock,
      log,
      random: Math.random,
    }),
    llm,
    defaults: config.session,
  });
  await detector.ready;
  const sockets = await startSocketServer({
    host: config.host,
    port: config.port,
    secret: config.internalSecret,
    clock,
    log,
    missing: () => (registry.view().some((worker) => !worker.suspect) ? undefined : "worker"),
    admit: () => sessions.admit(),
    onSession: (socket, lease) => sessions.start(socket, lease),
  });
  return {
    streamUrl: sockets.url,
    registryUrl: `http://${config.host}:${(registryServer.server.address() as AddressInfo).port}`,
    responder: llm.responder,
    close: async () => {
      await sessions.close();
      await sockets.close();
      await registryServer.close();
      connections.close();
      await detector.close();
    },
  };
}

/** The sessions of this process. */
class SessionHost {
  readonly #config: Config;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #deps: SessionDeps;
  readonly #sessions = new Map<Session, { records: RecordStore; ended: Promise<void> }>();
  #closing = false;

  constructor(config: Config, clock: Clock, log: Log, deps: SessionDeps) {
    this.#config = config;
    this.#clock = clock;
    this.#log = log;
    this.#deps = deps;
  }

  admit(): void {
    if (this.#closing) throw new AntiphonError("unavailable", "This server is shutting down.");
    if (this.#sessions.size < this.#config.sessionsMax) return;
    throw new AntiphonError("overloaded", "All lines are busy. Try again in a moment.", {
      details: { retryAfterMs: RETRY_AFTER_MS },
    });
  }

  start(socket: WebSocket, lease: LeaseMessage): void {
    const log = this.#log.child({ sessionId: lease.sessionId, leaseEpoch: lease.leaseEpoch });
    const transport = new WebSocketTransport(socket, lease.leaseEpoch);
    const ended = Promise.withResolvers<void>();
    const records = createRecordStore({
      edgeUrl: this.#config.edgeUrl,
      secret: this.#config.internalSecret,
      clock: this.#clock,
      log,
      onFenced: () =>
        session.end({
          kind: "error",
          error: new AntiphonError("conflict", "Another server has taken this session over."),
        }),
    });
    const session = new Session(this.#deps, identityOf(lease), {
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
  if (lease.record === null) return { sessionId, leaseEpoch, history: [], turnNumber: 0 };
  const record = recordFromJson(lease.record);
  return {
    sessionId,
    leaseEpoch,
    turnNumber: record.turnNumber,
    history: record.history.map((entry) => ({
      role: entry.role === "assistant" ? "assistant" : "user",
      text: entry.text,
      interrupted: entry.interrupted,
    })),
  };
}

async function startRegistryServer(
  config: Config,
  registry: WorkerRegistry,
): Promise<{ server: Http2Server; close(): Promise<void> }> {
  const service = createRegistryService({ registry, secret: config.poolSecret });
  const server = createServer(
    {},
    connectNodeAdapter({
      routes: (router) => router.service(RegistryService, service),
      acceptCompression: [],
      readMaxBytes: RPC_MESSAGE_BYTES_MAX,
    }),
  );
  const open = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    open.add(session);
    session.on("close", () => open.delete(session));
    // A worker that dies resets its connection: no event of ours.
    session.on("error", () => session.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(config.registryPort, config.host, resolve);
  });
  return {
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of open) session.destroy();
      }),
  };
}

/** About the length of a turn: by then somebody may have hung up. */
const RETRY_AFTER_MS = 2_000;
