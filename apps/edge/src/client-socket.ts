/** How the edge speaks on a client's socket by itself: messages, and an end with its reason. Knows no session. */
import {
  AntiphonError,
  CLOSE_NORMAL,
  ERROR_MAP,
  publicError,
  type ServerMessage,
  SOCKET_SUBPROTOCOL,
  TICKET_SUBPROTOCOL_PREFIX,
} from "@antiphon/protocol";

/** A socket that is gone swallows nothing of worth: its `close` event says the rest. */
export function sendMessage(socket: WebSocket, message: ServerMessage): void {
  try {
    socket.send(JSON.stringify(message));
  } catch {
    // Closed in the meantime.
  }
}

/** Says why, then closes with the code that belongs to it. */
export function closeWithError(socket: WebSocket, error: AntiphonError): void {
  sendMessage(socket, { type: "error", ...publicError(error) });
  closeSocket(socket, ERROR_MAP[error.code].close, error.code);
}

/** Idempotent. The code must be one that may be sent. */
export function closeSocket(socket: WebSocket, code: number = CLOSE_NORMAL, reason = ""): void {
  try {
    socket.close(code, reason);
  } catch {
    // Closed already, or its peer vanished.
  }
}

/** Accepts the upgrade only to say no: a browser cannot see a refused one. */
export function refuseSocket(request: Request, error: AntiphonError): Response {
  const [client, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
  server.accept();
  closeWithError(server, error);
  return upgradeResponse(client, offeredProtocols(request).includes(SOCKET_SUBPROTOCOL));
}

/** The ticket came as a subprotocol too and is never echoed. */
export function upgradeResponse(client: WebSocket, echoProtocol = true): Response {
  return new Response(null, {
    status: 101,
    webSocket: client,
    headers: echoProtocol ? { "sec-websocket-protocol": SOCKET_SUBPROTOCOL } : {},
  });
}

/** The ticket among the subprotocols offered. Throws where ours is not offered, or no ticket is. */
export function ticketOf(request: Request): string {
  const offered = offeredProtocols(request);
  if (!offered.includes(SOCKET_SUBPROTOCOL)) {
    throw new AntiphonError("invalid_argument", `Offer the subprotocol ${SOCKET_SUBPROTOCOL}.`);
  }
  const ticket = offered.find((protocol) => protocol.startsWith(TICKET_SUBPROTOCOL_PREFIX));
  if (ticket === undefined) {
    throw new AntiphonError(
      "unauthenticated",
      `Offer the subprotocol ${TICKET_SUBPROTOCOL_PREFIX}<ticket>.`,
    );
  }
  return ticket.slice(TICKET_SUBPROTOCOL_PREFIX.length);
}

function offeredProtocols(request: Request): string[] {
  return (request.headers.get("sec-websocket-protocol") ?? "")
    .split(",")
    .map((protocol) => protocol.trim());
}
