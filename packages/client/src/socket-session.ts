/** The client's end of the session socket: a conversation as typed events and methods. Owns the socket; sound is the player's, the network's ups and downs after the end are the caller's. */
import {
  AntiphonError,
  CLOSE_NORMAL,
  type ClientMessage,
  decodeVoiceFrame,
  ERROR_MAP,
  parseServerMessage,
  type ServerMessage,
  type ServerMessageOf,
  type SessionOptions,
  SOCKET_SUBPROTOCOL,
  TICKET_SUBPROTOCOL_PREFIX,
  type VoiceFrame,
} from "@antiphon/protocol";
import { type Clock, systemClock, type Timer } from "@antiphon/runtime";
import { MicrophoneUplink, type MicrophoneUplinkStats } from "./microphone-uplink.ts";
import { PlaybackReporter } from "./playback-reporter.ts";
import type { ReplyPlayer } from "./reply-player.ts";
import { endOf, errorOf, type SessionEnd } from "./session-end.ts";
import type { ConnectTarget, ResumePoint, Socket, SocketConstructor } from "./socket.ts";
import { TypedEmitter } from "./typed-emitter.ts";

/**
 * One socket of a session, from `connect` to `closed` (emitted once). Add listeners before `connect`: the first messages may come
 * in one piece with `ready`. To go on after a loss, take a new ticket and a new SocketSession, with `resume`.
 */
export class SocketSession extends TypedEmitter<SocketSessionEvents> {
  readonly #clock: Clock;
  readonly #player: ReplyPlayer | undefined;
  readonly #construct: SocketConstructor;
  readonly #uplink: MicrophoneUplink;
  readonly #reporter: PlaybackReporter | undefined;
  #socket: Socket | undefined;
  #phase: "new" | "connecting" | "open" | "closed" = "new";
  #options: SessionOptions = {};
  #muted = false;
  /** The way behind the edge is broken: what is sent reaches nobody. */
  #lost = false;
  #ready: ServerMessageOf<"ready"> | undefined;
  /** A reply is being made or played. */
  #unfinishedReplyId: string | undefined;
  #lastError: AntiphonError | undefined;
  #timer: Timer | undefined;
  #settleConnect: ((end: SessionEnd) => void) | undefined;

