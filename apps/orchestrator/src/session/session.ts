/** One conversation: connects the person's turns, the state machine and the replies. Owns what is alive in a session; every decision of state is `session-state.ts`'s. */
import {
  AntiphonError,
  type ClientMessage,
  PROTOCOL_VERSION,
  type SessionOptions,
} from "@antiphon/protocol";
import type { Clock, Timer } from "@antiphon/runtime";
import { Conversation, type ConversationEntry } from "./conversation.ts";
import { CurrentReply, type SettledReply } from "./current-reply.ts";
import { MicrophoneInput } from "./microphone-input.ts";
import type {
  LanguageModel,
  RecordStore,
  SynthesisStream,
  Synthesizer,
  Transcriber,
  Transport,
  TransportEnd,
  VoiceActivityDetector,
} from "./ports.ts";
import { Reply } from "./reply.ts";
import type { SessionEffect, SessionEvent } from "./session-event.ts";
import { SessionReport } from "./session-report.ts";
import { INITIAL_STATE, type SessionState, transition } from "./session-state.ts";
import type { Ticker } from "./ticker.ts";
import { TurnMetrics } from "./turn-metrics.ts";
import { type FinishedTurn, UserTurn } from "./user-turn.ts";

export interface SessionDeps {
  clock: Clock;
  ticker: Ticker;
  detector: VoiceActivityDetector;
  transcriber: Transcriber;
  synthesizer: Synthesizer;
  llm: LanguageModel;
  /** How the operator wants sessions to run; a client's options go before. */
  defaults: SessionDefaults;
}

export interface SessionDefaults {
  instructions: string;
  language: string;
  /** Undefined: the pool's own. */
  voice: string | undefined;
  endpointingDelayMs: number;
  idleTimeoutMs: number;
  synthesisOpenTimeoutMs: number;
}

export interface SessionIdentity {
  sessionId: string;
  leaseEpoch: number;
  /** Of the orchestrator before this one, if there was one. */
  history: readonly ConversationEntry[];
  turnNumber: number;
}

/** Belongs to one lease of one session; ends with `end`, `session_end`, an idle timeout or a lost reader, and then calls `onEnded` once. */
export class Session {
  readonly #deps: SessionDeps;
  readonly #identity: SessionIdentity;
  readonly #transport: Transport;
  readonly #onEnded: () => void;
  readonly #conversation: Conversation;
  readonly #lifetime = new AbortController();
  #state: SessionState = INITIAL_STATE;
  #options: SessionOptions = {};
  #userTurn: UserTurn | undefined;
  #synthesis: Promise<SynthesisStream> | undefined;
  #voice = "";
  #input: MicrophoneInput | undefined;
  readonly #replies: CurrentReply;
  #bargeInTimer: Timer | undefined;
  /** The turn whose answer is being made. */
  #answering: FinishedTurn | undefined;
  #turnNumber: number;
  /** The person's newest words have neither been answered nor overtaken. */
  #owesAnswer = false;
  #lastHeardFromMs: number;
  readonly #report: SessionReport;

