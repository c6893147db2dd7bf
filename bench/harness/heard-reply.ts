/** One reply as its listener knows it: its words, when they sound, how far it was played. Owns no time of its own. */
import type { ServerMessageOf, VoiceFrame } from "@antiphon/protocol";
import type { Quantum } from "./device.ts";
import { Tape } from "./tape.ts";

export class HeardReply {
  readonly replyId: string;
  readonly epoch: number;
  /** The person's turn that it answers, or the last one. */
  readonly turn: number;
  /** As far as it is written. */
  text = "";
  /** Its words in order, with the samples of the reply at which they sound. */
  readonly words: ServerMessageOf<"caption">["words"] = [];
  /** At its end: the words that were heard, as the server knows them. */
  done: { atMs: number; text: string; interrupted: boolean } | undefined;
  /** Its STOP arrived. */
  stoppedMs: number | undefined;
  /** Samples of it that were played. */
  positionSamples = 0;
  /** The first sample above −45 dBFS sounded. */
  firstAudibleMs: number | undefined;
  readonly tape: Tape | undefined;

  constructor(message: ServerMessageOf<"reply">, taped: boolean) {
    this.replyId = message.replyId;
    this.epoch = message.epoch;
    this.turn = message.turn;
    this.tape = taped ? new Tape() : undefined;
  }

  told({ text, done, interrupted }: ServerMessageOf<"reply">, atMs: number): void {
    if (!done) this.text = text;
    else this.done = { atMs, text, interrupted };
  }

  captioned(message: ServerMessageOf<"caption">): void {
    this.words.push(...message.words);
  }

  sent(frame: VoiceFrame): void {
    this.tape?.sent(frame);
  }

  /** A quantum of the time from its first sample to the next reply's: sounding or not. */
  played(quantum: Quantum, audibleMs: number | undefined): void {
    this.tape?.played(quantum.samples, quantum.offset, quantum.count);
    if (quantum.count === 0) return;
    this.positionSamples = quantum.positionSamples;
    this.firstAudibleMs ??= audibleMs;
  }

  stopped(atMs: number): void {
    this.stoppedMs ??= atMs;
  }
}