  constructor(options: SocketSessionOptions = {}) {
    super();
    this.#clock = options.clock ?? systemClock;
    this.#player = options.player;
    this.#construct =
      options.webSocket ?? (globalThis as unknown as { WebSocket: SocketConstructor }).WebSocket;
    this.#uplink = new MicrophoneUplink({
      clock: this.#clock,
      mode: options.input ?? "live",
      send: (message) => this.#socket?.send(message as Uint8Array<ArrayBuffer>),
      bufferedBytes: () => this.#socket?.bufferedAmount ?? 0,
    });
    const player = options.player;
    if (player !== undefined) {
      this.#reporter = new PlaybackReporter({
        clock: this.#clock,
        report: () => player.report(),
        send: (message) => this.#sendIfOpen(message),
      });
    }
  }

  /** Resolves when the server is `ready`. Rejects with the server's error, or after the deadline; `closed` is emitted then too. */
  connect(target: ConnectTarget): Promise<ServerMessageOf<"ready">> {
    if (this.#phase !== "new") {
      throw new AntiphonError("failed_precondition", "A SocketSession connects once.");
    }
    this.#phase = "connecting";
    this.#options = {
      ...target.options,
      ...(this.#player === undefined ? { playback: "none" as const } : {}),
    };
    const socket = new this.#construct(target.streamUrl, [
      SOCKET_SUBPROTOCOL,
      TICKET_SUBPROTOCOL_PREFIX + target.ticket,
    ]);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#onOpen(target.resume);
    socket.onmessage = (event: { data: unknown }) => this.#onMessage(event.data);
    socket.onclose = ({ code }: { code: number }) =>
      this.#finish(
        endOf({ code, lastError: this.#lastError, wasReady: this.#ready !== undefined }),
      );
    // Says nothing that the close after it does not say.
    socket.onerror = () => {};
    const deadlineMs = target.deadlineMs ?? CONNECT_DEADLINE_MS;
    this.#timer = this.#clock.setTimer(deadlineMs, () =>
      this.#fail(
        new AntiphonError(
          "deadline_exceeded",
          `The server was not ready within ${deadlineMs / 1000} s.`,
        ),
      ),
    );
    return new Promise((resolve, reject) => {
      this.#settleConnect = (end) => {
        this.#settleConnect = undefined;
        this.#timer?.cancel();
        if (this.#ready !== undefined) resolve(this.#ready);
        else reject(end.error ?? new AntiphonError("unavailable", "The session ended at once."));
      };
    });
  }

  /** One frame of 20 ms: 960 samples at 48 kHz, mono. Live: a frame that is too much drops the oldest (see `microphoneStats`). */
  sendMicrophone(pcm: Uint8Array | Int16Array): void {
    if (this.#phase === "open") this.#uplink.push(pcm);
  }

  /** With `input: "file"`: await before each `sendMicrophone`. */
  readyToSend(): Promise<void> {
    return this.#uplink.readyToSend();
  }

  microphoneStats(): MicrophoneUplinkStats {
    return this.#uplink.stats();
  }

  /** The person's turn, typed. It and the next three throw `unavailable` from `upstream` `lost` to `restored`: nobody would get it. */
  text(text: string): void {
    this.#ask({ type: "text", text });
  }

  /** Speak this. */
  say(text: string): void {
    this.#ask({ type: "say", text });
  }

  interrupt(): void {
    this.#ask({ type: "interrupt" });
  }

  /** The person is done; answered by `input_committed`. */
  inputCommit(): void {
    this.#ask({ type: "input_commit" });
  }

  /** Holds until `unmute`, whatever becomes of the server: whoever takes its place is told. */
  mute(): void {
    this.#setMuted(true);
  }

  unmute(): void {
    this.#setMuted(false);
  }

  /** Reports playback at once; a player that ran empty calls this. */
  reportPlayback(): void {
    if (this.#phase === "open") this.#reporter?.reportNow();
  }

  /** Hangs up. Resolves when the socket is closed, by the server or after two seconds by us. */
  end(): Promise<void> {
    if (this.#phase === "closed" || this.#phase === "new") return Promise.resolve();
    return new Promise((resolve) => {
      this.on("closed", () => resolve());
      this.#sendIfOpen({ type: "session_end" });
      this.#timer?.cancel();
      this.#timer = this.#clock.setTimer(END_DEADLINE_MS, () => this.#close(CLOSE_NORMAL, {}));
    });
  }

  #onOpen(resume: ResumePoint | undefined): void {
    if (this.#phase !== "connecting") return;
    this.#phase = "open";
    this.#start(resume);
  }

  #start(resume: ResumePoint | undefined): void {
    this.#send({ type: "session_start", options: this.#options });
    // A session begins unmuted, and frames may follow at once.
    if (this.#muted) this.#send({ type: "mute" });
    if (resume === undefined) return;
    const { replyId, positionSamples } = resume;
    this.#send({ type: "resume", replyId, positionSamples });
  }

  #onMessage(data: unknown): void {
    if (this.#phase !== "open") return;
    try {
      if (typeof data === "string") this.#onControl(parseServerMessage(data));
      else this.#onVoice(decodeVoiceFrame(new Uint8Array(data as ArrayBuffer)));
    } catch (reason) {
      if (!(reason instanceof AntiphonError)) throw reason;
      this.#fail(reason);
    }
  }

  #onVoice(frame: VoiceFrame): void {
    this.#player?.accept(frame);
    this.#reporter?.frameArrived();
    this.emit("voice", frame);
  }

  #onControl(message: ServerMessage): void {
    switch (message.type) {
      case "ready":
        this.#ready = message;
        this.#player?.lease(message.leaseEpoch);
        this.#settleConnect?.({});
        break;
      case "reply":
        this.#player?.begin(message);
        this.#unfinishedReplyId = message.done ? undefined : message.replyId;
        break;
      case "hold":
        this.#player?.hold(message.replyId, message.pauseSeq);
        break;
      case "release":
        this.#player?.release(message.replyId, message.resumeSeq);
        break;
      case "clear":
        this.#clear(message.epoch);
        break;
      case "input_ack":
        this.#uplink.acknowledge(message.samples, message.droppedSamples);
        break;
      case "upstream":
        this.#onUpstream(message.status);
        break;
      case "error":
        this.#lastError = errorOf(message);
        this.emit("error", this.#lastError);
        return;
      default:
        break;
    }
    this.emit(message.type, message as never);
  }

  #clear(epoch: number): void {
    if (this.#player === undefined) return;
    const before = this.#player.report();
    this.#player.clear(epoch);
    this.#reporter?.cleared(epoch, before);
  }

  /** Behind a mended way is a new socket for the orchestrator, and maybe another orchestrator: it is told what the first was told. */
  #onUpstream(status: "lost" | "restored"): void {
    this.#lost = status === "lost";
    if (this.#lost) {
      this.#uplink.suspend();
      return;
    }
    const report = this.#player?.report();
    const unfinished = report !== undefined && report.replyId === this.#unfinishedReplyId;
    this.#start(unfinished ? report : undefined);
    this.#uplink.resume();
  }

  /** For what is said once and means nothing later. */
  #ask(message: ClientMessage): void {
    if (this.#lost) {
      throw new AntiphonError(
        "unavailable",
        "The server is away for a moment, so this did not reach it. Try again once it is back.",
      );
    }
    this.#send(message);
  }

  #setMuted(muted: boolean): void {
    if (!this.#lost) this.#send({ type: muted ? "mute" : "unmute" });
    this.#muted = muted;
  }

  #send(message: ClientMessage): void {
    if (this.#phase !== "open") {
      throw new AntiphonError("failed_precondition", "The session is not connected.");
    }
    this.#socket?.send(JSON.stringify(message));
  }

  #sendIfOpen(message: ClientMessage): void {
    if (this.#phase === "open") this.#socket?.send(JSON.stringify(message));
  }

  #fail(error: AntiphonError): void {
    this.#close(ERROR_MAP[error.code].close, { error });
  }

  /** Ends on our side: what the socket still has to say is not waited for. */
  #close(code: number, end: SessionEnd): void {
    this.#finish(end);
    this.#socket?.close(code, end.error?.code ?? "");
  }

  #finish(end: SessionEnd): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#lost = false;
    this.#timer?.cancel();
    this.#reporter?.stop();
    this.#uplink.end(end.error ?? new AntiphonError("unavailable", "The session is over."));
    this.#settleConnect?.(end);
    this.emit("closed", end);
  }
}

export interface SocketSessionOptions {
  clock?: Clock;
  /** Default: the global one of browsers and Node. */
  webSocket?: SocketConstructor;
  /** Without one the session declares `playback: "none"`; frames come as `voice` events in both cases. */
  player?: ReplyPlayer;
  /** Default: live. */
  input?: "live" | "file";
}

export type SocketSessionEvents = {
  [T in Exclude<ServerMessage["type"], "error">]: ServerMessageOf<T>;
} & {
  /** An `error` message; the session may go on. */
  error: AntiphonError;
  voice: VoiceFrame;
  closed: SessionEnd;
};

/** A cold start loads a model's voice before it is ready; more than this is no conversation. */
const CONNECT_DEADLINE_MS = 15_000;
/** A server that hears `session_end` closes within a round trip. */
const END_DEADLINE_MS = 2_000;
