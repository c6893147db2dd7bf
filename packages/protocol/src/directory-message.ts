/** What orchestrators and the directory at the edge say on the one socket between them. Schemas only; placing and dying are the directory's. */
import { z } from "zod";
import { ID_BYTES_MAX } from "./limits.ts";

const id = z.string().min(1).max(ID_BYTES_MAX);
const url = z.string().max(1024);
const count = z.int().min(0).max(0xffff_ffff);

/** Orchestrator → directory. */
export const DirectoryUpSchema = z.discriminatedUnion("type", [
  /** First message of a socket: who this is, and what it holds, so that a directory that lost everything knows again. */
  z.object({
    type: z.literal("hello"),
    /** Another for each process: whoever was declared dead does not come back under its name. */
    orchestratorId: id,
    /** Where the edge reaches it, http:// or https://. */
    url,
    /** Where clients reach it, where they may. */
    publicUrl: url.optional(),
    sessionsMax: count,
    draining: z.boolean(),
    sessions: z.array(z.object({ sessionId: id, leaseEpoch: z.int().min(1).max(0xffff_ffff) })),
  }),
  z.object({
    type: z.literal("beat"),
    /** Rises on each socket. */
    seq: count,
    sessions: count,
    /** 0: idle; 1: full. */
    load: z.number().min(0),
    /** Nothing new, please. */
    draining: z.boolean(),
  }),
]);
export type DirectoryUp = z.infer<typeof DirectoryUpSchema>;

/** Directory → orchestrator. */
export const DirectoryDownSchema = z.discriminatedUnion("type", [
  /** Answers `hello`. */
  z.object({
    type: z.literal("welcome"),
    /** How long a beat's answer keeps the orchestrator's leases. */
    ttlMs: count,
    beatMs: count,
    /** Verifies tickets that clients bring to this orchestrator itself. */
    ticketKey: z.string().optional(),
    /** Origins whose pages may do so. */
    allowedOrigins: z.array(z.string()),
    /** Sessions that it said it holds and another holds by now. */
    lost: z.array(z.string()),
  }),
  z.object({ type: z.literal("beat_ack"), seq: count }),
]);
export type DirectoryDown = z.infer<typeof DirectoryDownSchema>;
