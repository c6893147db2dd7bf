/** What the page knows of a player that lives on the audio thread: its last report, and what is still on the way to it. No audio, no thread. */
import type { VoiceFrame } from "@antiphon/protocol";
import type { PlaybackReport } from "./reply-player.ts";

/**
 * A report is asked for and answered in one call, but the player's answer is 20 ms old. A frame that was sent and not yet taken must
 * not be called played, and what was cleared must not be called playing: so the last report is corrected by what was sent after it.
 */
export class PlayerMirror {
  #reported: PlaybackReport = NOTHING;
  #appliedSeq = 0;
  #leaseEpoch = 0;
  /** The newest lease or clear: until it was applied, reports are of a time before. */
  #floor: { seq: number; epoch: number } = { seq: 0, epoch: 0 };
  /** The newest frame that the player will take. */
  #lastFrameSeq = 0;
  /** The first frame of the newest epoch, for a player that has not seen it yet. */
  #firstFrame: { epoch: number; positionSamples: number } = { epoch: 0, positionSamples: 0 };
  #newestReply: { replyId: string; epoch: number } | undefined;
  #blocksSinceAsked = 0;

  /**
   * The player said so, once a block. True when the server should hear of it now: the player ran empty, or it plays and nobody
   * asked for too long.
   */
  reported(appliedSeq: number, report: PlaybackReport): boolean {
    const wasEmpty = this.#current().empty;
    this.#appliedSeq = appliedSeq;
    this.#reported = report;
    this.#blocksSinceAsked++;
    return this.#current().empty ? !wasEmpty : this.#blocksSinceAsked >= OVERDUE_BLOCKS;
  }

  sentLease(seq: number, leaseEpoch: number): void {
    if (leaseEpoch <= this.#leaseEpoch) return;
    this.#leaseEpoch = leaseEpoch;
    this.#floor = { seq, epoch: 0 };
    this.#lastFrameSeq = 0;
    this.#firstFrame = { epoch: 0, positionSamples: 0 };
    this.#newestReply = undefined;
  }

  sentReply(reply: { replyId: string; epoch: number }): void {
    if (this.#newestReply !== undefined && reply.epoch <= this.#newestReply.epoch) return;
    this.#newestReply = { replyId: reply.replyId, epoch: reply.epoch };
  }

  sentFrame(seq: number, frame: VoiceFrame): void {
    if (frame.leaseEpoch > this.#leaseEpoch) this.sentLease(seq, frame.leaseEpoch);
    if (frame.leaseEpoch < this.#leaseEpoch || frame.epoch < this.#floor.epoch) return;
    this.#lastFrameSeq = seq;
    if (frame.epoch > this.#firstFrame.epoch) {
      this.#firstFrame = { epoch: frame.epoch, positionSamples: frame.positionSamples };
    }
  }

  sentClear(seq: number, epoch: number): void {
    if (epoch < this.#floor.epoch) return;
    this.#floor = { seq, epoch };
    this.#lastFrameSeq = 0;
  }

  report(): PlaybackReport {
    this.#blocksSinceAsked = 0;
    return this.#current();
  }

  #current(): PlaybackReport {
    const known =
      this.#floor.seq > this.#appliedSeq
        ? { ...NOTHING, epoch: this.#floor.epoch }
        : this.#reported;
    if (!known.empty || this.#lastFrameSeq <= this.#appliedSeq) return { ...known };
    if (known.epoch === this.#firstFrame.epoch) return { ...known, empty: false };
    const { epoch, positionSamples } = this.#firstFrame;
    const replyId = this.#newestReply?.epoch === epoch ? this.#newestReply.replyId : null;
    return { epoch, replyId, positionSamples, empty: false };
  }
}

/**
 * 160 ms, and reports are due every 100. Timers of a hidden page run once a second, too rarely for a server that sends no more than
 * half a second unreported; the audio thread's messages keep coming.
 */
const OVERDUE_BLOCKS = 8;

const NOTHING: PlaybackReport = { epoch: 0, replyId: null, positionSamples: 0, empty: true };
