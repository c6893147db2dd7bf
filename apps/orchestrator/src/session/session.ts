/** One conversation: connects its socket, the person's turns, the state machine and the dialogue. Owns what is alive in a session; every decision of state is `session-state.ts`'s. */
import {
  AntiphonError,
  type ClientMessage,
  type InterruptionReason,
  type SessionOptions,
} from "@antiphon/protocol";
import { Dialogue } from "./dialogue.ts";
import { Hearing } from "./hearing.ts";
import type { RecordStore, Transport, TransportEnd } from "./ports.ts";
import type { Reply } from "./reply.ts";
import { SessionCourse } from "./session-course.ts";
import type { SessionDeps, SessionIdentity } from "./session-deps.ts";
import { SessionReport } from "./session-report.ts";
import { isQuiet, type SessionState } from "./session-state.ts";
import { SessionVoice } from "./session-voice.ts";
import type { FinishedTurn } from "./waiting-turns.ts";
import { type WatchdogAlarm, Watchdogs } from "./watchdogs.ts";

export interface SessionEnds {
  transport: Transport;
  records: RecordStore;
  onEnded(end: TransportEnd): void;
}

/**
 * Belongs to one lease of one session, from its socket to `end`, `session_end`, an idle timeout or a lost reader; then calls `onEnded`
 * once, and nothing it is told any more has an effect.
 */
export class Session {
  readonly #deps: SessionDeps;
  readonly #identity: SessionIdentity;
  readonly #ends: SessionEnds;
  readonly #report: SessionReport;
  readonly #dialogue: Dialogue;
  readonly #course: SessionCourse;
  #options: SessionOptions = {};
  readonly #watchdogs = new Watchdogs();
  #hearing: Hearing | undefined;
  /** Undefined before the start, and where only transcripts are wanted. */
  #voice: SessionVoice | undefined;
  #lastActiveMs: number;

