/** What a session's object at the edge and the orchestrator that holds the session say to each other. Schemas and paths only. */
import { z } from "zod";
import { ID_BYTES_MAX } from "./limits.ts";

const id = z.string().min(1).max(ID_BYTES_MAX);
const leaseEpoch = z.int().min(1).max(0xffff_ffff);
/** The newest SessionRecord as protobuf JSON. */
const record = z.unknown();

/**
 * Whose session this is, under which grant, and how its call runs: the first message of the edge on a relayed socket, the body of
 * `POST /internal/sessions` and the answer to an orchestrator that asks for a lease itself.
 * What is absent is as an edge meant it that had one way alone.
 */
export const LeaseMessageSchema = z.object({
  type: z.literal("lease"),
  sessionId: z.string(),
  leaseEpoch: z.int().min(1),
  /** Null for a new session. */
  record: record.nullable(),
  /** How long the session waits for a client that went away. */
  resumeTtlMs: z
    .int()
    .min(0)
    .default(5 * 60_000),
  /**
   * "by-client": `session_start` begins it. "at-once": the options are the record's. "standby": everything is prepared, nothing is said,
   * until the session is handed over (`commit`) or is not (`revoke`).
   */
  start: z.enum(["by-client", "at-once", "standby"]).default("by-client"),
  /** Where the client is. */
  way: z
    .discriminatedUnion("kind", [
      z.object({ kind: z.literal("socket") }),
      z.object({ kind: z.literal("livekit"), room: id }),
    ])
    .default({ kind: "socket" }),
});
export type LeaseMessage = z.infer<typeof LeaseMessageSchema>;

/** Edge → orchestrator on a relayed socket, only while its lease is on standby. */
export const EdgeCommandSchema = z.discriminatedUnion("type", [
  /** The session is this one's now, as of this record. */
  z.object({ type: z.literal("commit"), record }),
  z.object({ type: z.literal("revoke"), reason: z.string() }),
]);
export type EdgeCommand = z.infer<typeof EdgeCommandSchema>;

/** Orchestrator → edge on a relayed socket, once: a `commit` would be followed by speech at once. */
export const StandbyReadySchema = z.object({ type: z.literal("prepared") });
export type StandbyReady = z.infer<typeof StandbyReadySchema>;

/** Body of `POST …/mints/spend`: a participant has joined by a token of the edge's. */
export const MintSpendSchema = z.object({ leaseEpoch, identity: id, sid: id });
export type MintSpend = z.infer<typeof MintSpendSchema>;

/** False: the token is unknown, expired, or another's join spent it. */
export const MintSpentSchema = z.object({
  accepted: z.boolean(),
  /** The person who was there before, and gives way. */
  replaces: id.optional(),
});
export type MintSpent = z.infer<typeof MintSpentSchema>;

/** Body of `POST …/lease`: an orchestrator that a client dialled itself spends the ticket and asks for the session. */
export const LeaseRequestSchema = z.object({
  orchestratorId: id,
  ticketId: id.optional(),
  ticketExpiresAtMs: z.int().min(0).optional(),
});
export type LeaseRequest = z.infer<typeof LeaseRequestSchema>;

/** Body of `POST …/handover`. "prepare" finds a successor, "commit" makes it the holder as of `record`, "abort" sends it away. */
export const HandoverSchema = z.discriminatedUnion("phase", [
  z.object({ phase: z.literal("prepare"), leaseEpoch }),
  z.object({ phase: z.literal("commit"), leaseEpoch, record }),
  z.object({ phase: z.literal("abort"), leaseEpoch }),
]);
export type Handover = z.infer<typeof HandoverSchema>;

/** Body of `POST …/presence`: what a holder without a socket of the edge's knows of the client. */
export const PresenceSchema = z.object({
  leaseEpoch,
  client: z.enum(["present", "gone", "ended"]),
});
export type Presence = z.infer<typeof PresenceSchema>;

/** Body of an orchestrator's `POST /internal/sessions/:id/commit`: the session on standby there is its own now. */
export const CommitSchema = z.object({ leaseEpoch, record });
export type Commit = z.infer<typeof CommitSchema>;

/** Paths that orchestrators offer to the edge, and the edge to orchestrators. Authenticated by `authorization: Bearer <internal secret>`. */
export const ORCHESTRATOR_STREAM_PATH = "/internal/stream";
export const ORCHESTRATOR_SESSIONS_PATH = "/internal/sessions";
export const DIRECTORY_PATH = "/internal/directory";

export const recordPath = (sessionId: string): string => internalPath(sessionId, "record");

/** At the edge. */
export const holderPath = (
  sessionId: string,
  what: "lease" | "handover" | "presence" | "mints/spend",
): string => internalPath(sessionId, what);

/** At an orchestrator; with no `what` the session itself (`DELETE`). */
export const heldSessionPath = (sessionId: string, what?: "release" | "commit"): string =>
  internalPath(sessionId, what);

const internalPath = (sessionId: string, what?: string): string =>
  `${ORCHESTRATOR_SESSIONS_PATH}/${encodeURIComponent(sessionId)}${what === undefined ? "" : `/${what}`}`;
