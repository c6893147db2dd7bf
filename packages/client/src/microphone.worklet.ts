/** The microphone's end on the audio thread: cuts what is heard into 20 ms frames of 48 kHz PCM. Decides nothing: muting and sending are the page's. */
import { createResampler, FRAME_SAMPLES, SAMPLE_RATE_HZ, toInt16 } from "@antiphon/audio";
import {
  MICROPHONE_CLOSE,
  MICROPHONE_PROCESSOR,
  type MicrophoneBlock,
} from "./microphone-block.ts";

declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;
/** Of the context. */
declare const sampleRate: number;

class MicrophoneProcessor extends AudioWorkletProcessor {
  readonly #resampler = createResampler({ fromHz: sampleRate, toHz: SAMPLE_RATE_HZ });
  #samples = new Int16Array(FRAME_SAMPLES);
  #filled = 0;
  #closed = false;

  constructor() {
    super();
    this.port.onmessage = (event) => {
      if (event.data === MICROPHONE_CLOSE) this.#closed = true;
    };
  }

  process(inputs: Float32Array[][]): boolean {
    // Channel 0 alone: a browser may deliver two equal channels whatever was asked for, and its settings misreport the count.
    const channel = inputs[0]?.[0];
    if (channel !== undefined && !this.#closed) this.#take(this.#resampler.push(toInt16(channel)));
    return !this.#closed;
  }

  #take(samples: Int16Array): void {
    for (let taken = 0; taken < samples.length; ) {
      const count = Math.min(FRAME_SAMPLES - this.#filled, samples.length - taken);
      this.#samples.set(samples.subarray(taken, taken + count), this.#filled);
      this.#filled += count;
      taken += count;
      if (this.#filled === FRAME_SAMPLES) this.#post();
    }
  }

  #post(): void {
    let peak = 0;
    for (const sample of this.#samples) peak = Math.max(peak, Math.abs(sample));
    const block: MicrophoneBlock = { samples: this.#samples, peak: peak / 32768 };
    this.port.postMessage(block, [block.samples.buffer]);
    this.#samples = new Int16Array(FRAME_SAMPLES);
    this.#filled = 0;
  }
}

registerProcessor(MICROPHONE_PROCESSOR, MicrophoneProcessor);
