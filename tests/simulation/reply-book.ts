/** Every reply of a run as the wire told it: its text, its frames, what was reported of it. Owns the book; what must be true of it is demanded by the watches. */
import { FRAME_SAMPLES } from "@antiphon/protocol";
import type { SpokenUtterance } from "./voice-ledger.ts";

/** One utterance of a reply, from its first frame on. */
export interface SentUtterance {
  number: number;
  spoken: SpokenUtterance;
  /** In the reply. */
  startSample: number;
  framesSent: number;
}

export interface BookedReply {
  replyId: string;
  epoch: number;
  /** As written so far; at the end what was said to have been heard. */
  text: string;
  done: boolean;
  interrupted: boolean;
  framesSent: number;
  utterances: SentUtterance[];
  /** Utterances whose words' times were told. */
  captions: Map<number, Array<{ text: string; startSample: number; endSample: number }>>;
  firstFrameMs: number;
  lastFrameMs: number;
  /** Of time held so far, and since when it is. */
  heldMs: number;
  heldSinceMs: number | undefined;
  /** Of the newest hold and the newest release. */
  pauseSeq: number;
  resumeSeq: number;
  /** By the listener, as far as the server knows. */
  reportedSamples: number;
  /** STOP was said. */
  stoppedMs: number | undefined;
}

export class ReplyBook {
  readonly replies: BookedReply[] = [];

  ofId(replyId: string): BookedReply | undefined {
    return this.replies.find((reply) => reply.replyId === replyId);
  }

  ofEpoch(epoch: number): BookedReply | undefined {
    return this.replies.find((reply) => reply.epoch === epoch);
  }

  add(replyId: string, epoch: number): BookedReply {
    const reply: BookedReply = {
      replyId,
      epoch,
      text: "",
      done: false,
      interrupted: false,
      framesSent: 0,
      utterances: [],
      captions: new Map(),
      firstFrameMs: 0,
      lastFrameMs: 0,
      heldMs: 0,
      heldSinceMs: undefined,
      pauseSeq: 0,
      resumeSeq: 0,
      reportedSamples: 0,
      stoppedMs: undefined,
    };
    this.replies.push(reply);
    return reply;
  }

  /** The reply of which frames were sent and that is neither over nor stopped. */
  get sounding(): BookedReply | undefined {
    return this.replies.find(
      (reply) => reply.framesSent > 0 && !reply.done && reply.stoppedMs === undefined,
    );
  }
}

export function sentSamples(reply: BookedReply): number {
  return reply.framesSent * FRAME_SAMPLES;
}

/** The words whose middle lies before this position, in order. */
export function wordsUntil(reply: BookedReply, samples: number): string[] {
  return reply.utterances.flatMap(({ spoken, startSample }) =>
    spoken.words
      .filter((word) => startSample + (word.startSample + word.endSample) / 2 < samples)
      .map((word) => word.text),
  );
}

export function isBeginOf(words: readonly string[], all: readonly string[]): boolean {
  return words.length <= all.length && words.every((word, index) => word === all[index]);
}
