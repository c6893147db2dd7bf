/** What a session needs of a player, and what a player says of itself. Interfaces only. */
import type { VoiceFrame } from "@antiphon/protocol";

/** Plays replies; `Playout` is one, and the page's player stands for the one in its worklet. */
export interface ReplyPlayer {
  lease(leaseEpoch: number): void;
  begin(reply: { replyId: string; epoch: number }): void;
  /** The frame's `pcm` is the callee's to keep. */
  accept(frame: VoiceFrame): void;
  hold(replyId: string, pauseSeq: number): void;
  release(replyId: string, resumeSeq: number): void;
  clear(epoch: number): void;
  /** Not `empty` from `accept` until that frame was played, even where the answer comes from another thread. */
  report(): PlaybackReport;
}

export interface PlaybackReport {
  epoch: number;
  /** Null: no reply of this epoch is known. */
  replyId: string | null;
  /** Of the reply, played. */
  positionSamples: number;
  /** Nothing is buffered. */
  empty: boolean;
}

export interface PlayoutStats {
  /** The playout's own time. */
  pulledSamples: number;
  /** Of replies. */
  playedSamples: number;
  /** On the pulled samples' time: the last one that was not silence; −1 before the first. */
  lastSoundingSample: number;
  underruns: number;
  underrunSamples: number;
  /** Steps in `seq`. */
  missingFrames: number;
  repeatedFrames: number;
  staleFrames: number;
  overflowFrames: number;
}
