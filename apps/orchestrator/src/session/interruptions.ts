/** Speech over replies: listens to the detector and the recogniser while a reply sounds, and tells the listener what was decided and why. Owns no state of the session: it asks for a pause, a resume or a stop. */
import type { InterruptionReason, ServerMessageOf } from "@antiphon/protocol";
import type { Clock } from "@antiphon/runtime";
import { AwakeTime } from "./awake-time.ts";
import { Backchannels } from "./backchannels.ts";
import { BargeIn, type BargeInAction } from "./barge-in.ts";
import type { InterruptionSettings } from "./interruption-settings.ts";
import { PlayingFarEnd } from "./playing-far-end.ts";
import type { VadWindow } from "./ports.ts";
import type { Reply } from "./reply.ts";
import type { FinishedTurn } from "./waiting-turns.ts";

export interface InterruptionsOptions {
  clock: Clock;
  settings: InterruptionSettings;
  /** BCP 47, of the person's speech. */
  language: string;
  /** Where in the input a window lies, and when it came. */
  input: {
    arrivedMs(endSample: number): number;
    clientSamples(endSample: number): number;
    flush(): void;
  };
  /** Before the decision is carried out. */
  onDecided(message: Omit<ServerMessageOf<"interruption">, "type">): void;
  pause(): void;
  resume(): void;
  stop(): void;
}

/** Belongs to one session. */
export class Interruptions {
  readonly #farEnd = new PlayingFarEnd();
  readonly #options: InterruptionsOptions;
  readonly #bargeIn: BargeIn;
  #reply: Reply | undefined;
  readonly #awake = new AwakeTime();
  #judgedSample = 0;
  /** In time awake. */
  #judgedMs = 0;

  constructor(options: InterruptionsOptions) {
    this.#options = options;
    this.#bargeIn = new BargeIn(
      options.settings,
      new Backchannels(options.language, options.settings.backchannels),
    );
  }

  /** The reply that sounds now, or none. */
  sounding(reply: Reply | undefined): void {
    if (reply === this.#reply) return;
    this.#reply = reply;
    this.#farEnd.reset();
    if (reply === undefined) this.#bargeIn.end();
    else this.#bargeIn.begin({ words: () => reply.recentWords() });
  }

  /** A frame of the reply has left. */
  sent(pcm: Uint8Array): void {
    this.#farEnd.sent(pcm);
  }

  /** A frame of the microphone, of which the last sample is `endSample`, before the detector has it. */
  microphone(frame: Int16Array, endSample: number, nowMs: number): void {
    this.#farEnd.follow(nowMs, this.#reply?.pacer);
    this.#farEnd.heard(frame, endSample, nowMs);
  }

  /** Each window of the detector. Returns the probability that counts. */
  window({ endSample, probability }: VadWindow): number {
    this.#judgedSample = endSample;
    this.#judgedMs = this.#awake.ms;
    // Silence is like any echo that was expected: only what could be speech is worth comparing.
    const alike = probability >= SPEECH_MIN ? this.#farEnd.judge(endSample) : NOTHING_ALIKE;
    // Over a reply that nothing may interrupt, nobody is listened to.
    const deaf = this.#reply !== undefined && !this.#options.settings.enabled;
    const counts = alike.echo || deaf ? 0 : probability;
    this.#perform(this.#bargeIn.window({ endSample, probability: counts, echoMatch: alike.match }));
    return counts;
  }

  /** What a turn says so far, up to this sample of the input, and how sure the recogniser is of it. */
  heard(text: string, endSample: number, confidence: number): void {
    this.#perform(this.#bargeIn.heard({ text, endSample, confidence }));
  }

  /** A turn that ends over a reply and is none: a backchannel, or nothing may interrupt. */
  dismisses(turn: FinishedTurn): boolean {
    return this.#bargeIn.dismisses(turn.text, turn.fromSample);
  }

  /** The client, or a turn that came to words after all, ends the reply. */
  stopping(reason: InterruptionReason, text: string): void {
    if (this.#reply === undefined) return;
    this.#tell({ kind: "stop", reason, speechMs: 0, probability: 0, echoMatch: 0, text });
  }

  /** Every 20 ms. */
  tick(nowMs: number): void {
    this.#farEnd.follow(nowMs, this.#reply?.pacer);
    this.#awake.tick(nowMs);
    // An input that has stopped ends no pause.
    if (this.#bargeIn.paused && this.#awake.ms - this.#judgedMs > INPUT_SILENT_MS_MAX) {
      this.#perform(this.#bargeIn.timedOut());
    }
  }

  #perform(action: BargeInAction | undefined): void {
    if (action === undefined) return;
    if (action.kind === "flush") {
      this.#options.input.flush();
      return;
    }
    this.#tell(action);
    this.#options[action.kind]();
  }

  #tell(action: Exclude<BargeInAction, { kind: "flush" }>): void {
    const reply = this.#reply;
    if (reply === undefined) return;
    const { clock, input, onDecided } = this.#options;
    const decisionMs = Math.max(0, clock.nowMs() - input.arrivedMs(this.#judgedSample));
    onDecided({
      replyId: reply.replyId,
      epoch: reply.epoch,
      decision: action.kind,
      reason: action.reason,
      speechMs: Math.round(action.speechMs),
      speechProbability: Math.round(action.probability * 1000) / 1000,
      echoMatch: Math.round(action.echoMatch * 1000) / 1000,
      text: action.text,
      inputSamples: input.clientSamples(this.#judgedSample),
      decisionMs: Math.round(decisionMs * 10) / 10,
    });
  }
}

/** As the detector's own bar for speech that goes on. */
const SPEECH_MIN = 0.35;
const NOTHING_ALIKE = { match: 0, echo: false };
/** Silence is put in after 400 ms without input; a recording sent at its own pace has none, and no reply waits for it longer. */
const INPUT_SILENT_MS_MAX = 1_500;
