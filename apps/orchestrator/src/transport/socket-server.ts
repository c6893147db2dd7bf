/** The HTTP server that the edge dials: upgrade, proof of who dials, lease. Owns connections before they are sessions. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import {
  AntiphonError,
  ERROR_MAP,
  type LeaseMessage,
  LeaseMessageSchema,
  ORCHESTRATOR_STREAM_PATH,
  publicError,
  RECORD_BYTES_MAX,
  SOCKET_MESSAGE_BYTES_MAX,
  SOCKET_SUBPROTOCOL,
} from "@antiphon/protocol";
import type { Clock } from "@antiphon/runtime";
import { carriesBearer } from "@antiphon/runtime/bearer";
import type { Log } from "@antiphon/runtime/log";
import { type WebSocket, WebSocketServer } from "ws";

export interface SocketServerOptions {
  host: string;
  port: number;
  /** What a dialler proves to know. */
  secret: string;
  clock: Clock;
  log: Log;
  /** Health in words; the first missing part, or undefined. */
  missing(): string | undefined;
  /** Sessions that can still be taken. Throws `overloaded` or `unavailable` when there are none. */
  admit(): void;
  onSession(socket: WebSocket, lease: LeaseMessage): void;
}

export interface SocketServer {
  readonly url: string;
  /** Takes nothing new and ends when the last socket has. */
  close(): Promise<void>;
}

/** Listens. A socket becomes a session once its lease has come, within 5 s. */
export async function startSocketServer(options: SocketServerOptions): Promise<SocketServer> {
  const sockets = new WebSocketServer({
    noServer: true,
    // The edge has bounded what clients send; its own lease carries the record.
    maxPayload: RECORD_BYTES_MAX + SOCKET_MESSAGE_BYTES_MAX,
    // Speech does not deflate, and a bomb would.
    perMessageDeflate: false,
    // A peer that does not answer our close is not waited for. (Spread: the types do not know the option yet.)
    ...{ closeTimeout: CLOSE_MS_MAX },
    handleProtocols: (offered) => (offered.has(SOCKET_SUBPROTOCOL) ? SOCKET_SUBPROTOCOL : false),
  });
  const server = createServer((request, response) => {
    if (request.url !== "/healthz") {
      response.writeHead(404).end();
      return;
    }
    const missing = options.missing();
    response.writeHead(missing === undefined ? 200 : 503, { "content-type": "application/json" });
    response.end(
      JSON.stringify(missing === undefined ? { status: "ok" } : { status: "starting", missing }),
    );
  });
  server.headersTimeout = HANDSHAKE_MS_MAX;
  server.requestTimeout = HANDSHAKE_MS_MAX;
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    const refusal = refuse(request, options.secret);
    if (refusal !== undefined) {
      rejectUpgrade(socket, refusal);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => awaitLease(webSocket, options));
  });
  await listen(server, options.host, options.port);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${options.host}:${port}`,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const client of sockets.clients)
        client.close(ERROR_MAP.unavailable.close, "unavailable");
      const timer = options.clock.setTimer(CLOSE_MS_MAX, () => {
        for (const client of sockets.clients) client.terminate();
        server.closeAllConnections();
      });
      await closed;
      timer.cancel();
    },
  };
}

function refuse(request: IncomingMessage, secret: string): number | undefined {
  // Not parsed as a URL: what is none ("//") must not throw here.
  const [path] = (request.url ?? "").split("?", 1);
  if (path !== ORCHESTRATOR_STREAM_PATH) return 404;
  return carriesBearer(request.headers.authorization, secret) ? undefined : 401;
}

function rejectUpgrade(socket: Duplex, status: number): void {
  // Half-closed only, it would stay open for as long as the dialler likes.
  socket.once("finish", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${status === 401 ? "Unauthorized" : "Not Found"}\r\nconnection: close\r\n\r\n`,
  );
}

function awaitLease(socket: WebSocket, options: SocketServerOptions): void {
  const refuseWith = (error: AntiphonError) => {
    socket.send(JSON.stringify({ type: "error", ...publicError(error) }), () => {});
    socket.close(ERROR_MAP[error.code].close, error.code);
  };
  const timer = options.clock.setTimer(LEASE_MS_MAX, () =>
    refuseWith(new AntiphonError("deadline_exceeded", "No lease came in time.")),
  );
  // What was wrong is in the close that the library sends then.
  socket.on("error", () => {});
  socket.once("close", () => timer.cancel());
  socket.once("message", (data, isBinary) => {
    timer.cancel();
    // Too late: it was refused already.
    if (socket.readyState !== socket.OPEN) return;
    try {
      const lease = isBinary
        ? undefined
        : LeaseMessageSchema.safeParse(parseJson(data as Buffer)).data;
      if (lease === undefined) {
        throw new AntiphonError("invalid_argument", "The first message must be a lease.");
      }
      options.admit();
      options.onSession(socket, lease);
    } catch (reason) {
      const error = AntiphonError.from(reason);
      options.log.warn({ code: error.code, err: error }, "a socket was refused");
      refuseWith(error);
    }
  });
}

function parseJson(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString("utf8"));
  } catch {
    // Not JSON is no lease; the schema says so.
    return undefined;
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Loopback or one data centre: a handshake takes milliseconds. */
const HANDSHAKE_MS_MAX = 5_000;
const LEASE_MS_MAX = 5_000;
const CLOSE_MS_MAX = 2_000;
