/** A server's end of one session with a script for a mind: loud frames are speech, what was said is known beforehand, answers are tones. */
import {
  type ClientMessage,
  type ClientMessageOf,
  decodeMicrophoneFrame,
  encodeVoiceFrame,
  FRAME_BYTES,
  FRAME_MS,
  FRAME_SAMPLES,
  LEAD_MS,
  parseClientMessage,
  type ServerMessage,
  type SessionOptions,
} from "@antiphon/protocol";
import type { Clock, Timer } from "@antiphon/runtime";

export interface FakeConversationOptions {
  clock: Clock;
  send: (message: ServerMessage | Uint8Array) => void;
  close: (code: number) => void;
  /** What each turn is understood as; "" for noise. Afterwards "again". */
  heard: string[];
  /** How long each answer sounds. */
  replyFrames: number;
}

export class FakeConversation {
  readonly received: ClientMessage[] = [];
  options: SessionOptions = {};
  microphoneFrames = 0;
  readonly #server: FakeConversationOptions;
  #turn = 0;
  #epoch = 0;
  #acknowledgedSamples = 0;
  /** Of the turn under way. */
  #spoken = false;
  #silentFrames = 0;
  #reply: { epoch: number; text: string; sent: number; firstMs: number } | undefined;
  #timer: Timer | undefined;

  constructor(options: FakeConversationOptions) {
    this.#server = options;
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** What an edge says when it loses this end, or has found another. */
  upstream(status: "lost" | "restored"): void {
    this.#server.send({ type: "upstream", status });
  }

  receive(data: string | Uint8Array): void {
    if (typeof data === "string") this.#control(parseClientMessage(data));
    else this.#microphone(data);
  }

  #control(message: ClientMessage): void {
    this.received.push(message);
    switch (message.type) {
      case "session_start":
        this.options = message.options ?? {};
        this.#server.send({
          type: "ready",
          protocol: 1,
          sessionId: "fake",
          leaseEpoch: 1,
          voice: this.options.voice ?? "tone",
          inputLanguages: ["en"],
          responder: { kind: "built-in" },
        });
        this.#state();
        return;
      case "session_end":
        this.stop();
        this.#server.close(1000);
        return;
      case "say":
        this.#answer(message.text);
        return;
      case "text":
        this.#turn++;
        this.#answer(`You wrote ${message.text}.`);
        return;
      case "input_commit":
        this.#endTurn(true);
        return;
      case "playback":
        this.#playback(message);
        return;
      default:
        return;
    }
  }

  #microphone(data: Uint8Array): void {
    const { seq, pcm } = decodeMicrophoneFrame(data);
    if (seq !== this.microphoneFrames++) throw new Error(`frame ${seq} is out of order`);
    const samples = this.microphoneFrames * FRAME_SAMPLES;
    if (samples - this.#acknowledgedSamples >= 48_000) {
      this.#acknowledgedSamples = samples;
      this.#server.send({ type: "input_ack", samples, droppedSamples: 0 });
    }
    const loud = Math.abs(new DataView(pcm.buffer, pcm.byteOffset).getInt16(960, true)) > 1_000;
    if (loud && !this.#spoken) {
      this.#spoken = true;
      this.#interrupt();
      this.#state();
      this.#server.send({
        type: "transcript",
        turn: this.#turn + 1,
        final: false,
        text: "something",
      });
    }
    this.#silentFrames = loud ? 0 : this.#silentFrames + 1;
    const over = this.#spoken && this.#silentFrames === ENDPOINTING_FRAMES;
    if (over && this.options.endpointing !== "manual") this.#endTurn(false);
  }

  #endTurn(committed: boolean): void {
    const text = this.#spoken ? (this.#server.heard.shift() ?? "again") : "";
    this.#spoken = false;
    if (text !== "") {
      this.#turn++;
      this.#server.send({ type: "transcript", turn: this.#turn, final: true, text });
    }
    if (committed) this.#server.send({ type: "input_committed", turn: this.#turn, text });
    this.#state();
    if (text !== "" && this.options.respond !== false) this.#answer(`You said ${text}.`);
  }

  #answer(text: string): void {
    this.#interrupt();
    this.#epoch++;
    this.#reply = { epoch: this.#epoch, text, sent: 0, firstMs: this.#server.clock.nowMs() };
    this.#sendReply(text, false, false);
    this.#server.send({
      type: "metrics",
      turn: this.#turn,
      replyId: `r${this.#epoch}`,
      endOfSpeechToFirstAudioMs: 612.4,
      firstAudioLatencyMs: 80,
    });
    this.#state();
    this.#pace();
  }

  /** On a grid from the reply's start, at most the lead ahead of it. */
  #pace(): void {
    const reply = this.#reply;
    if (reply === undefined) return;
    const dueMs = this.#server.clock.nowMs() - reply.firstMs + LEAD_MS;
    while (reply.sent < this.#server.replyFrames && reply.sent * FRAME_MS <= dueMs) {
      this.#server.send(
        encodeVoiceFrame({
          leaseEpoch: 1,
          epoch: reply.epoch,
          utterance: 0,
          seq: reply.sent,
          positionSamples: reply.sent * FRAME_SAMPLES,
          // Every byte 0x20: samples of 8224, far from silence.
          pcm: new Uint8Array(FRAME_BYTES).fill(0x20),
        }),
      );
      reply.sent++;
    }
    this.#timer = this.#server.clock.setTimer(FRAME_MS, () => this.#pace());
  }

  #playback(message: ClientMessageOf<"playback">): void {
    const reply = this.#reply;
    if (reply === undefined || message.epoch !== reply.epoch) return;
    if (message.positionSamples < this.#server.replyFrames * FRAME_SAMPLES) return;
    this.#finishReply(reply.text, false);
  }

  #interrupt(): void {
    const reply = this.#reply;
    if (reply === undefined) return;
    this.#epoch++;
    this.#server.send({ type: "clear", epoch: this.#epoch });
    this.#finishReply(reply.text.split(" ").slice(0, 2).join(" "), true);
  }

  #finishReply(text: string, interrupted: boolean): void {
    this.#timer?.cancel();
    this.#sendReply(text, true, interrupted);
    this.#reply = undefined;
    this.#state();
  }

  #sendReply(text: string, done: boolean, interrupted: boolean): void {
    const epoch = this.#reply?.epoch ?? 0;
    const replyId = `r${epoch}`;
    this.#server.send({
      type: "reply",
      replyId,
      epoch,
      turn: this.#turn,
      text,
      done,
      interrupted,
    });
  }

  #state(): void {
    this.#server.send({
      type: "state",
      state: this.#reply === undefined ? "listening" : "speaking",
      thinking: false,
      held: false,
      userSpeaking: this.#spoken,
    });
  }
}

/** 500 ms. */
const ENDPOINTING_FRAMES = 25;
