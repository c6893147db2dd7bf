/** What the two have said to each other: the person's turns, the machine's replies, the record of both. Owns the history and what is owed; does not decide when a reply begins or ends. */
import {
  type ClientMessageOf,
  RECORD_INTERVAL_MS_MIN,
  type SessionOptions,
} from "@antiphon/protocol";
import type { Clock } from "@antiphon/runtime";
import { Conversation } from "./conversation.ts";
import { CurrentReply, type SettledReply } from "./current-reply.ts";
import type { AnswerRequest } from "./ports.ts";
import type { Reply } from "./reply.ts";
import type { SessionDefaults, SessionIdentity } from "./session-deps.ts";
import type { ReplyEffect, ReplyRequest, SessionEvent } from "./session-event.ts";
import type { SessionReport } from "./session-report.ts";
import type { SessionState } from "./session-state.ts";
import type { SessionVoice } from "./session-voice.ts";
import type { PausedTurn } from "./turn-cutter.ts";
import type { FinishedTurn } from "./waiting-turns.ts";

export interface DialogueOptions {
  clock: Clock;
  identity: SessionIdentity;
  defaults: SessionDefaults;
  report: SessionReport;
  /** For the record. */
  state(): SessionState;
  /** What a reply came to. */
  onEvent(event: SessionEvent): void;
  /** A frame of a reply's has left. */
  onVoice(pcm: Uint8Array): void;
  onReaderLost(): void;
}

/** Belongs to one session. */
export class Dialogue {
  readonly #options: DialogueOptions;
  readonly #conversation: Conversation;
  readonly #replies: CurrentReply;
  #session: SessionOptions = {};
  #voice: SessionVoice | undefined;
  #turnNumber: number;
  /** The spoken turn whose answer is to be made. */
  #answering: FinishedTurn | undefined;
  /** Asked for, and neither given nor overtaken. A reply gives the very request that it was made from, and none that came since. */
  #owed: ReplyRequest | undefined;
  /** Said while it was not known yet what would be heard of a reply: comes after that. */
  #heardMeanwhile: string[] = [];
  #writtenMs = 0;

  constructor(options: DialogueOptions) {
    this.#options = options;
    this.#conversation = new Conversation(options.identity.history);
    this.#replies = new CurrentReply(options.clock);
    this.#turnNumber = options.identity.turnNumber;
    if (options.identity.owesAnswer) this.#owed = { kind: "answer" };
  }

  /** Of the person's newest turn; 0 before the first. */
  get turnNumber(): number {
    return this.#turnNumber;
  }

  /** Nothing was said yet, by either, also not to the session before this one. */
  get isEmpty(): boolean {
    return this.#turnNumber === 0 && this.#conversation.entries.length === 0;
  }

  /** What is owed, where no reply is at it. */
  get due(): ReplyRequest | undefined {
    const owed = this.#owed;
    return owed && this.#replies.makes(owed) ? undefined : owed;
  }

  /** The reply that is being made or played. */
  get reply(): Reply | undefined {
    return this.#replies.reply;
  }

  /** `voice` undefined: only the person speaks. */
  begin(session: SessionOptions, voice: SessionVoice | undefined): void {
    this.#session = session;
    this.#voice = voice;
  }

