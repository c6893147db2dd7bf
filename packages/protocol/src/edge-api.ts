/** What the edge's public HTTP routes take and say. Schemas only; what it says to orchestrators is in `lease-api.ts`. */
import { z } from "zod";
import { ERROR_CODES } from "./antiphon-error.ts";

/** How audio and messages travel between a client and its session. */
export const TRANSPORTS = ["websocket", "livekit"] as const;
export type TransportName = (typeof TRANSPORTS)[number];

/** Body of `POST /v1/sessions`. */
export const SessionRequestSchema = z.object({
  /** What the client can do, the best first: the first that the stack has is taken. Absent: the WebSocket. */
  transports: z.array(z.enum(TRANSPORTS)).max(8).optional(),
});
export type SessionRequest = z.infer<typeof SessionRequestSchema>;

/** One participant's way into one room. */
export const LivekitOfferSchema = z.object({
  /** ws:// or wss://, of the LiveKit server. */
  url: z.string(),
  /** Joins once, as a participant whose name the edge chose. */
  token: z.string(),
  /** ISO 8601. */
  expiresAt: z.string(),
});
export type LivekitOffer = z.infer<typeof LivekitOfferSchema>;

/** An answer that does not name a transport is of an edge that had one. */
const transport = z.enum(TRANSPORTS).default("websocket");

/** Answer of `POST /v1/sessions`. */
export const SessionCreatedSchema = z.object({
  sessionId: z.string(),
  transport,
  /** With `transport: "livekit"`; the socket below is there all the same, for whoever cannot reach LiveKit. */
  livekit: LivekitOfferSchema.optional(),
  /** ws:// or wss://; offer the subprotocols `antiphon.v1` and `ticket.<ticket>`. */
  streamUrl: z.string(),
  ticket: z.string(),
  /** ISO 8601. */
  ticketExpiresAt: z.string(),
  resumeToken: z.string(),
});
export type SessionCreated = z.infer<typeof SessionCreatedSchema>;

/** Answer of `POST /v1/sessions/:id/tickets`, asked with `authorization: Bearer <resume token>`. */
export const TicketGrantedSchema = z.object({
  sessionId: z.string(),
  transport,
  livekit: LivekitOfferSchema.optional(),
  streamUrl: z.string(),
  ticket: z.string(),
  ticketExpiresAt: z.string(),
  /** Replaces the one used; the old one is taken for 30 s more. */
  resumeToken: z.string(),
});
export type TicketGranted = z.infer<typeof TicketGrantedSchema>;

/** Body of every HTTP error. */
export const ErrorBodySchema = z.object({
  error: z.object({
    code: z.enum(ERROR_CODES),
    message: z.string(),
    retryable: z.boolean(),
    retryAfterMs: z.number().optional(),
  }),
});
export type ErrorBody = z.infer<typeof ErrorBodySchema>;
