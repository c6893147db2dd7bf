/** An edge on a loopback port for the command line's tests: sessions, tickets and sockets as the protocol has them, one `FakeConversation` each. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type AntiphonError,
  publicError,
  type ServerMessage,
  type SessionCreated,
  SOCKET_SUBPROTOCOL,
} from "@antiphon/protocol";
import type { Clock } from "@antiphon/runtime";
import { type WebSocket, WebSocketServer } from "ws";
import { FakeConversation } from "./fake-conversation.ts";

export interface FakeServerOptions {
  clock: Clock;
  heard?: string[];
  replyFrames?: number;
  /** Refuses new sessions with this. */
  refusal?: AntiphonError;
}

export interface FakeServer {
  url: string;
  conversations: FakeConversation[];
  close(): Promise<void>;
}

export async function startFakeServer(options: FakeServerOptions): Promise<FakeServer> {
  const conversations: FakeConversation[] = [];
  const tickets = new Set<string>();
  let issued = 0;
  const http = createServer((request, response) => route(request, response));
  const sockets = new WebSocketServer({
    server: http,
    handleProtocols: (offered) => (offered.has(SOCKET_SUBPROTOCOL) ? SOCKET_SUBPROTOCOL : false),
  });
  sockets.on("connection", (socket, request) => {
    const offered = request.headers["sec-websocket-protocol"] ?? "";
    const ticket = offered.split(", ticket.")[1] ?? offered.split(",ticket.")[1] ?? "";
    if (!tickets.delete(ticket)) {
      socket.close(4401);
      return;
    }
    conversations.push(converse(socket, options));
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const host = `127.0.0.1:${(http.address() as AddressInfo).port}`;

  function route(request: IncomingMessage, response: ServerResponse): void {
    const target = `${request.method} ${request.url}`;
    if (target === "GET /healthz") answer(response, 200, { status: "ok" });
    else if (target.startsWith("DELETE /v1/sessions/")) answer(response, 204);
    else if (target !== "POST /v1/sessions") answer(response, 404);
    else if (options.refusal === undefined) answer(response, 201, newSession());
    else answer(response, 429, { error: publicError(options.refusal) });
  }

  function newSession(): SessionCreated {
    const ticket = `t${issued++}`;
    tickets.add(ticket);
    return {
      sessionId: "fake",
      transport: "websocket",
      streamUrl: `ws://${host}/v1/sessions/fake/stream`,
      ticket,
      ticketExpiresAt: new Date(Date.now() + 30_000).toISOString(),
      resumeToken: "resume",
    };
  }

  return {
    url: `http://${host}`,
    conversations,
    async close() {
      for (const conversation of conversations) conversation.stop();
      for (const socket of sockets.clients) socket.terminate();
      http.closeAllConnections();
      http.close();
      await once(http, "close");
    },
  };
}

function converse(socket: WebSocket, options: FakeServerOptions): FakeConversation {
  const conversation = new FakeConversation({
    clock: options.clock,
    heard: options.heard ?? [],
    replyFrames: options.replyFrames ?? 10,
    send: (message: ServerMessage | Uint8Array) =>
      socket.send(message instanceof Uint8Array ? message : JSON.stringify(message)),
    close: (code) => socket.close(code),
  });
  socket.on("message", (data, isBinary) => {
    const bytes = data as Buffer;
    conversation.receive(isBinary ? bytes : bytes.toString("utf8"));
  });
  socket.on("close", () => conversation.stop());
  return conversation;
}

function answer(response: ServerResponse, status: number, body?: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}