  constructor(
    deps: SessionDeps,
    identity: SessionIdentity,
    ends: { transport: Transport; records: RecordStore; onEnded: () => void },
  ) {
    this.#deps = deps;
    this.#identity = identity;
    this.#transport = ends.transport;
    this.#report = new SessionReport({
      clock: deps.clock,
      sessionId: identity.sessionId,
      leaseEpoch: identity.leaseEpoch,
      transport: ends.transport,
      records: ends.records,
    });
    this.#onEnded = ends.onEnded;
    this.#conversation = new Conversation(identity.history);
    this.#replies = new CurrentReply(deps.clock);
    this.#turnNumber = identity.turnNumber;
    this.#lastHeardFromMs = deps.clock.nowMs();
  }

  get sessionId(): string {
    return this.#identity.sessionId;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** One control message. Throws an AntiphonError for one that does not fit here; the session goes on. */
  receive(message: ClientMessage): void {
    this.#lastHeardFromMs = this.#deps.clock.nowMs();
    if (message.type === "session_start") {
      this.#start(message.options ?? {});
      return;
    }
    if (message.type === "session_end") {
      this.end({ kind: "normal" });
      return;
    }
    if (this.#state.kind === "idle") {
      throw new AntiphonError("failed_precondition", "Send session_start first.");
    }
    switch (message.type) {
      case "text":
        this.#typed(message.text);
        return;
      case "say":
        this.#requireVoice();
        this.#dispatch({
          kind: "reply-requested",
          request: { kind: "say", text: message.text },
        });
        return;
      case "interrupt":
        this.#owesAnswer = false;
        this.#dispatch({ kind: "interrupt-requested" });
        return;
      case "input_commit":
        this.#userTurn?.commit();
        return;
      case "mute":
      case "unmute":
        this.#userTurn?.mute(message.type === "mute");
        return;
      case "playback":
        this.#replies.playback(message);
        if (message.empty) this.#dispatch({ kind: "buffers-empty", epoch: message.epoch });
        return;
      case "resume":
        throw new AntiphonError("unimplemented", "This server cannot resume a reply yet.");
    }
  }

  /** One microphone frame: 960 samples, copied. `seq` counts from 0 on each socket. */
  receiveMicrophone(seq: number, frame: Int16Array): void {
    const nowMs = this.#deps.clock.nowMs();
    this.#lastHeardFromMs = nowMs;
    this.#report.counts.framesReceived++;
    if (this.#input === undefined) {
      throw new AntiphonError("failed_precondition", "Send session_start before audio.");
    }
    this.#input.push(seq, frame);
    this.#input.acknowledge(nowMs);
  }

  /** Every 20 ms, by the process' ticker. */
  tick(nowMs: number): void {
    this.#userTurn?.tick(nowMs);
    this.#replies.tick(nowMs);
    this.#input?.acknowledge(nowMs);
    if (nowMs - this.#lastHeardFromMs > this.#deps.defaults.idleTimeoutMs) {
      this.end({
        kind: "error",
        error: new AntiphonError("deadline_exceeded", "Nothing was heard from you for too long."),
      });
    }
  }

  /** Ends the session; idempotent. */
  end(end: TransportEnd): void {
    if (this.#state.kind === "terminated") return;
    this.#dispatch({ kind: "session-ended" });
    this.#transport.close(end);
    this.#onEnded();
  }

  #start(options: SessionOptions): void {
    if (this.#state.kind !== "idle") {
      throw new AntiphonError("failed_precondition", "The session has started already.");
    }
    this.#options = options;
    const { detector, transcriber, clock, defaults, ticker } = this.#deps;
    this.#userTurn = new UserTurn({
      clock,
      detector,
      transcription: transcriber.open({
        sessionId: this.sessionId,
        language: options.language ?? defaults.language,
      }),
      endpointing: options.endpointing ?? "auto",
      endpointingDelayMs: defaults.endpointingDelayMs,
      inputClock: options.inputClock ?? "realtime",
      onSpeechStarted: () => {
        this.#dispatch({ kind: "speech-started" });
        this.#announce();
      },
      onSpeechEnded: () => this.#announce(),
      onPartial: (text) => this.#report.transcript(this.#turnNumber + 1, text, false),
      onTurnEnded: (turn) => this.#turnEnded(turn),
      onError: (reason) => this.#report.error(AntiphonError.from(reason)),
      onFault: (reason) => this.#fail(AntiphonError.from(reason)),
    });
    this.#input = new MicrophoneInput(this.#userTurn, this.#transport);
    ticker.add(this);
    this.#dispatch({ kind: "session-started" });
    void this.#open(options);
  }

  async #open(options: SessionOptions): Promise<void> {
    const { synthesizer, defaults, transcriber, llm, clock } = this.#deps;
    const respond = options.respond ?? true;
    const timer = clock.setTimer(defaults.synthesisOpenTimeoutMs, () =>
      this.#fail(new AntiphonError("unavailable", "No voice could be reached in time.")),
    );
    try {
      if (respond) {
        this.#synthesis = synthesizer.open(
          {
            sessionId: this.sessionId,
            voice: options.voice ?? defaults.voice,
            language: undefined,
            speed: options.speed ?? 1,
          },
          this.#lifetime.signal,
        );
        this.#voice = (await this.#synthesis).voice;
      }
      if (this.#lifetime.signal.aborted) return;
      this.#transport.send({
        type: "ready",
        protocol: PROTOCOL_VERSION,
        sessionId: this.sessionId,
        leaseEpoch: this.#identity.leaseEpoch,
        voice: this.#voice,
        inputLanguages: transcriber.languages(),
        responder: respond ? llm.responder : { kind: "none" },
        ...(llm.notice === undefined || !respond ? {} : { notice: llm.notice }),
      });
      this.#announce();
      this.#write();
      if (options.greeting !== undefined && respond && this.#identity.history.length === 0) {
        this.#dispatch({
          kind: "reply-requested",
          request: { kind: "say", text: options.greeting },
        });
      }
    } catch (reason) {
      if (!this.#lifetime.signal.aborted) this.#fail(AntiphonError.from(reason));
    } finally {
      timer.cancel();
    }
  }

  #typed(text: string): void {
    this.#requireVoice();
    if (text.trim() === "") return;
    this.#dispatch({ kind: "interrupt-requested" });
    this.#turnNumber++;
    this.#answering = undefined;
    this.#heardUser(text.trim());
    this.#dispatch({ kind: "reply-requested", request: { kind: "answer" } });
  }

  #turnEnded(turn: FinishedTurn): void {
    if (turn.text !== "") {
      this.#turnNumber++;
      this.#report.transcript(this.#turnNumber, turn.text, true);
      this.#answering = turn;
      this.#heardUser(turn.text);
    }
    if (turn.committed) {
      this.#transport.send({ type: "input_committed", turn: this.#turnNumber, text: turn.text });
    }
    this.#announce();
    if (this.#options.respond === false) return;
    // A noise may have dropped an answer of which nothing was heard: then it is still owed.
    const owed = turn.text !== "" || (this.#owesAnswer && this.#isQuiet());
    if (owed) this.#dispatch({ kind: "reply-requested", request: { kind: "answer" } });
  }

  /** What the person said while a stopped reply is being settled comes after what was heard of it. */
  #heardUser(text: string): void {
    this.#settle(this.#replies.settleStopped());
    this.#conversation.addUser(text);
    this.#owesAnswer = true;
    this.#write();
  }
  #isQuiet(): boolean {
    return this.#state.kind === "listening" && !this.#state.thinking;
  }

  #dispatch(event: SessionEvent): void {
    const next = transition(this.#state, event);
    this.#state = next.state;
    for (const effect of next.effects) this.#perform(effect);
    this.#announce();
  }

  #perform(effect: SessionEffect): void {
    switch (effect.kind) {
      case "start-reply":
        this.#startReply(effect);
        return;
      case "drop-reply": {
        const dropped = this.#replies.drop();
        if (dropped !== undefined) this.#report.replyDone(dropped, "", true);
        return;
      }
      case "stop-reply":
        this.#stopReply(effect.epoch);
        return;
      case "settle-reply":
        this.#bargeInTimer?.cancel();
        this.#settle(this.#replies.settleStopped() ?? this.#replies.settleEnded());
        return;
      case "start-barge-in-timer": {
        this.#bargeInTimer?.cancel();
        this.#bargeInTimer = this.#deps.clock.setTimer(BUFFERS_EMPTY_MS_MAX, () =>
          this.#dispatch({ kind: "barge-in-timed-out", epoch: effect.epoch }),
        );
        return;
      }
      case "tear-down":
        this.#tearDown();
        return;
    }
  }

  #startReply(effect: Extract<SessionEffect, { kind: "start-reply" }>): void {
    const synthesis = this.#synthesis;
    if (synthesis === undefined) return;
    const { clock, llm, defaults } = this.#deps;
    const spoken = effect.request.kind === "answer" ? this.#answering : undefined;
    this.#answering = undefined;
    const reply: Reply = new Reply({
      epoch: effect.epoch,
      replyId: `${this.#identity.leaseEpoch}-${++this.#report.counts.replies}`,
      turn: this.#turnNumber,
      request: effect.request,
      answer: {
        instructions: this.#options.instructions ?? defaults.instructions,
        language: this.#options.language ?? defaults.language,
        history: this.#conversation.entries.map(({ role, text }) => ({ role, text })),
      },
      llm,
      synthesis,
      ring: this.#replies.ring,
      clock,
      metrics: new TurnMetrics(spoken),
      reported: this.#options.playback !== "none",
      send: (frame) => this.#report.voice(frame),
      onText: (text) => this.#report.replyText(reply, text),
      onWords: (utterance, words) => this.#report.caption(reply, utterance, words),
      onFirstFrame: () => {
        this.#report.firstFrame(reply);
        this.#dispatch({ kind: "first-frame-released", epoch: effect.epoch });
      },
      onUtterance: () => this.#write(),
      onError: (error) => this.#report.error(error),
      onEnded: () => this.#dispatch({ kind: "reply-ended", epoch: effect.epoch }),
      onReaderLost: () =>
        this.#fail(
          new AntiphonError("overloaded", "The audio sent to you was not acknowledged for 10 s."),
        ),
    });
    this.#replies.start(reply);
  }

  #stopReply(epoch: number): void {
    if (!this.#replies.stop()) return;
    this.#transport.send({ type: "clear", epoch });
    this.#report.counts.interruptions++;
  }

  /** Writes what was heard of a reply into the history. */
  #settle(settled: SettledReply | undefined): void {
    if (settled === undefined) return;
    const { reply, text, interrupted } = settled;
    this.#conversation.addAssistant(text, interrupted);
    if (text !== "") this.#owesAnswer = false;
    this.#report.replyDone(reply, text, interrupted);
    this.#write();
  }

  #tearDown(): void {
    this.#replies.stop();
    this.#settle(this.#replies.settleStopped());
    this.#bargeInTimer?.cancel();
    this.#userTurn?.close();
    this.#deps.ticker.remove(this);
    this.#lifetime.abort();
    this.#synthesis?.then(
      (stream) => stream.close(),
      // It never opened, and said so when it failed.
      () => {},
    );
    this.#write();
  }

  #announce(): void {
    this.#report.announce(this.#state, this.#userTurn?.userSpeaking ?? false);
  }

  #requireVoice(): void {
    if (this.#options.respond === false) {
      throw new AntiphonError(
        "failed_precondition",
        "This session was started with respond: false.",
      );
    }
  }

  #fail(error: AntiphonError): void {
    this.end({ kind: "error", error });
  }

  #write(): void {
    const { defaults } = this.#deps;
    this.#report.put({
      state: this.#state,
      turnNumber: this.#turnNumber,
      history: this.#conversation.entries,
      reply: this.#replies.reply,
      options: {
        instructions: this.#options.instructions ?? defaults.instructions,
        language: this.#options.language ?? defaults.language,
        voice: this.#voice,
        speed: this.#options.speed ?? 1,
        respond: this.#options.respond ?? true,
      },
    });
  }
}

/** A client empties its buffers within one round trip; one that does not answer must not hold up the next turn. */
const BUFFERS_EMPTY_MS_MAX = 200;
