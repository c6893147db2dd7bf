/** The real edge host and a scripted orchestrator behind it, for integration tests. Starts, speaks, stops; asserts nothing. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type LeaseMessage,
  ORCHESTRATOR_STREAM_PATH,
  type SessionCreated,
  SessionCreatedSchema,
  SOCKET_SUBPROTOCOL,
  TICKET_SUBPROTOCOL_PREFIX,
} from "@antiphon/protocol";
import { WebSocket, WebSocketServer } from "ws";

export const INTERNAL_SECRET = "integration-internal-secret-0123456789";
export const API_KEY = "integration-api-key-0123456789";

/** A running host in a process group of its own. */
export interface EdgeHost {
  url: string;
  pid: number;
  child: ChildProcess;
  /** What the host and its Worker have written so far. */
  said(): string;
  /** SIGTERM, and waits for the exit. */
  stop(): Promise<void>;
}

/** The host's process as a launcher forks it, not waited for. */
export function forkEdge(settings: Record<string, string>): {
  child: ChildProcess;
  said: () => string;
} {
  const child = fork(HOST, [], {
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      EDGE_PORT: "0",
      INTERNAL_SECRET,
      TICKET_SECRET: "integration-ticket-secret-0123456789",
      API_KEYS: API_KEY,
      ...settings,
    },
  });
  let said = "";
  const listen = (chunk: Buffer) => {
    said += chunk.toString();
  };
  child.stdout?.on("data", listen);
  child.stderr?.on("data", listen);
  return { child, said: () => said };
}

export async function startEdge(settings: Record<string, string> = {}): Promise<EdgeHost> {
  const stateDir = settings["EDGE_STATE_DIR"] ?? (await createStateDir());
  const { child, said } = forkEdge({ ...settings, EDGE_STATE_DIR: stateDir });
  const tidy = async () => {
    if (settings["EDGE_STATE_DIR"] === undefined)
      await rm(stateDir, { recursive: true, force: true });
  };
  const [ready] = (await Promise.race([
    once(child, "message"),
    once(child, "close").then(async ([code]) => {
      await tidy();
      throw new Error(`the edge's host left with ${code}: ${said()}`);
    }),
  ])) as [{ url: string }];
  const pid = child.pid ?? 0;
  return {
    url: ready.url,
    pid,
    child,
    said,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = once(child, "exit");
        child.kill("SIGTERM");
        await gone;
      }
      await tidy();
    },
  };
}

export function createStateDir(): Promise<string> {
  return mkdtemp(join(tmpdir(), "antiphon-edge-"));
}

export async function createSession(edge: EdgeHost): Promise<SessionCreated> {
  const response = await fetch(`${edge.url}/v1/sessions`, {
    method: "POST",
    headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" },
    body: "{}",
  });
  return SessionCreatedSchema.parse(await response.json());
}

/** A client's socket with everything it was told, in order. */
export class TestClient {
  readonly socket: WebSocket;
  readonly received: (string | Buffer)[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  #changed = Promise.withResolvers<void>();

  constructor(streamUrl: string, ticket: string, headers: Record<string, string> = {}) {
    const protocols = [SOCKET_SUBPROTOCOL, `${TICKET_SUBPROTOCOL_PREFIX}${ticket}`];
    this.socket = new WebSocket(streamUrl, protocols, { headers });
    this.closed = new Promise((resolve) => {
      this.socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    this.socket.on("error", () => {});
    this.socket.on("message", (data: Buffer, binary) => {
      this.received.push(binary ? data : data.toString());
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
  }

  /** The first JSON message of that form, from those there are or will be. */
  async message(type: string, where: Record<string, unknown> = {}): Promise<unknown> {
    for (;;) {
      for (const data of this.received) {
        if (typeof data !== "string") continue;
        const message = JSON.parse(data) as Record<string, unknown>;
        const fits = Object.entries({ type, ...where }).every(([key, is]) => message[key] === is);
        if (fits) return message;
      }
      await this.#changed.promise;
    }
  }

  /** Waits until that many binary messages are there. */
  async binary(count: number): Promise<Buffer[]> {
    for (;;) {
      const frames = this.received.filter((data) => typeof data !== "string");
      if (frames.length >= count) return frames;
      await this.#changed.promise;
    }
  }
}

/** One socket that the edge dialled. */
export interface DialledSocket {
  socket: WebSocket;
  lease: LeaseMessage;
  headers: IncomingMessage["headers"];
  /** What came after the lease. */
  received: { data: Buffer; binary: boolean }[];
  closed: Promise<{ code: number; reason: string }>;
}

/** Takes the edge's sockets and lets the test speak on them. */
export class FakeOrchestrator {
  readonly dialled: DialledSocket[] = [];
  /** Called for each message after the lease. */
  onMessage: (from: DialledSocket, data: Buffer, binary: boolean) => void = () => {};
  readonly #http: Server;
  readonly #sockets = new WebSocketServer({ noServer: true });
  #changed = Promise.withResolvers<void>();

  private constructor() {
    this.#http = createServer((request, response) => {
      response.writeHead(request.url === "/healthz" ? 200 : 404).end();
    });
    this.#http.on("upgrade", (request, socket, head) => {
      if (
        request.url !== ORCHESTRATOR_STREAM_PATH ||
        request.headers.authorization !== `Bearer ${INTERNAL_SECRET}`
      ) {
        socket.end("HTTP/1.1 401 Unauthorized\r\n\r\n");
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#accept(ws, request));
    });
  }

  static async listen(port = 0): Promise<FakeOrchestrator> {
    const fake = new FakeOrchestrator();
    fake.#http.listen(port, "127.0.0.1");
    await once(fake.#http, "listening");
    return fake;
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The socket dialled as number `index`, once its lease is there. */
  async dial(index: number): Promise<DialledSocket> {
    for (;;) {
      const found = this.dialled[index];
      if (found !== undefined) return found;
      await this.#changed.promise;
    }
  }

  /** As a killed process: no close frames, the port is free. */
  async crash(): Promise<void> {
    for (const client of this.#sockets.clients) client.terminate();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  #accept(socket: WebSocket, request: IncomingMessage): void {
    const received: DialledSocket["received"] = [];
    const closed = new Promise<{ code: number; reason: string }>((resolve) => {
      socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    let dialled: DialledSocket | undefined;
    socket.on("message", (data: Buffer, binary) => {
      if (dialled === undefined) {
        const lease = JSON.parse(data.toString()) as LeaseMessage;
        dialled = { socket, lease, headers: request.headers, received, closed };
        this.dialled.push(dialled);
        this.#changed.resolve();
        this.#changed = Promise.withResolvers();
        return;
      }
      received.push({ data, binary });
      this.onMessage(dialled, data, binary);
    });
  }
}

const HOST = fileURLToPath(new URL("../../apps/edge/host/main.ts", import.meta.url));
