/** One person on a call: a session, a device, and everything that was heard and said on both, with the times at which it was. Decides nothing and asserts nothing. */
import { performance } from "node:perf_hooks";
import { SAMPLE_RATE_HZ } from "@antiphon/audio";
import { type ConnectTarget, type SocketConstructor, SocketSession } from "@antiphon/client";
import type { ServerMessage, ServerMessageOf, SessionOptions } from "@antiphon/protocol";
import { systemClock } from "@antiphon/runtime";
import { audibleMs, Device, playedMs, type Quantum } from "./device.ts";
import { type DeviceClock, QUANTUM_SAMPLES } from "./device-clock.ts";
import { HeardReply } from "./heard-reply.ts";
import { Microphone, type Spoken } from "./microphone.ts";
import type { Pause } from "./pause.ts";
import type { Room } from "./room.ts";

export interface CallerOptions {
  clock: DeviceClock;
  /** Which of many: decides the noise it hears, and when its frames are due. */
  number: number;
  /** "none": the session is not told what was played. */
  playback?: "reported" | "none";
  room?: Room;
  /** Keep every sample of each reply, sent and played. */
  tape?: boolean;
  webSocket?: SocketConstructor;
}

/** From `connect` to `hangUp`. Times are the process' monotonic clock's. */
export class Caller {
  readonly session: SocketSession;
  readonly microphone: Microphone;
  /** All messages but the audio, with the time at which they came. */
  readonly heard: Array<{ atMs: number; message: ServerMessage }> = [];
  readonly pauses: Pause[] = [];
  /** Samples that sounded of a reply after its STOP had arrived, a fade of 8 ms not counted. */
  staleSamples = 0;
  /** Microphone frames that could not be sent when they were due. */
  lateFrames = 0;
  readonly #options: CallerOptions;
  readonly #device: Device;
  readonly #replies: HeardReply[] = [];
  #waiting: Array<{ holds: () => boolean; resolve: () => void }> = [];
  #framesPushed = 0;
  /** When the last sample of any reply had been played, or the last fade. */
  #lastSoundMs = 0;
  #wasEmpty = true;
  /** Since a STOP nothing may sound but a fade of so many samples, until a frame of a newer reply comes. */
  #stopped: { epoch: number; fadeSamples: number } | undefined;
  #closed: Error | undefined;

