/** How much louder or softer each voice of a model must be made. Measured once a voice, never by utterance: "Yes." would be shouted. */
import { measureLoudness } from "@antiphon/audio";
import { type Clock, deadline } from "@antiphon/runtime";
import type { InferenceProcess } from "../inference/inference-process.ts";
import { WARM_UP_TEXT } from "../inference/warm-up.ts";

export class VoiceGains {
  readonly #process: InferenceProcess;
  readonly #clock: Clock;
  readonly #gains = new Map<string, Promise<number>>();

  constructor(options: { process: InferenceProcess; clock: Clock }) {
    this.#process = options.process;
    this.#clock = options.clock;
  }

  /** In dB. The first call for a voice lets it speak; a failure is the model's own error, and is not remembered. */
  gainDb(voice: string): Promise<number> {
    const known = this.#gains.get(voice);
    if (known !== undefined) return known;
    const measuring = this.#measure(voice);
    // Names of voices can be a client's invention: the oldest is measured again if it returns.
    const [oldest] = this.#gains.keys();
    if (oldest !== undefined && this.#gains.size >= VOICES_MAX) this.#gains.delete(oldest);
    this.#gains.set(voice, measuring);
    measuring.catch(() => this.#gains.delete(voice));
    return measuring;
  }

  async #measure(voice: string): Promise<number> {
    const limit = deadline(this.#clock, MEASURE_MS_MAX, () => undefined);
    const chunks: Int16Array[] = [];
    let rateHz = 0;
    try {
      const request = { text: WARM_UP_TEXT, voice, language: "", speed: 1 };
      for await (const output of this.#process.synthesize(request, limit.signal)) {
        if (output.kind !== "samples") continue;
        chunks.push(output.samples);
        rateHz = output.sampleRateHz;
      }
    } finally {
      limit.dispose();
    }
    const loudnessDb = rateHz === 0 ? -Infinity : measureLoudness(concatenate(chunks), rateHz);
    if (!Number.isFinite(loudnessDb)) return 0;
    return Math.max(-GAIN_DB_MAX, Math.min(GAIN_DB_MAX, LOUDNESS_DB_TARGET - loudnessDb));
  }
}

function concatenate(chunks: readonly Int16Array[]): Int16Array {
  const all = new Int16Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let length = 0;
  for (const chunk of chunks) {
    all.set(chunk, length);
    length += chunk.length;
  }
  return all;
}

/** The level of a near speaker in a call; leaves 18 dB for peaks. */
const LOUDNESS_DB_TARGET = -20;
/** A voice further off is broken, or was measured wrongly: amplified more, its noise would be heard. */
const GAIN_DB_MAX = 15;
/** A model slower than this for a second of speech is of no use in a call. */
const MEASURE_MS_MAX = 20_000;
const VOICES_MAX = 256;
