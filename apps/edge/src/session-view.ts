/** What `GET /v1/sessions/:id` shows of a session: its life at the edge, and the conversation as the orchestrator recorded it. */
import { recordFromJson, type SessionRecord } from "@antiphon/protocol/record";
import { z } from "zod";
import type { SessionFacts } from "./session-object.ts";

export const SessionViewSchema = z.object({
  sessionId: z.string(),
  /** `ended` sessions can be read for a while, not taken up. */
  state: z.enum(["new", "connected", "disconnected", "ended"]),
  connected: z.boolean(),
  /** ISO 8601. */
  createdAt: z.string(),
  /** When what `state` says ends, if nothing happens until then. ISO 8601. */
  expiresAt: z.string(),
  /** How often the session was handed to an orchestrator. */
  leaseEpoch: z.int(),
  /** Null until an orchestrator has recorded something. */
  conversation: z
    .object({
      state: z.string(),
      turnNumber: z.int(),
      history: z.array(z.object({ role: z.string(), text: z.string(), interrupted: z.boolean() })),
      voice: z.string(),
      language: z.string(),
      metrics: z.object({
        turns: z.int(),
        replies: z.int(),
        interruptions: z.int(),
        framesReceived: z.int(),
        framesSent: z.int(),
        /** Of the newest turn; null where nothing was measured. */
        firstAudioLatencyMs: z.int().nullable(),
        endOfSpeechToFirstAudioMs: z.int().nullable(),
        durationMs: z.int(),
        /** How often each thing worth counting happened, for instance `falseInterruptions`. */
        counters: z.record(z.string(), z.int()),
      }),
    })
    .nullable(),
});
export type SessionView = z.infer<typeof SessionViewSchema>;

export function viewOf(sessionId: string, facts: SessionFacts): SessionView {
  return {
    sessionId,
    state: facts.state,
    connected: facts.state === "connected",
    createdAt: new Date(facts.createdAtMs).toISOString(),
    expiresAt: new Date(facts.expiresAtMs).toISOString(),
    leaseEpoch: facts.leaseEpoch,
    conversation:
      facts.recordJson === null
        ? null
        : conversationOf(recordFromJson(JSON.parse(facts.recordJson))),
  };
}

function conversationOf(record: SessionRecord): SessionView["conversation"] {
  const { metrics } = record;
  return {
    state: record.state,
    turnNumber: record.turnNumber,
    history: record.history.map(({ role, text, interrupted }) => ({ role, text, interrupted })),
    voice: record.options?.voice ?? "",
    language: record.options?.language ?? "",
    metrics: {
      turns: metrics?.turns ?? 0,
      replies: metrics?.replies ?? 0,
      interruptions: metrics?.interruptions ?? 0,
      framesReceived: metrics?.framesReceived ?? 0,
      framesSent: metrics?.framesSent ?? 0,
      firstAudioLatencyMs: metrics?.firstAudioLatencyMs || null,
      endOfSpeechToFirstAudioMs: metrics?.endOfSpeechToFirstAudioMs || null,
      durationMs: metrics?.durationMs ?? 0,
      counters: { ...metrics?.counters },
    },
  };
}
