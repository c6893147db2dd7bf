/** What a session hears: the person's turns, and their speech over replies. Puts these together from the session's options; decides nothing itself. */
import {
  AntiphonError,
  FRAME_SAMPLES,
  type InterruptionReason,
  type SessionOptions,
} from "@antiphon/protocol";
import { endpointingBounds } from "./endpointing.ts";
import { interruptionSettings } from "./interruption-settings.ts";
import { Interruptions } from "./interruptions.ts";
import { MicrophoneInput } from "./microphone-input.ts";
import type { Transport } from "./ports.ts";
import type { Reply } from "./reply.ts";
import type { SessionDeps } from "./session-deps.ts";
import type { SessionReport } from "./session-report.ts";
import type { PausedTurn } from "./turn-cutter.ts";
import { UserTurn } from "./user-turn.ts";
import type { FinishedTurn } from "./waiting-turns.ts";

export interface HearingOptions {
  deps: SessionDeps;
  sessionId: string;
  options: SessionOptions;
  transport: Transport;
  report: SessionReport;
  listener: HearingListener;
}

export interface HearingListener {
  /** The number that the open turn will have. */
  turnNumber(): number;
  onSpeechStarted(): void;
  onSpeechEnded(): void;
  /** The open turn says this so far. */
  onWords(text: string): void;
  onPause(paused: PausedTurn | undefined): void;
  onTurnEnded(turn: FinishedTurn): void;
  /** Somebody speaks over the reply: hold it, let it go on, end it. */
  pause(): void;
  resume(): void;
  stop(): void;
  /** One of these threw. */
  onFault(reason: unknown): void;
}

/** Belongs to one session, from its start. */
export class Hearing {
  readonly #options: HearingOptions;
  readonly #userTurn: UserTurn;
  readonly #input: MicrophoneInput;
  readonly #interruptions: Interruptions;
  /** Whether silence is to end the open turn, and time goes on without input. */
  readonly #live: boolean;
  #muted = false;

  constructor(given: HearingOptions) {
    this.#options = given;
    const { deps, sessionId, options, transport, report, listener } = given;
    const { detector, transcriber, clock, defaults } = deps;
    const language = options.language ?? defaults.language;
    const mode = options.endpointing ?? "auto";
    const inputClock = options.inputClock ?? "realtime";
    this.#live = mode === "auto" && inputClock === "realtime";
    this.#userTurn = new UserTurn({
      clock,
      detector,
      transcription: transcriber.open({
        sessionId,
        language,
        onReplaced: () => report.count("recogniserReplaced"),
      }),
      endpointing: { mode, ...endpointingBounds(defaults.endpointing, options), language },
      inputClock,
      onSpeechStarted: () => listener.onSpeechStarted(),
      onSpeechEnded: () => listener.onSpeechEnded(),
      onWindow: (window) => this.#interruptions.window(window),
      onPartial: (text, endSample, confidence) => {
        report.transcript(listener.turnNumber(), text, false);
        listener.onWords(text);
        this.#interruptions.heard(text, endSample, confidence);
      },
      onPause: (paused) => listener.onPause(paused),
      onTurnEnded: (turn) => this.#turnEnded(turn),
      onError: (reason) => report.error(AntiphonError.from(reason)),
      onFault: (reason) => listener.onFault(reason),
    });
    this.#input = new MicrophoneInput(this.#userTurn, transport);
    this.#interruptions = new Interruptions({
      clock,
      settings: interruptionSettings(defaults.interruption, options.interruption),
      language,
      input: this.#userTurn,
      onDecided: (decided) => report.interruption(decided),
      pause: () => listener.pause(),
      resume: () => listener.resume(),
      stop: () => listener.stop(),
    });
  }

  get userSpeaking(): boolean {
    return this.#userTurn.userSpeaking;
  }

  /** Something was said, or is being said, in a turn that is not over. */
  get turnOpen(): boolean {
    return this.#userTurn.open;
  }

  /** The same, where only silence can end it. */
  get turnWaitsForSilence(): boolean {
    return this.#live && this.#userTurn.open;
  }

  /** One frame of the client's: 960 samples, copied. */
  microphone(seq: number, frame: Int16Array, nowMs: number): void {
    this.#options.report.counts.framesReceived++;
    if (!this.#muted) {
      const endSample = this.#userTurn.endSample + FRAME_SAMPLES;
      this.#interruptions.microphone(frame, endSample, nowMs);
    }
    this.#input.push(seq, frame);
    this.#input.acknowledge(nowMs);
  }

  /** Every 20 ms. */
  tick(nowMs: number): void {
    this.#userTurn.tick(nowMs);
    this.#interruptions.tick(nowMs);
    this.#input.acknowledge(nowMs);
  }

  commit(): void {
    this.#userTurn.commit();
  }

  /** Ends the open turn where it stands. */
  endTurn(): void {
    this.#userTurn.endTurn();
  }

  mute(muted: boolean): void {
    this.#muted = muted;
    this.#userTurn.mute(muted);
  }

  /** The reply that sounds now, or none. */
  sounding(reply: Reply | undefined): void {
    this.#interruptions.sounding(reply);
  }

  /** A frame of it has left. */
  sent(pcm: Uint8Array): void {
    this.#interruptions.sent(pcm);
  }

  /** The reply ends for another reason than speech over it. */
  stopping(reason: InterruptionReason, text: string): void {
    this.#interruptions.stopping(reason, text);
  }

  close(): void {
    this.#userTurn.close();
  }

  #turnEnded(turn: FinishedTurn): void {
    const { report, listener } = this.#options;
    if (!turn.committed && this.#interruptions.dismisses(turn)) {
      // It is a turn of no words: what was shown of it so far is not to stay.
      report.transcript(listener.turnNumber(), "", true);
      listener.onTurnEnded({ ...turn, text: "" });
    } else listener.onTurnEnded(turn);
  }
}
