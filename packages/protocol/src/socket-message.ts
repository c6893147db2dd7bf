/**
 * Every message of a session, both ways: JSON control as zod schemas, the same over a WebSocket and over LiveKit. Binary audio is in
 * `socket-frame.ts`, data packets are in `data-packet.ts`.
 */
import { z } from "zod";
import { AntiphonError, ERROR_CODES } from "./antiphon-error.ts";
import { ID_BYTES_MAX, INSTRUCTIONS_BYTES_MAX, TEXT_BYTES_MAX } from "./limits.ts";

const utf8 = new TextEncoder();
const textUpTo = (bytesMax: number) =>
  z.string().refine((text) => utf8.encode(text).length <= bytesMax, {
    error: `is longer than ${bytesMax} bytes of UTF-8`,
    params: { tooLarge: true },
  });
const id = z.string().min(1).max(ID_BYTES_MAX);
const count = z.int().min(0).max(0xffff_ffff);

/** What speech over a reply does to it. All optional; defaults are the orchestrator's. */
export const InterruptionOptionsSchema = z.object({
  /** False: nothing said over a reply stops it, and none of it is a turn. */
  enabled: z.boolean().optional(),
  /**
   * "adaptive": speech pauses the reply; words, or speech that lasts, stop it; anything else lets it go on. "vad": speech pauses it,
   * `minDurationMs` of it stops it, whatever it was.
   */
  mode: z.enum(["adaptive", "vad"]).optional(),
  /** Speech this long stops a reply, unless all that was understood of it is a backchannel. */
  minDurationMs: z.int().min(100).max(10_000).optional(),
  /** Words, backchannels not counted, that stop a reply before that. */
  minWords: z.int().min(1).max(20).optional(),
  /** After this much silence a paused reply goes on, whatever is still undecided. */
  falseInterruptionTimeoutMs: z.int().min(100).max(10_000).optional(),
  /** False: a reply that was paused is never resumed; speech that came to nothing ends it. */
  resumeFalseInterruption: z.boolean().optional(),
  /** Words that mean "go on" in the session's language, instead of the built-in list. */
  backchannels: z.array(z.string().min(1).max(64)).max(200).optional(),
});
export type InterruptionOptions = z.infer<typeof InterruptionOptionsSchema>;

/** How a session is to run. All optional; defaults are the orchestrator's. */
export const SessionOptionsSchema = z.object({
  /** What the LLM is told to be. */
  instructions: textUpTo(INSTRUCTIONS_BYTES_MAX).optional(),
  /** Spoken at the start. None by default. */
  greeting: textUpTo(TEXT_BYTES_MAX).optional(),
  /** BCP 47, of the person's speech. */
  language: z.string().max(35).optional(),
  voice: z.string().max(ID_BYTES_MAX).optional(),
  /** 1 is the voice's own pace. */
  speed: z.number().min(0.5).max(2).optional(),
  /** False: transcripts only, no replies. */
  respond: z.boolean().optional(),
  /** "auto": silence ends a turn. "manual": only `input_commit` does. */
  endpointing: z.enum(["auto", "manual"]).optional(),
  /** Silence that ends a turn after a sentence that sounds complete. */
  endpointingMinDelayMs: z.int().min(100).max(10_000).optional(),
  /** Silence that ends a turn whatever was said last ("and …"). */
  endpointingMaxDelayMs: z.int().min(100).max(10_000).optional(),
  interruption: InterruptionOptionsSchema.optional(),
  /** The language model may begin before the turn is over; what it wrote is thrown away when the person goes on. */
  preemptiveGeneration: z.boolean().optional(),
  /** "reported": the client sends `playback`. "none": the orchestrator's paced clock stands for it. */
  playback: z.enum(["reported", "none"]).optional(),
  /**
   * "realtime": a microphone; when frames stop coming, time goes on as silence. "samples": a recording sent
   * at any pace; only samples received move time, and `input_commit` ends it.
   */
  inputClock: z.enum(["realtime", "samples"]).optional(),
});
export type SessionOptions = z.infer<typeof SessionOptionsSchema>;

