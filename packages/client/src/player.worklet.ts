/** The loudspeaker's end on the audio thread: runs a `Playout` at the device's own pace and measures what leaves it. */
import { FRAME_SAMPLES } from "@antiphon/protocol/limits";
import { PLAYER_PROCESSOR, type PlayerBlock, type PlayerCommand } from "./player-message.ts";
import { Playout } from "./playout.ts";

declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;
/** Of the context, at the start of the render quantum. */
declare const currentTime: number;

class PlayerProcessor extends AudioWorkletProcessor {
  readonly #playout = new Playout();
  #appliedSeq = 0;
  #closed = false;
  #blockSamples = 0;
  #blockStartS = 0;
  #peak = 0;

  constructor() {
    super();
    this.port.onmessage = (event: MessageEvent<PlayerCommand>) => {
      this.#apply(event.data);
      this.#appliedSeq = event.data.seq;
    };
  }

  process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const channel = outputs[0]?.[0];
    if (channel === undefined || this.#closed) return !this.#closed;
    this.#playout.pull(channel);
    this.#measure(channel);
    return true;
  }

  #apply(command: PlayerCommand): void {
    const playout = this.#playout;
    switch (command.kind) {
      case "lease":
        playout.lease(command.leaseEpoch);
        break;
      case "begin":
        playout.begin(command);
        break;
      case "accept":
        playout.accept(command.frame);
        break;
      case "hold":
        playout.hold(command.replyId, command.pauseSeq);
        break;
      case "release":
        playout.release(command.replyId, command.resumeSeq);
        break;
      case "clear":
        playout.clear(command.epoch);
        break;
      case "close":
        this.#closed = true;
        break;
    }
  }

  /** Quanta are 128 samples today; a browser may choose others, so blocks end where a quantum does. */
  #measure(channel: Float32Array): void {
    if (this.#blockSamples === 0) this.#blockStartS = currentTime;
    for (const sample of channel) this.#peak = Math.max(this.#peak, Math.abs(sample));
    this.#blockSamples += channel.length;
    if (this.#blockSamples < FRAME_SAMPLES) return;
    const block: PlayerBlock = {
      appliedSeq: this.#appliedSeq,
      report: this.#playout.report(),
      held: this.#playout.held,
      peak: this.#peak,
      contextTimeS: this.#blockStartS,
    };
    this.port.postMessage(block);
    this.#blockSamples = 0;
    this.#peak = 0;
  }
}

registerProcessor(PLAYER_PROCESSOR, PlayerProcessor);
