/** What the edge's HTTP routes say, and what it says to an orchestrator when it dials. Schemas only. */
import { z } from "zod";
import { ERROR_CODES } from "./antiphon-error.ts";

/** Answer of `POST /v1/sessions`. */
export const SessionCreatedSchema = z.object({
  sessionId: z.string(),
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

/**
 * First message of the edge to an orchestrator on a relayed socket: whose session this is and under which
 * grant. `record` is the newest SessionRecord as protobuf JSON, null for a new session.
 */
export const LeaseMessageSchema = z.object({
  type: z.literal("lease"),
  sessionId: z.string(),
  leaseEpoch: z.int().min(1),
  record: z.unknown().nullable(),
});
export type LeaseMessage = z.infer<typeof LeaseMessageSchema>;

/** Paths that orchestrators offer to the edge, and the edge to orchestrators. Authenticated by `authorization: Bearer <internal secret>`. */
export const ORCHESTRATOR_STREAM_PATH = "/internal/stream";
export const recordPath = (sessionId: string): string =>
  `/internal/sessions/${encodeURIComponent(sessionId)}/record`;