/** What a client sends. */
export const ClientMessageSchema = z.discriminatedUnion("type", [
  /** First message of a socket (or `resume` after it). */
  z.object({ type: z.literal("session_start"), options: SessionOptionsSchema.optional() }),
  /** Goes on with a reply that was playing when the last way was lost. Null: the client knows of none. */
  z.object({ type: z.literal("resume"), replyId: id.nullable(), positionSamples: count }),
  /** The person's turn, typed. Interrupts a reply. */
  z.object({ type: z.literal("text"), text: textUpTo(TEXT_BYTES_MAX) }),
  /** Speak this, no LLM. Interrupts a reply. */
  z.object({ type: z.literal("say"), text: textUpTo(TEXT_BYTES_MAX) }),
  /** Stop speaking now. */
  z.object({ type: z.literal("interrupt") }),
  /** The person is done: ends the turn (push-to-talk, recordings). */
  z.object({ type: z.literal("input_commit") }),
  z.object({ type: z.literal("mute") }),
  z.object({ type: z.literal("unmute") }),
  /** Every 100 ms while audio is buffered, and once when the buffer runs empty or is cleared. */
  z.object({
    type: z.literal("playback"),
    epoch: count,
    /** Null: nothing of this epoch has been received. */
    replyId: id.nullable(),
    /** Samples of the reply that were played. */
    positionSamples: count,
    /** Nothing is buffered. */
    empty: z.boolean(),
  }),
  /** Over LiveKit, once a second: what is sent now sounds this much later. A socket's `playback` says more. */
  z.object({ type: z.literal("playout"), playoutDelayMs: z.number().min(0).max(5_000) }),
  z.object({ type: z.literal("session_end") }),
]);
export type ClientMessage = z.infer<typeof ClientMessageSchema>;

const captionWord = z.object({
  text: z.string(),
  /** Of the reply. */
  startSample: count,
  endSample: count,
  /** False: estimated. */
  measured: z.boolean(),
});

/** States as a client sees them. */
export const SESSION_STATES = ["idle", "listening", "speaking", "barged-in", "terminated"] as const;
export type SessionStateName = (typeof SESSION_STATES)[number];

/** Why a reply was paused, resumed or stopped. */
export const INTERRUPTION_REASONS = [
  /** Pause: speech began over it. */
  "speech",
  /** Stop: words other than backchannels. */
  "words",
  /** Stop: speech that lasted. */
  "sustained-speech",
  /** Stop: the client asked (`interrupt`, `text`, `say`). */
  "requested",
  /** Resume: "mm-hm". */
  "backchannel",
  /** Resume: a sound without words. */
  "no-words",
  /** Resume: the reply's own words came back. */
  "echo",
  /** Resume or, where that is off, stop: silence for too long. */
  "timeout",
] as const;
export type InterruptionReason = (typeof INTERRUPTION_REASONS)[number];