  constructor(options: CallerOptions) {
    this.#options = options;
    this.microphone = new Microphone(options.number + 1);
    this.#device = new Device({
      microphone: this.microphone,
      phase: options.number % 2,
      send: (frame) => this.#send(frame),
      onPlayed: (quantum) => this.#played(quantum),
      ...(options.room === undefined ? {} : { room: options.room }),
    });
    const { playout } = this.#device;
    this.session = new SocketSession({
      clock: systemClock,
      ...(options.playback === "none" ? {} : { player: playout }),
      ...(options.webSocket === undefined ? {} : { webSocket: options.webSocket }),
    });
    if (options.playback === "none") this.#playUnreported();
    this.#listen();
  }

  async connect(
    target: Pick<ConnectTarget, "streamUrl" | "ticket">,
    options: SessionOptions,
  ): Promise<void> {
    await this.session.connect({ ...target, options });
    this.#options.clock.add(this.#device);
  }

  async hangUp(): Promise<void> {
    this.#options.clock.remove(this.#device);
    this.#closed ??= new Error("the caller hung up");
    await this.session.end();
  }

  /** The newest reply of which something was heard or said. */
  get reply(): HeardReply | undefined {
    return this.#replies.at(-1);
  }

  replyOf(epoch: number): HeardReply | undefined {
    return this.#replies.find((reply) => reply.epoch === epoch);
  }

  /** Audio that was dropped on arrival because it was of a stopped reply. */
  get staleFrames(): number {
    return this.#device.playout.stats().staleFrames;
  }

  get underruns(): number {
    return this.#device.playout.stats().underruns;
  }

  get state(): ServerMessageOf<"state"> | undefined {
    return this.all("state").at(-1)?.message;
  }

  all<T extends ServerMessage["type"]>(
    type: T,
    sinceMs = 0,
  ): Array<{ atMs: number; message: ServerMessageOf<T> }> {
    return this.heard.filter(
      (each): each is { atMs: number; message: ServerMessageOf<T> } =>
        each.message.type === type && each.atMs >= sinceMs,
    );
  }

  /** Says something, from the next frame on. */
  say(samples: Int16Array, offsetSamples = 0): Spoken {
    return this.microphone.say(samples, offsetSamples);
  }

  /** Resolves at the first tick at which it holds, with whether it did in time. Rejects when the session ends first. */
  async until(holds: () => boolean, timeoutMs: number): Promise<boolean> {
    const deadlineMs = performance.now() + timeoutMs;
    let held = false;
    await new Promise<void>((resolve) => {
      this.#waiting.push({
        holds: () => {
          held = holds();
          return held || this.#closed !== undefined || performance.now() > deadlineMs;
        },
        resolve,
      });
    });
    if (!held && this.#closed !== undefined) throw this.#closed;
    return held;
  }

  async wait(ms: number): Promise<void> {
    await this.until(() => false, ms);
  }

  /** Asks for this to be spoken, and resolves when its first sample sounds. Asks again where the answer to something said before overtook it. */
  async startReply(text: string): Promise<HeardReply> {
    for (let time = 0; time < ASKED_TIMES_MAX; time++) {
      const before = this.reply?.epoch ?? -1;
      this.session.say(text);
      const sounds = () => {
        const reply = this.reply;
        // An answer that was begun a moment before may sound first.
        const isThis = reply !== undefined && text.startsWith(reply.text.slice(0, OPENING_CHARS));
        return isThis && reply.epoch > before && reply.positionSamples > 0;
      };
      if (await this.until(sounds, REPLY_MS_MAX)) return this.reply as HeardReply;
    }
    const heard = this.heard.slice(-20).map(({ message }) => JSON.stringify(message).slice(0, 120));
    throw new Error(`no reply began to sound; what was heard last:\n${heard.join("\n")}`);
  }

  /** Forgets what was heard before, the newest reply excepted. */
  forget(): void {
    const state = this.all("state").at(-1);
    this.heard.splice(0, this.heard.length, ...(state === undefined ? [] : [state]));
    this.pauses.splice(0);
    this.#replies.splice(0, this.#replies.length - 1);
  }

  #send(frame: Int16Array): void {
    this.session.sendMicrophone(frame);
    this.#framesPushed += frame.length;
    if (this.session.microphoneStats().sentSamples < this.#framesPushed) this.lateFrames++;
  }

  #listen(): void {
    const types = [
      "state",
      "transcript",
      "reply",
      "interruption",
      "caption",
      "metrics",
      "hold",
      "release",
      "clear",
    ] as const;
    for (const type of types) {
      this.session.on(type, (message: ServerMessage) => this.#told(message));
    }
    this.session.on("error", (error) => {
      this.heard.push({
        atMs: performance.now(),
        message: { type: "error", code: error.code, message: error.message, retryable: false },
      });
    });
    this.session.on("voice", (frame) => {
      if (this.#stopped !== undefined && frame.epoch >= this.#stopped.epoch) {
        this.#stopped = undefined;
      }
      this.replyOf(frame.epoch)?.sent(frame);
    });
    this.session.on("closed", ({ error }) => {
      this.#closed ??= error ?? new Error("the server ended the session");
    });
  }

  #told(message: ServerMessage): void {
    const atMs = performance.now();
    this.heard.push({ atMs, message });
    switch (message.type) {
      case "reply": {
        const known = this.replyOf(message.epoch);
        if (known === undefined) {
          this.#replies.push(new HeardReply(message, this.#options.tape === true));
          if (this.#replies.length > REPLIES_KEPT) this.#replies.shift();
        }
        this.replyOf(message.epoch)?.told(message, atMs);
        return;
      }
      case "caption":
        this.replyOf(message.epoch)?.captioned(message);
        return;
      case "interruption":
        this.#interruption(message, atMs);
        return;
      case "clear":
        this.#stopped = { epoch: message.epoch, fadeSamples: FADE_SAMPLES };
        for (const reply of this.#replies) {
          if (reply.epoch < message.epoch) reply.stopped(atMs);
        }
        this.#endPause("stopped", atMs);
        return;
      default:
        return;
    }
  }

  #interruption(message: ServerMessageOf<"interruption">, atMs: number): void {
    if (message.decision !== "pause") {
      this.pauses.at(-1)?.decisions.push({ atMs, message });
      return;
    }
    const detectionMs = this.microphone.sentMs(message.inputSamples) ?? atMs;
    this.pauses.push({
      epoch: message.epoch,
      message,
      arrivedMs: atMs,
      detectionMs,
      decidedMs: detectionMs + message.decisionMs,
      silenceMs: undefined,
      overMs: undefined,
      over: undefined,
      decisions: [],
    });
  }

  #endPause(over: "resumed" | "stopped" | "ended", atMs: number): void {
    const pause = this.pauses.at(-1);
    if (pause === undefined || pause.over !== undefined) return;
    pause.silenceMs ??= this.#lastSoundMs;
    pause.over = over;
    pause.overMs = atMs;
  }

  #played(quantum: Quantum): void {
    const { count, offset, epoch } = quantum;
    const pause = this.pauses.at(-1);
    if (pause?.over === undefined && pause?.silenceMs !== undefined && count > 0) {
      this.#endPause(
        epoch === pause.epoch ? "resumed" : "ended",
        playedMs(quantum, offset) - 1000 / SAMPLE_RATE_HZ,
      );
    }
    if (count > 0) this.#lastSoundMs = playedMs(quantum, offset + count - 1);
    if (pause !== undefined && pause.silenceMs === undefined && offset + count < QUANTUM_SAMPLES) {
      pause.silenceMs = this.#lastSoundMs;
    }
    this.replyOf(epoch)?.played(quantum, audibleMs(quantum));
    this.#checkStopped(quantum);
    if (quantum.empty && !this.#wasEmpty && this.#options.playback !== "none") {
      this.session.reportPlayback();
    }
    this.#wasEmpty = quantum.empty;
    const waiting = this.#waiting;
    this.#waiting = waiting.filter((each) => {
      const over = each.holds();
      if (over) each.resolve();
      return !over;
    });
  }

  #checkStopped({ samples }: Quantum): void {
    const stopped = this.#stopped;
    if (stopped === undefined) return;
    for (const sample of samples) {
      if (stopped.fadeSamples > 0) stopped.fadeSamples--;
      else if (sample !== 0) this.staleSamples++;
    }
  }

  /** A client that does not say what it plays still plays. */
  #playUnreported(): void {
    const { playout } = this.#device;
    this.session.on("ready", ({ leaseEpoch }) => playout.lease(leaseEpoch));
    this.session.on("reply", (message) => playout.begin(message));
    this.session.on("voice", (frame) => playout.accept(frame));
    this.session.on("hold", ({ replyId, pauseSeq }) => playout.hold(replyId, pauseSeq));
    this.session.on("release", ({ replyId, resumeSeq }) => playout.release(replyId, resumeSeq));
    this.session.on("clear", ({ epoch }) => playout.clear(epoch));
  }
}

/** A worker that is busy with others may take this long for a first sentence. */
const REPLY_MS_MAX = 12_000;
const ASKED_TIMES_MAX = 3;
const REPLIES_KEPT = 4;
/** So far no two texts begin alike. */
const OPENING_CHARS = 12;
const FADE_SAMPLES = (10 * SAMPLE_RATE_HZ) / 1000;
