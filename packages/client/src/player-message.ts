/** What the page's player and its processor on the audio thread say to each other. No behaviour. */
import type { VoiceFrame } from "@antiphon/protocol";
import type { PlaybackReport } from "./reply-player.ts";

export const PLAYER_PROCESSOR = "antiphon-player";

/** To the processor, in order; `seq` rises by one and comes back as `appliedSeq`. */
export type PlayerCommand = { seq: number } & (
  | { kind: "lease"; leaseEpoch: number }
  | { kind: "begin"; replyId: string; epoch: number }
  | { kind: "accept"; frame: VoiceFrame }
  | { kind: "hold"; replyId: string; pauseSeq: number }
  | { kind: "release"; replyId: string; resumeSeq: number }
  | { kind: "clear"; epoch: number }
  | { kind: "close" }
);

/** From the processor, once every 20 ms or so, whether anything sounds or not. */
export interface PlayerBlock {
  /** The newest command that had been carried out when the block was made. */
  appliedSeq: number;
  report: PlaybackReport;
  held: boolean;
  /** Loudest sample that left for the loudspeaker during the block, 0 to 1. */
  peak: number;
  /** When the block began, on the context's clock. */
  contextTimeS: number;
}