  constructor(deps: SessionDeps, identity: SessionIdentity, ends: SessionEnds) {
    this.#deps = deps;
    this.#identity = identity;
    this.#ends = ends;
    const { sessionId, leaseEpoch } = identity;
    const { transport, records } = ends;
    const { clock } = deps;
    this.#report = new SessionReport({ clock, sessionId, leaseEpoch, transport, records });
    this.#dialogue = new Dialogue({
      clock,
      identity,
      defaults: deps.defaults,
      report: this.#report,
      state: () => this.state,
      onEvent: (event) => this.#course.dispatch(event),
      onVoice: (pcm) => this.#hearing?.sent(pcm),
      onReaderLost: () =>
        this.#fail(
          new AntiphonError("overloaded", "The audio sent to you was not acknowledged for 10 s."),
        ),
    });
    this.#course = new SessionCourse({
      clock,
      perform: (effect) => this.#dialogue.perform(effect),
      tearDown: () => this.#tearDown(),
      onSettled: () => {
        this.#hearing?.sounding(this.#sounding);
        this.#announce();
      },
      onFault: (reason) => this.#fail(reason),
    });
    this.#lastActiveMs = clock.nowMs();
    // From here on: a client that never starts its session is idle, too.
    deps.ticker.add(this);
  }

  get state(): SessionState {
    return this.#course.state;
  }

  /** One control message. Throws an AntiphonError for one that does not fit here; the session goes on. */
  receive(message: ClientMessage): void {
    if (this.#over) return;
    this.#lastActiveMs = this.#deps.clock.nowMs();
    if (message.type === "session_end") {
      this.end({ kind: "normal" });
      return;
    }
    if (message.type === "session_start") {
      this.#start(message.options ?? {});
      return;
    }
    if (this.state.kind === "idle") {
      throw new AntiphonError("failed_precondition", "Send session_start first.");
    }
    switch (message.type) {
      case "text":
        this.#typed(message.text.trim());
        return;
      case "say":
        this.#say(message.text);
        return;
      case "interrupt":
        this.#dialogue.owesNothing();
        this.#interrupt("requested");
        return;
      case "input_commit":
        this.#hearing?.commit();
        return;
      case "mute":
      case "unmute":
        this.#hearing?.mute(message.type === "mute");
        return;
      case "playback":
        this.#dialogue.playback(message);
        if (message.empty) this.#course.dispatch({ kind: "buffers-empty", epoch: message.epoch });
        return;
      case "playout":
        // A listener that reports what it has played need not say how late that is.
        return;
      case "resume":
        throw new AntiphonError("unimplemented", "This server cannot resume a reply yet.");
    }
  }

  /** One microphone frame: 960 samples, copied. `seq` counts from 0 on each socket. */
  receiveMicrophone(seq: number, frame: Int16Array): void {
    if (this.#over) return;
    const nowMs = this.#deps.clock.nowMs();
    this.#lastActiveMs = nowMs;
    if (this.#hearing === undefined) {
      throw new AntiphonError("failed_precondition", "Send session_start before audio.");
    }
    this.#hearing.microphone(seq, frame, nowMs);
  }

  /** Every 20 ms, by the process' ticker. */
  tick(nowMs: number): void {
    this.#hearing?.tick(nowMs);
    this.#dialogue.tick(nowMs);
    if (this.#over) return;
    this.#watch(nowMs);
    // Whoever listens to a long answer need not say anything.
    if (this.#dialogue.reply !== undefined) this.#lastActiveMs = nowMs;
    if (nowMs - this.#lastActiveMs <= this.#deps.defaults.idleTimeoutMs) return;
    this.#fail(new AntiphonError("deadline_exceeded", "Nothing was heard from you for too long."));
  }

  /** Ends the session; idempotent. */
  end(end: TransportEnd): void {
    if (this.#over) return;
    this.#course.dispatch({ kind: "session-ended" });
    this.#ends.transport.close(end);
    this.#ends.onEnded(end);
  }

  get #sounding(): Reply | undefined {
    return this.state.kind === "speaking" ? this.#dialogue.reply : undefined;
  }

  get #over(): boolean {
    return this.state.kind === "terminated";
  }

  #fail(reason: unknown): void {
    this.end({ kind: "error", error: AntiphonError.from(reason) });
  }

  #start(options: SessionOptions): void {
    if (this.state.kind !== "idle") {
      throw new AntiphonError("failed_precondition", "The session has started already.");
    }
    this.#options = options;
    const { sessionId } = this.#identity;
    this.#hearing = new Hearing({
      deps: this.#deps,
      sessionId,
      options,
      transport: this.#ends.transport,
      report: this.#report,
      listener: {
        turnNumber: () => this.#dialogue.turnNumber + 1,
        onSpeechStarted: () => this.#course.dispatch({ kind: "speech-started" }),
        onSpeechEnded: () => this.#announce(),
        onWords: (text) => this.#watchdogs.heard(text),
        onPause: (paused) => this.#dialogue.anticipate(paused),
        onTurnEnded: (turn) => this.#turnEnded(turn),
        pause: () => this.#course.dispatch({ kind: "reply-paused" }),
        resume: () => this.#course.dispatch({ kind: "reply-resumed" }),
        stop: () => this.#course.dispatch({ kind: "interrupt-requested" }),
        onFault: (reason) => this.#fail(reason),
      },
    });
    if (options.respond !== false) {
      this.#voice = new SessionVoice(this.#deps, sessionId, options, (name) =>
        this.#report.count(name),
      );
    }
    this.#dialogue.begin(options, this.#voice);
    this.#course.dispatch({ kind: "session-started" });
    void this.#open();
  }

  async #open(): Promise<void> {
    const voice = this.#voice;
    try {
      await voice?.open();
      if (this.#over) return;
      this.#report.ready({
        voice: voice?.name ?? "",
        inputLanguages: this.#deps.transcriber.languages(),
        llm: voice && this.#deps.llm,
      });
      voice?.ready();
      this.#dialogue.write();
      this.#speakFirst();
    } catch (reason) {
      this.#fail(reason);
    }
  }

  /** What the server before this one left unanswered; or the greeting, where neither it was given nor anybody has begun. */
  #speakFirst(): void {
    const { greeting } = this.#options;
    if (this.#hearing?.turnOpen || !isQuiet(this.state)) return;
    if (this.#dialogue.due !== undefined) this.#giveDue("requested", "");
    else if (greeting && this.#voice && this.#dialogue.isEmpty) this.#say(greeting);
  }

  #say(text: string): void {
    this.#requireVoice();
    if (text.trim() === "") return;
    this.#dialogue.owe({ kind: "say", text });
    this.#giveDue("requested", "");
  }

  #typed(text: string): void {
    this.#requireVoice();
    if (text === "") return;
    this.#dialogue.hear(text, undefined);
    this.#giveDue("requested", "");
  }

  #turnEnded(turn: FinishedTurn): void {
    if (turn.text !== "") {
      this.#report.transcript(this.#dialogue.turnNumber + 1, turn.text, true);
      this.#dialogue.hear(turn.text, turn);
    }
    if (turn.committed) this.#report.committed(this.#dialogue.turnNumber, turn.text);
    // Nothing is begun over the person's next words: both turns are answered after them. A turn without words may have been a noise that
    // dropped a reply of which nothing was heard, or kept one from being begun: then that is due.
    if (!this.#hearing?.userSpeaking) this.#giveDue("words", turn.text);
  }

  /** What sounds meanwhile is over: a program's words, mostly. */
  #giveDue(reason: InterruptionReason, text: string): void {
    const { due } = this.#dialogue;
    if (due === undefined || this.#voice === undefined) return;
    this.#hearing?.stopping(reason, text);
    this.#course.dispatch({ kind: "reply-requested", request: due });
  }

  #watch(nowMs: number): void {
    const reply = this.#sounding?.watched();
    const turnOpen = this.#hearing?.turnWaitsForSilence ?? false;
    for (const alarm of this.#watchdogs.tick(nowMs, { reply, turnOpen })) this.#alarm(alarm);
  }

  #alarm({ action, counter, error }: WatchdogAlarm): void {
    this.#report.count(counter);
    if (error !== undefined) this.#report.error(error);
    if (action === "end-turn") this.#hearing?.endTurn();
    else this.#interrupt("timeout");
  }

  #interrupt(reason: InterruptionReason): void {
    this.#hearing?.stopping(reason, "");
    this.#course.dispatch({ kind: "interrupt-requested" });
  }

  #tearDown(): void {
    this.#deps.ticker.remove(this);
    this.#hearing?.close();
    this.#dialogue.end();
    this.#voice?.close();
  }

  #announce(): void {
    this.#report.announce(this.state, this.#hearing?.userSpeaking ?? false);
  }

  #requireVoice(): void {
    if (this.#voice !== undefined) return;
    throw new AntiphonError("failed_precondition", "This session was started with respond: false.");
  }
}
