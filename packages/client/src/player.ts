/** A browser's loudspeaker as the player of a session. Owns the audio node; buffering and position are the `Playout`'s on the audio thread. */
import type { VoiceFrame } from "@antiphon/protocol";
import { PLAYER_PROCESSOR, type PlayerBlock, type PlayerCommand } from "./player-message.ts";
import { PlayerMirror } from "./player-mirror.ts";
import type { PlaybackReport, ReplyPlayer } from "./reply-player.ts";

export interface PlayerOptions {
  /** At 48 kHz; the browser resamples to the device. */
  context: AudioContext;
  /** Where the bundler put `player.worklet.ts`. */
  workletUrl: string;
  /** What left for the loudspeaker, every 20 ms. */
  onBlock: (block: PlayerBlock) => void;
  /** All that was buffered has been played, or a report is overdue: tell the session (`reportPlayback`). */
  onReportDue: () => void;
}

/** Rejects when the browser cannot run the worklet. The caller owns the context, and the player until `close`. */
export async function openPlayer(options: PlayerOptions): Promise<Player> {
  await options.context.audioWorklet.addModule(options.workletUrl);
  return new Player(options);
}

export class Player implements ReplyPlayer {
  readonly #node: AudioWorkletNode;
  readonly #mirror = new PlayerMirror();
  #seq = 0;

  constructor(options: PlayerOptions) {
    this.#node = new AudioWorkletNode(options.context, PLAYER_PROCESSOR, {
      numberOfInputs: 0,
      numberOfOutputs: 1,
      outputChannelCount: [1],
    });
    this.#node.port.onmessage = (event: MessageEvent<PlayerBlock>) => {
      const due = this.#mirror.reported(event.data.appliedSeq, event.data.report);
      options.onBlock(event.data);
      if (due) options.onReportDue();
    };
    this.#node.connect(options.context.destination);
  }

  lease(leaseEpoch: number): void {
    this.#mirror.sentLease(this.#post({ kind: "lease", leaseEpoch }), leaseEpoch);
  }

  begin(reply: { replyId: string; epoch: number }): void {
    const { replyId, epoch } = reply;
    this.#post({ kind: "begin", replyId, epoch });
    this.#mirror.sentReply(reply);
  }

  accept(frame: VoiceFrame): void {
    this.#mirror.sentFrame(this.#post({ kind: "accept", frame }), frame);
  }

  hold(replyId: string, pauseSeq: number): void {
    this.#post({ kind: "hold", replyId, pauseSeq });
  }

  release(replyId: string, resumeSeq: number): void {
    this.#post({ kind: "release", replyId, resumeSeq });
  }

  clear(epoch: number): void {
    this.#mirror.sentClear(this.#post({ kind: "clear", epoch }), epoch);
  }

  report(): PlaybackReport {
    return this.#mirror.report();
  }

  /** Silence, at once and for good. */
  close(): void {
    this.#post({ kind: "close" });
    this.#node.port.onmessage = null;
    this.#node.disconnect();
  }

  #post(command: WithoutSeq<PlayerCommand>): number {
    this.#seq++;
    this.#node.port.postMessage({ ...command, seq: this.#seq });
    return this.#seq;
  }
}

type WithoutSeq<T> = T extends unknown ? Omit<T, "seq"> : never;