/** What the server sends. */
export const ServerMessageSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("ready"),
    protocol: z.int(),
    sessionId: z.string(),
    leaseEpoch: count,
    voice: z.string(),
    /** Languages the recogniser understands, BCP 47. */
    inputLanguages: z.array(z.string()),
    /** Who answers: a language model by name, or the built-in responder. */
    responder: z.object({
      kind: z.enum(["llm", "built-in", "none"]),
      model: z.string().optional(),
    }),
    /** A hint for the person, shown once. */
    notice: z.string().optional(),
    /** An unheard rest of this reply is known: `resume` says from where, and is waited for a moment. */
    resuming: z.object({ replyId: z.string() }).optional(),
  }),
  /** Stop playing at once, keep what is buffered. Held while pauseSeq > resumeSeq. */
  z.object({ type: z.literal("hold"), replyId: z.string(), pauseSeq: count }),
  z.object({ type: z.literal("release"), replyId: z.string(), resumeSeq: count }),
  /** Drop all audio older than this epoch, then answer with an empty `playback` of it. */
  z.object({ type: z.literal("clear"), epoch: count }),
  /** Microphone samples taken so far, and how many of the client's were dropped for want of time. */
  z.object({ type: z.literal("input_ack"), samples: count, droppedSamples: count }),
  /** Answers each `input_commit`, after the turn's final transcript (which may be empty). */
  z.object({ type: z.literal("input_committed"), turn: count, text: z.string() }),
  z.object({
    type: z.literal("state"),
    state: z.enum(SESSION_STATES),
    /** Listening, with an answer under way. */
    thinking: z.boolean(),
    /** Speaking, and paused. */
    held: z.boolean(),
    /** The person is speaking. */
    userSpeaking: z.boolean(),
  }),
  /** What the person said: the whole turn so far. */
  z.object({
    type: z.literal("transcript"),
    turn: count,
    final: z.boolean(),
    text: z.string(),
  }),
  /**
   * What the machine says. While `done` is false: the text so far, as it is written. At the end: the words that were
   * played, and whether it was cut short.
   */
  z.object({
    type: z.literal("reply"),
    replyId: z.string(),
    epoch: count,
    turn: count,
    text: z.string(),
    done: z.boolean(),
    interrupted: z.boolean(),
  }),
  /** What became of a reply that somebody spoke over, and why. Pause comes with `hold`, resume with `release`, stop with `clear`. */
  z.object({
    type: z.literal("interruption"),
    replyId: z.string(),
    epoch: count,
    decision: z.enum(["pause", "resume", "stop"]),
    reason: z.enum(INTERRUPTION_REASONS),
    /** Speech over the reply so far, pauses not counted. */
    speechMs: z.number(),
    /** Of the detector's newest window, 0 to 1. */
    speechProbability: z.number(),
    /** How much the input is like what is being played, 0 to 1. */
    echoMatch: z.number(),
    /** What was understood so far. */
    text: z.string(),
    /** The client's microphone samples (as in `input_ack`) that had been judged. */
    inputSamples: count,
    /** From the arrival of the last of these samples to the decision. */
    decisionMs: z.number(),
  }),
  /** When the words of one utterance sound. */
  z.object({
    type: z.literal("caption"),
    replyId: z.string(),
    epoch: count,
    utterance: count,
    words: z.array(captionWord),
  }),
  /** Over LiveKit, where frames say no position: what of the reply has been sent. May be lost on its way. */
  z.object({ type: z.literal("position"), replyId: z.string(), positionSamples: count }),
  /** Latency of one turn, in ms, each stage where it was measured. */
  z.object({
    type: z.literal("metrics"),
    turn: count,
    replyId: z.string(),
    /** The person's last speech → first audio frame sent. Absent for typed turns. */
    endOfSpeechToFirstAudioMs: z.number().optional(),
    /** The person's last speech → the turn was declared over. */
    endpointingMs: z.number().optional(),
    /** Turn over → last final transcript. 0 where it was there before. */
    transcriptionMs: z.number().optional(),
    /** Turn over → first audio frame sent: what is left of the whole without the silence that was waited for. */
    endpointToFirstAudioMs: z.number().optional(),
    /** Last final transcript → request to the LLM: a reply that was spoken over is brought to its end first. */
    llmRequestMs: z.number().optional(),
    /** Request to the LLM → first token; 0 where a preemptive answer had one by then. */
    llmFirstTokenMs: z.number().optional(),
    /** First token → first text to the synthesiser: the first clause is written. */
    firstTextMs: z.number().optional(),
    /** First text to the synthesiser → first audio frame. */
    firstAudioLatencyMs: z.number().optional(),
    /** First audio frame → sent. */
    firstFrameMs: z.number().optional(),
    /** The answer was begun before the turn was over. */
    preemptive: z.boolean().optional(),
  }),
  z.object({
    type: z.literal("error"),
    code: z.enum(ERROR_CODES),
    message: z.string(),
    retryable: z.boolean(),
    retryAfterMs: z.number().optional(),
  }),
  /** The way to the orchestrator broke (`lost`) and was mended (`restored`); sent by the edge's relay. */
  z.object({ type: z.literal("upstream"), status: z.enum(["lost", "restored"]) }),
]);
export type ServerMessage = z.infer<typeof ServerMessageSchema>;
export type ServerMessageOf<T extends ServerMessage["type"]> = Extract<ServerMessage, { type: T }>;
export type ClientMessageOf<T extends ClientMessage["type"]> = Extract<ClientMessage, { type: T }>;

/** Throws `invalid_argument` naming the field, or `too_large` for a text over its limit. */
export function parseClientMessage(json: string): ClientMessage {
  return parseMessage(ClientMessageSchema, json);
}

/** Throws `invalid_argument` naming the field. */
export function parseServerMessage(json: string): ServerMessage {
  return parseMessage(ServerMessageSchema, json);
}

function parseMessage<T>(schema: z.ZodType<T>, json: string): T {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new AntiphonError("invalid_argument", "The message is not JSON.", { cause });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? "message" : issue.path.join(".");
  const tooLarge = issue?.code === "custom" && issue.params?.["tooLarge"] === true;
  throw new AntiphonError(
    tooLarge ? "too_large" : "invalid_argument",
    `${where}: ${issue?.message ?? "not understood"}`,
  );
}
