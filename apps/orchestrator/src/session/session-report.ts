/** What a session tells: messages to its listener, snapshots to its record, counts of both. Derives nothing of its own and decides nothing. */
import {
  type AntiphonError,
  PROTOCOL_VERSION,
  publicError,
  type ServerMessageOf,
} from "@antiphon/protocol";
import type { Clock } from "@antiphon/runtime";
import type { ConversationEntry } from "./conversation.ts";
import type {
  LanguageModel,
  OutgoingVoiceFrame,
  RecordStore,
  SessionSnapshot,
  TimedWord,
  Transport,
} from "./ports.ts";
import type { Reply } from "./reply.ts";
import type { SessionState } from "./session-state.ts";

export interface SessionReportOptions {
  clock: Clock;
  sessionId: string;
  leaseEpoch: number;
  transport: Transport;
  records: RecordStore;
}

/** Belongs to one session. Safe to call after the transport closed: it then sends nothing. */
export class SessionReport {
  readonly counts = { replies: 0, interruptions: 0, framesReceived: 0, framesSent: 0 };
  readonly #options: SessionReportOptions;
  readonly #startedMs: number;
  readonly #counters: Record<string, number> = {};
  #announced = "";
  #newest = { firstAudioLatencyMs: 0, endOfSpeechToFirstAudioMs: 0 };

  constructor(options: SessionReportOptions) {
    this.#options = options;
    this.#startedMs = options.clock.nowMs();
  }

  /** Something happened that an operator may want to count. */
  count(name: string): void {
    this.#counters[name] = (this.#counters[name] ?? 0) + 1;
  }

  /** The session runs. `llm` undefined: transcripts only. */
  ready(now: { voice: string; inputLanguages: string[]; llm: LanguageModel | undefined }): void {
    const { sessionId, leaseEpoch, transport } = this.#options;
    const notice = now.llm?.notice;
    transport.send({
      type: "ready",
      protocol: PROTOCOL_VERSION,
      sessionId,
      leaseEpoch,
      voice: now.voice,
      inputLanguages: now.inputLanguages,
      responder: now.llm?.responder ?? { kind: "none" },
      ...(notice === undefined ? {} : { notice }),
    });
  }

  /** Says the state where it changed. */
  announce(state: SessionState, userSpeaking: boolean): void {
    if (state.kind === "idle") return;
    const thinking = state.kind === "listening" && state.thinking;
    const held = state.kind === "speaking" && state.held;
    const key = `${state.kind} ${thinking} ${held} ${userSpeaking}`;
    if (key === this.#announced) return;
    this.#announced = key;
    this.#options.transport.send({
      type: "state",
      state: state.kind,
      thinking,
      held,
      userSpeaking,
    });
  }

  /** A turn that `input_commit` ended. */
  committed(turn: number, text: string): void {
    this.#options.transport.send({ type: "input_committed", turn, text });
  }

  /** STOP, down to the farthest buffer. */
  interrupted(epoch: number): void {
    this.counts.interruptions++;
    this.#options.transport.send({ type: "clear", epoch });
  }

  /** PAUSE, down to the farthest buffer. */
  held(reply: Reply, pauseSeq: number): void {
    this.count("pauses");
    this.#options.transport.send({ type: "hold", replyId: reply.replyId, pauseSeq });
  }

  released(reply: Reply, resumeSeq: number): void {
    this.count("falseInterruptions");
    this.#options.transport.send({ type: "release", replyId: reply.replyId, resumeSeq });
  }

  interruption(decided: Omit<ServerMessageOf<"interruption">, "type">): void {
    this.#options.transport.send({ type: "interruption", ...decided });
  }

  transcript(turn: number, text: string, final: boolean): void {
    this.#options.transport.send({ type: "transcript", turn, final, text });
  }

  replyText(reply: Reply, text: string): void {
    this.#reply(reply, text, false, false);
  }

  /** `text`: the words that were heard. */
  replyDone(reply: Reply, text: string, interrupted: boolean): void {
    this.#reply(reply, text, true, interrupted);
  }

  caption(reply: Reply, utterance: number, words: readonly TimedWord[]): void {
    this.#options.transport.send({
      type: "caption",
      replyId: reply.replyId,
      epoch: reply.epoch,
      utterance,
      words: words.map((word) => ({
        text: word.text,
        startSample: Math.round(word.startSample),
        endSample: Math.round(word.endSample),
        measured: word.measured,
      })),
    });
  }

  firstFrame(reply: Reply): void {
    this.#options.transport.send(reply.metrics.message(reply.turn, reply.replyId));
    this.#newest = {
      firstAudioLatencyMs: Math.round(reply.metrics.firstAudioLatencyMs ?? 0),
      endOfSpeechToFirstAudioMs: Math.round(reply.metrics.endOfSpeechToFirstAudioMs ?? 0),
    };
  }

  voice(frame: OutgoingVoiceFrame): void {
    this.counts.framesSent++;
    this.#options.transport.sendVoice(frame);
  }

  error(error: AntiphonError): void {
    this.#options.transport.send({ type: "error", ...publicError(error) });
  }

  /** Hands the newest state to the record. */
  put(now: {
    state: SessionState;
    turnNumber: number;
    owesAnswer: boolean;
    history: readonly ConversationEntry[];
    reply: Reply | undefined;
    options: SessionSnapshot["options"];
  }): void {
    const { clock, sessionId, leaseEpoch, records } = this.#options;
    const nowMs = clock.nowMs();
    records.put({
      sessionId,
      leaseEpoch,
      state: now.state.kind,
      turnNumber: now.turnNumber,
      owesAnswer: now.owesAnswer,
      history: now.history.map((entry) => ({ ...entry })),
      reply: now.reply && replySnapshot(now.reply, nowMs),
      options: now.options,
      metrics: {
        turns: now.turnNumber,
        ...this.counts,
        ...this.#newest,
        durationMs: Math.round(nowMs - this.#startedMs),
        counters: { ...this.#counters },
      },
    });
  }

  #reply(reply: Reply, text: string, done: boolean, interrupted: boolean): void {
    const { replyId, epoch, turn } = reply;
    this.#options.transport.send({ type: "reply", replyId, epoch, turn, text, done, interrupted });
  }
}

function replySnapshot(reply: Reply, nowMs: number): SessionSnapshot["reply"] {
  const heardSamples = reply.pacer.playedSamples(nowMs);
  return {
    replyId: reply.replyId,
    utteranceNumber: reply.spoken.utteranceAt(heardSamples),
    text: reply.spoken.written,
    complete: reply.complete,
    turn: reply.turn,
    kind: reply.request.kind,
    heardSamples,
    utterances: reply.spoken.snapshot(heardSamples),
  };
}
