/** The orchestrator's session socket on real sockets, with scripted ports behind it and a clock that the test moves. Starts, dials, stops; asserts nothing. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate } from "node:timers/promises";
import {
  type LeaseMessage,
  ORCHESTRATOR_STREAM_PATH,
  parseServerMessage,
  type ServerMessage,
  type ServerMessageOf,
  SOCKET_SUBPROTOCOL,
} from "@antiphon/protocol";
import { createLog } from "@antiphon/runtime/log";
import { FakeClock } from "@antiphon/runtime/testing";
import { WebSocket } from "ws";
import {
  LoudnessDetector,
  ScriptedLanguageModel,
  ScriptedSynthesizer,
  ScriptedTranscriber,
} from "../../apps/orchestrator/src/session/testing/scripted-ports.ts";
import { SESSION_DEFAULTS } from "../../apps/orchestrator/src/session/testing/session-defaults.ts";
import { Ticker } from "../../apps/orchestrator/src/session/ticker.ts";
import { SessionHost } from "../../apps/orchestrator/src/session-host.ts";
import {
  type SocketServer,
  startSocketServer,
} from "../../apps/orchestrator/src/transport/socket-server.ts";

export const SECRET = "integration-internal-secret-0123456789";

export interface SocketScript {
  hears?: string[];
  answers?: string[];
  sessionsMax?: number;
}

/** A server of sessions, and the edge that its records go to. */
export class SessionServer {
  readonly clock: FakeClock;
  readonly host: SessionHost;
  /** Sessions that were begun. */
  started = 0;
  readonly records: Array<{ state?: string }>;
  readonly #sockets: SocketServer;
  readonly #edge: Server;
  readonly #callers: Caller[] = [];

  private constructor(parts: {
    clock: FakeClock;
    host: SessionHost;
    sockets: SocketServer;
    edge: Server;
    records: Array<{ state?: string }>;
  }) {
    this.clock = parts.clock;
    this.host = parts.host;
    this.#sockets = parts.sockets;
    this.#edge = parts.edge;
    this.records = parts.records;
  }

  static async start(script: SocketScript = {}): Promise<SessionServer> {
    const clock = new FakeClock();
    const log = createLog({ name: "test", level: "silent" });
    const records: Array<{ state?: string }> = [];
    const edge = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      records.push(JSON.parse(body));
      response.writeHead(204, { connection: "close" }).end();
    });
    await once(edge.listen(0, "127.0.0.1"), "listening");
    const host = new SessionHost({
      clock,
      log,
      deps: {
        clock,
        ticker: new Ticker({
          clock,
          onError: (_, reason) => {
            throw reason;
          },
        }),
        detector: new LoudnessDetector(),
        transcriber: new ScriptedTranscriber(script.hears ?? []),
        synthesizer: new ScriptedSynthesizer(),
        llm: new ScriptedLanguageModel(script.answers ?? []),
        defaults: { ...SESSION_DEFAULTS, idleTimeoutMs: 60_000 },
      },
      sessionsMax: script.sessionsMax ?? 10,
      edgeUrl: `http://127.0.0.1:${(edge.address() as AddressInfo).port}`,
      internalSecret: SECRET,
    });
    const sockets = await startSocketServer({
      host: "127.0.0.1",
      port: 0,
      secret: SECRET,
      clock,
      log,
      missing: () => undefined,
      admit: () => host.admit(),
      onSession: (socket, lease) => {
        host.start(socket, lease);
        server.started++;
      },
    });
    const server = new SessionServer({ clock, host, sockets, edge, records });
    return server;
  }

  /** Upgrades; says no more. */
  dial(options: { secret?: string; path?: string } = {}): Caller {
    const { secret = SECRET, path = ORCHESTRATOR_STREAM_PATH } = options;
    const url = `${this.#sockets.url.replace("http", "ws")}${path}`;
    const caller = new Caller(
      new WebSocket(url, SOCKET_SUBPROTOCOL, { headers: { authorization: `Bearer ${secret}` } }),
    );
    this.#callers.push(caller);
    return caller;
  }

  /** Dials with a lease; the session is not begun. */
  async lease(): Promise<Caller> {
    const caller = this.dial();
    await caller.opened;
    caller.say(LEASE);
    return caller;
  }

  /** A session that is `ready`. */
  async call(options: { playback?: "none" | "reported" } = {}): Promise<Caller> {
    const caller = await this.lease();
    caller.say({ type: "session_start", options });
    await caller.heard("ready");
    return caller;
  }

  /** Time goes on, and what it brings about reaches its sockets. */
  async pass(ms: number): Promise<void> {
    for (let doneMs = 0; doneMs < ms; doneMs += 20) {
      this.clock.advance(20);
      await setImmediate();
    }
  }

  /** A session is over and its last record written. */
  async lastRecord(): Promise<unknown> {
    for (;;) {
      const last = this.records.find((record) => record.state === "terminated");
      // Once more round: the host hears of the answer after the edge has given it.
      for (let turn = 0; turn < 20; turn++) await setImmediate();
      if (last !== undefined) return last;
    }
  }

  async stop(): Promise<void> {
    await this.host.close();
    await this.#sockets.close();
    for (const caller of this.#callers) caller.hangUp();
    this.#edge.close();
    this.#edge.closeAllConnections();
  }
}

/** Who dials: keeps what it is told. */
export class Caller {
  readonly messages: ServerMessage[] = [];
  readonly frames: Buffer[] = [];
  readonly opened: Promise<void>;
  readonly closed: Promise<{ code: number; reason: string }>;
  /** HTTP status of a refused upgrade. */
  readonly refused: Promise<number>;
  readonly #socket: WebSocket;
  #wake = Promise.withResolvers<void>();

  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.opened = new Promise((resolve) => socket.once("open", resolve));
    this.closed = new Promise((resolve) =>
      socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() })),
    );
    this.refused = new Promise((resolve) =>
      socket.once("unexpected-response", (request, response) => {
        resolve(response.statusCode ?? 0);
        request.destroy();
      }),
    );
    socket.on("error", () => {});
    socket.on("message", (data, isBinary) => {
      if (isBinary) this.frames.push(data as Buffer);
      else this.messages.push(parseServerMessage((data as Buffer).toString()));
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    });
  }

  say(message: object | string | Uint8Array): void {
    const raw = typeof message === "string" || message instanceof Uint8Array;
    this.#socket.send(raw ? message : JSON.stringify(message));
  }

  all<T extends ServerMessage["type"]>(type: T): ServerMessageOf<T>[] {
    return this.messages.filter((each): each is ServerMessageOf<T> => each.type === type);
  }

  /** The n-th message of this type, as soon as it is there. */
  async heard<T extends ServerMessage["type"]>(type: T, nth = 1): Promise<ServerMessageOf<T>> {
    for (;;) {
      const message = this.all(type)[nth - 1];
      if (message !== undefined) return message;
      await this.#wake.promise;
    }
  }

  hangUp(): void {
    this.#socket.terminate();
  }
}

const LEASE: LeaseMessage = {
  type: "lease",
  sessionId: "s-1",
  leaseEpoch: 7,
  record: null,
  resumeTtlMs: 300_000,
  start: "by-client",
  way: { kind: "socket" },
};
