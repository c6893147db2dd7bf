/** A listener who believes nothing: checks each message and frame against the protocol's promises, plays what it is sent, and reports as well or badly as it is told to. */
import {
  type ClientMessage,
  type ClientMessageOf,
  FRAME_SAMPLES,
  LEAD_MS,
  type ServerMessage,
} from "@antiphon/protocol";
import type { FakeClock } from "@antiphon/runtime/testing";
import type { OutgoingVoiceFrame, Transport, TransportEnd } from "../ports.ts";

export interface ListenerHabits {
  /** "never" has promised to report and does not. */
  reports: "well" | "late" | "never";
}

export class StrictListener implements Transport {
  readonly traits = { leadMs: LEAD_MS, holds: true, reports: true };
  /** Promises that were broken. */
  readonly broken: string[] = [];
  /** What each reply that was heard came to, in order. */
  readonly doneTexts: string[] = [];
  /** What the person said, as told. */
  readonly finals: string[] = [];
  readonly announced = new Set<string>();
  committed = 0;
  state = "idle";
  end: TransportEnd | undefined;
  readonly #clock: FakeClock;
  readonly #habits: ListenerHabits;
  readonly #done = new Set<string>();
  readonly #epochOf = new Map<string, number>();
  #clearedEpoch = 0;
  #playing: { epoch: number; frames: number; startMs: number } | undefined;
  #frameEpoch = 0;
  #nextSeq = 0;
  #reportDueMs = 0;
  #clears: ClientMessage[] = [];
  #ready = false;
  #held: { replyId: string; pauseSeq: number; atMs: number } | undefined;
  readonly #pauseSeqs = new Map<string, number>();

  constructor(clock: FakeClock, habits: ListenerHabits) {
    this.#clock = clock;
    this.#habits = habits;
  }

  send(message: ServerMessage): void {
    this.#demand(this.end === undefined, `${message.type} after the close`);
    if (message.type === "ready") this.#ready = true;
    if (message.type === "state") this.state = message.thinking ? "thinking" : message.state;
    // A final without words takes back what was shown of a turn that is none.
    if (message.type === "transcript" && message.final && message.text !== "") {
      this.finals.push(message.text);
    }
    if (message.type === "hold") this.#hold(message.replyId, message.pauseSeq);
    if (message.type === "release") {
      this.#demand(this.#held?.replyId === message.replyId, "a release of what is not held");
      this.#demand(this.#held?.pauseSeq === message.resumeSeq, "a release of another hold");
      if (this.#playing !== undefined && this.#held !== undefined) {
        this.#playing.startMs += this.#clock.nowMs() - this.#held.atMs;
      }
      this.#held = undefined;
    }
    if (message.type === "input_committed") this.committed++;
    if (message.type === "reply") this.#reply(message);
    if (message.type === "clear") {
      this.#demand(message.epoch > this.#clearedEpoch, "a clear that clears nothing");
      this.#clears = this.#report();
      this.#clearedEpoch = message.epoch;
      this.#held = undefined;
      this.#playing = undefined;
      const { epoch } = message;
      this.#clears.push({ ...NOTHING, epoch });
    }
  }

  sendVoice(frame: OutgoingVoiceFrame): void {
    this.#demand(this.end === undefined, "a frame after the close");
    this.#demand(this.#ready, "a frame before ready");
    this.#demand(this.#held === undefined, "a frame while the reply is held");
    this.#demand(frame.epoch >= this.#clearedEpoch, "a frame of a cleared epoch");
    this.#demand(frame.epoch >= this.#frameEpoch, "a frame of an older epoch than the last");
    if (frame.epoch > this.#frameEpoch) {
      this.#frameEpoch = frame.epoch;
      this.#nextSeq = 0;
      this.#playing = { epoch: frame.epoch, frames: 0, startMs: this.#clock.nowMs() };
    }
    this.#demand(frame.seq === this.#nextSeq, `frame ${frame.seq} where ${this.#nextSeq} was due`);
    this.#demand(frame.positionSamples === frame.seq * FRAME_SAMPLES, "a position that jumps");
    this.#nextSeq++;
    if (this.#playing !== undefined) this.#playing.frames++;
  }

  close(end: TransportEnd): void {
    this.#demand(this.end === undefined, "a second close");
    this.end = end;
  }

  /** What it has to say now. */
  reports(): ClientMessage[] {
    if (this.#habits.reports === "never") return [];
    const nowMs = this.#clock.nowMs();
    if (this.#habits.reports === "well" && this.#clears.length > 0) return this.#clears.splice(0);
    if (nowMs < this.#reportDueMs) return [];
    this.#reportDueMs = nowMs + (this.#habits.reports === "well" ? 100 : 450);
    return [...this.#clears.splice(0), ...this.#report()];
  }

  #hold(replyId: string, pauseSeq: number): void {
    this.#demand(this.#held === undefined, "a hold of what is held");
    this.#demand(
      pauseSeq > (this.#pauseSeqs.get(replyId) ?? 0),
      "a pause number that does not rise",
    );
    this.#pauseSeqs.set(replyId, pauseSeq);
    this.#held = { replyId, pauseSeq, atMs: this.#clock.nowMs() };
  }

  #reply(message: Extract<ServerMessage, { type: "reply" }>): void {
    const { replyId, epoch, text } = message;
    this.#demand(this.#ready || message.done, "a reply before ready");
    this.#demand(!this.#done.has(replyId), `reply ${replyId} goes on after its end`);
    this.#demand((this.#epochOf.get(replyId) ?? epoch) === epoch, "a reply changes its epoch");
    this.#epochOf.set(replyId, epoch);
    if (!message.done) {
      this.announced.add(replyId);
      return;
    }
    this.announced.delete(replyId);
    this.#done.add(replyId);
    if (text !== "") this.doneTexts.push(text);
  }

  #report(): ClientMessageOf<"playback">[] {
    const playing = this.#playing;
    if (playing === undefined) return [];
    const total = playing.frames * FRAME_SAMPLES;
    const untilMs = this.#held?.atMs ?? this.#clock.nowMs();
    const played = Math.min(total, Math.max(0, Math.floor((untilMs - playing.startMs) * 48)));
    const replyId = [...this.#epochOf].find(([, epoch]) => epoch === playing.epoch)?.[0] ?? null;
    const empty = played === total;
    return [{ type: "playback", epoch: playing.epoch, replyId, positionSamples: played, empty }];
  }

  #demand(holds: boolean, otherwise: string): void {
    if (!holds) this.broken.push(`${this.#clock.nowMs()} ms: ${otherwise}`);
  }
}

const NOTHING = {
  type: "playback",
  replyId: null,
  positionSamples: 0,
  empty: true,
} as const;