  /** A turn of the person's, `spoken` or typed. */
  hear(text: string, spoken: FinishedTurn | undefined): void {
    this.#turnNumber++;
    this.#answering = spoken;
    this.#owed = { kind: "answer" };
    if (this.#unsettled) this.#heardMeanwhile.push(text);
    else this.#conversation.addUser(text);
    this.write();
  }

  /** The person pauses, and may have said all; undefined: goes on. */
  anticipate(paused: PausedTurn | undefined): void {
    if (paused === undefined) {
      this.#voice?.forget();
      return;
    }
    // What the model is to see holds what was heard of a reply, and that is known when it is over.
    if (this.#unsettled) return;
    const after = this.#with([paused.text]);
    const { spokenMs } = paused;
    this.#voice?.anticipate(historyOf(after), { number: this.#turnNumber + 1, spokenMs });
  }

  /** A program wants something said: whatever else was asked for is overtaken. */
  owe(request: ReplyRequest): void {
    this.#owed = request;
  }

  /** Nobody wants an answer any more. */
  owesNothing(): void {
    this.#owed = undefined;
  }

  perform(effect: ReplyEffect): void {
    switch (effect.kind) {
      case "start-reply":
        this.#startReply(effect);
        return;
      case "hold-reply": {
        const held = this.#replies.hold();
        if (held !== undefined) this.#options.report.held(held.reply, held.seq);
        return;
      }
      case "release-reply": {
        const released = this.#replies.release();
        if (released !== undefined) this.#options.report.released(released.reply, released.seq);
        return;
      }
      case "drop-reply": {
        const dropped = this.#replies.drop();
        this.#rememberMeanwhile();
        if (dropped !== undefined) this.#options.report.replyDone(dropped, "", true);
        return;
      }
      case "stop-reply":
        if (this.#replies.stop()) this.#options.report.interrupted(effect.epoch);
        return;
      case "settle-reply":
        this.#settle(this.#replies.settleStopped() ?? this.#replies.settleEnded());
        return;
    }
  }

  /** A listener's report. */
  playback(message: ClientMessageOf<"playback">): void {
    this.#replies.playback(message);
  }

  tick(nowMs: number): void {
    this.#replies.tick(nowMs);
    // What was heard of a long sentence is not to be said again by a successor.
    if (this.#replies.reply === undefined || nowMs - this.#writtenMs < RECORD_INTERVAL_MS_MIN)
      return;
    if (this.#options.state().kind === "speaking") this.write();
  }

  /** The session is over: what was heard until now was heard. */
  end(): void {
    this.#replies.stop();
    this.#settle(this.#replies.settleStopped());
    this.write();
  }

  /** Hands the newest state to the record. */
  write(): void {
    const { report, defaults, state, clock } = this.#options;
    this.#writtenMs = clock.nowMs();
    const { instructions, language, speed, respond } = this.#session;
    report.put({
      state: state(),
      turnNumber: this.#turnNumber,
      owesAnswer: this.#owed?.kind === "answer",
      // A successor is not to miss what was said.
      history: this.#with(this.#heardMeanwhile).entries,
      reply: this.#replies.reply,
      options: {
        instructions: instructions ?? defaults.instructions,
        language: language ?? defaults.language,
        voice: this.#voice?.name ?? "",
        speed: speed ?? 1,
        respond: respond ?? true,
        client: this.#session,
      },
    });
  }

  #startReply({ epoch, request }: Extract<ReplyEffect, { kind: "start-reply" }>): void {
    const { report, identity, onEvent, onVoice, onReaderLost } = this.#options;
    const voice = this.#voice;
    if (voice === undefined) throw new Error("a session without a voice cannot reply");
    const spoken = request.kind === "answer" ? this.#answering : undefined;
    this.#answering = undefined;
    const reply: Reply = voice.reply(
      {
        epoch,
        replyId: `${identity.leaseEpoch}-${++report.counts.replies}`,
        turn: this.#turnNumber,
        request,
        history: historyOf(this.#conversation),
        ring: this.#replies.ring,
        spoken,
      },
      {
        send: (frame) => {
          report.voice(frame);
          onVoice(frame.pcm);
        },
        onText: (text) => report.replyText(reply, text),
        onWritten: () => this.write(),
        onWords: (utterance, words) => report.caption(reply, utterance, words),
        onFirstFrame: () => {
          report.firstFrame(reply);
          onEvent({ kind: "first-frame-released", epoch });
        },
        onUtterance: () => this.write(),
        onError: (error) => report.error(error),
        onEnded: () => onEvent({ kind: "reply-ended", epoch }),
        onReaderLost,
      },
    );
    this.#replies.start(reply);
  }

  #settle(settled: SettledReply | undefined): void {
    if (settled === undefined) return;
    const { reply, text, interrupted, ended } = settled;
    this.#conversation.addAssistant(text, interrupted);
    // An answer that came to its own end is given, even where there was nothing to hear.
    if ((text !== "" || ended) && this.#owed === reply.request) this.#owed = undefined;
    this.#rememberMeanwhile();
    this.#options.report.replyDone(reply, text, interrupted);
    this.write();
  }

  /** A reply is being made, is played or was stopped, and what of it will have been heard is not known. */
  get #unsettled(): boolean {
    return this.#replies.reply !== undefined || this.#replies.settling;
  }

  #rememberMeanwhile(): void {
    for (const text of this.#heardMeanwhile.splice(0)) this.#conversation.addUser(text);
  }

  /** The conversation as it would be with these words of the person's. */
  #with(texts: readonly string[]): Conversation {
    if (texts.length === 0) return this.#conversation;
    const after = new Conversation(this.#conversation.entries);
    for (const text of texts) after.addUser(text);
    return after;
  }
}

/** As the language model sees it. */
function historyOf(conversation: Conversation): AnswerRequest["history"] {
  return conversation.entries.map(({ role, text }) => ({ role, text }));
}
