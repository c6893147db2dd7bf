/** A listener in memory: keeps what was sent, plays frames on the fake clock, and reports playback as a client does. */
import type { ClientMessage, ServerMessage, ServerMessageOf } from "@antiphon/protocol";
import { FRAME_SAMPLES, LEAD_MS } from "@antiphon/protocol";
import type { OutgoingVoiceFrame, Transport, TransportEnd } from "../ports.ts";

export interface HeardFrame extends Omit<OutgoingVoiceFrame, "pcm"> {
  atMs: number;
}

export class MemoryTransport implements Transport {
  readonly traits = { leadMs: LEAD_MS, holds: true, reports: true };
  readonly messages: ServerMessage[] = [];
  readonly frames: HeardFrame[] = [];
  end: TransportEnd | undefined;
  readonly #nowMs: () => number;
  #epoch = 0;
  #replyEpoch = 0;
  #heldAtMs: number | undefined;
  /** How long the newest reply has been held. */
  #heldMs = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  send(message: ServerMessage): void {
    this.messages.push(message);
    if (message.type === "clear") this.#epoch = message.epoch;
    if (message.type === "reply" && message.epoch > this.#replyEpoch) {
      this.#replyEpoch = message.epoch;
      this.#heldMs = 0;
    }
    if (message.type === "hold") this.#heldAtMs = this.#nowMs();
    if (message.type === "release" && this.#heldAtMs !== undefined) {
      this.#heldMs += this.#nowMs() - this.#heldAtMs;
      this.#heldAtMs = undefined;
    }
    if (message.type === "clear") this.#heldAtMs = undefined;
  }

  sendVoice(frame: OutgoingVoiceFrame): void {
    const { pcm: _, ...rest } = frame;
    this.frames.push({ ...rest, atMs: this.#nowMs() });
  }

  close(end: TransportEnd): void {
    this.end = end;
  }

  all<T extends ServerMessage["type"]>(type: T): ServerMessageOf<T>[] {
    return this.messages.filter((each): each is ServerMessageOf<T> => each.type === type);
  }

  /** Distinct states in the order in which they were said, thinking included. */
  states(): string[] {
    const names = this.all("state").map((each) => (each.thinking ? "thinking" : each.state));
    return names.filter((name, index) => name !== names[index - 1]);
  }

  /** The report of a client that has played everything it was sent up to `lagMs` ago. */
  playback(lagMs = 0): Extract<ClientMessage, { type: "playback" }> {
    const epochs = this.all("reply");
    const newest = this.frames.at(-1);
    if (newest === undefined || newest.epoch < this.#epoch) {
      return {
        type: "playback",
        epoch: this.#epoch,
        replyId: null,
        positionSamples: 0,
        empty: true,
      };
    }
    const own = this.frames.filter((frame) => frame.epoch === newest.epoch);
    const startMs = own[0]?.atMs ?? 0;
    const total = own.length * FRAME_SAMPLES;
    const soundingMs = (this.#heldAtMs ?? this.#nowMs()) - startMs - this.#heldMs - lagMs;
    const played = Math.max(0, Math.min(total, Math.floor(soundingMs * 48)));
    const replyId = epochs.find((each) => each.epoch === newest.epoch)?.replyId ?? null;
    return {
      type: "playback",
      epoch: newest.epoch,
      replyId,
      positionSamples: played,
      empty: played === total,
    };
  }
}
