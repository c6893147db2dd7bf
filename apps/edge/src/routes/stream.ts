/** `GET /v1/sessions/:id/stream`: checks the ticket, then hands the upgrade to the session's object. Carries no audio itself. */
import { AntiphonError } from "@antiphon/protocol";
import { Hono } from "hono";
import type { AppEnv } from "../app.ts";
import { refuseSocket, ticketOf } from "../client-socket.ts";
import { TICKET_EXPIRES_HEADER, TICKET_ID_HEADER } from "../session-object.ts";
import { verifyTicket } from "../ticket.ts";
import type { Operation } from "./openapi.ts";
import { sessionAt } from "./session-address.ts";

export function streamRoutes(): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  routes.get("/v1/sessions/:id/stream", async (context) => {
    const request = context.req.raw;
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      throw new AntiphonError("invalid_argument", "This address speaks WebSocket.");
    }
    try {
      const sessionId = context.req.param("id");
      const ticket = await verifyTicket(ticketOf(request), {
        secret: context.get("config").ticketSecret,
        nowMs: Date.now(),
      });
      if (ticket.sessionId !== sessionId) {
        throw new AntiphonError("permission_denied", "The ticket is for another session.");
      }
      return await sessionAt(context.env, sessionId).fetch("https://session/stream", {
        headers: {
          upgrade: "websocket",
          "sec-websocket-protocol": request.headers.get("sec-websocket-protocol") ?? "",
          [TICKET_ID_HEADER]: ticket.ticketId,
          [TICKET_EXPIRES_HEADER]: String(ticket.expiresAtMs),
        },
      });
    } catch (error) {
      if (error instanceof AntiphonError) return refuseSocket(request, error);
      throw error;
    }
  });
  return routes;
}

export const STREAM_OPERATIONS: readonly Operation[] = [
  {
    method: "get",
    path: "/v1/sessions/{id}/stream",
    summary: "The session's WebSocket: offer the subprotocols antiphon.v1 and ticket.<ticket>",
    security: "ticket",
    answers: { 101: null },
    errors: ["invalid_argument", "permission_denied"],
  },
];
