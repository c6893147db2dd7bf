/** A test voice: a pure tone for each word. Real enough to run the whole path without a model, exact enough to check every sample of it. */
import { AntiphonError } from "@antiphon/protocol";
import type { AdapterWord, SpeechAdapter, SpeechCapabilities, SpeechRequest } from "./adapter.ts";

/**
 * Voices are `tone` (440 Hz) and `tone-<hz>` for any whole frequency from 100 to 4,000 Hz, so that a listener can tell sessions
 * apart. A word is 300 ms at speed 1: 250 ms of tone, 50 ms of silence; its timing is exact.
 */
export function createToneAdapter(): SpeechAdapter {
  return {
    kind: "tts",
    capabilities: TONE_CAPABILITIES,
    load: () => Promise.resolve(),
    async *synthesize(request, signal) {
      const hz = frequencyOf(request.voice);
      const words = wordsOf(request);
      const wordSamples = Math.round((SAMPLE_RATE_HZ * WORD_MS) / 1000 / request.speed);
      const toneSamples = Math.round((wordSamples * TONE_MS) / WORD_MS);
      for (let index = 0; index < words.length; index++) {
        // A turn of the event loop between words: this is where a cancel arrives.
        await new Promise((resolve) => setImmediate(resolve));
        if (signal.aborted) return;
        const samples = new Int16Array(wordSamples);
        fillTone(samples.subarray(0, toneSamples), hz);
        yield { kind: "samples", samples, sampleRateHz: SAMPLE_RATE_HZ };
        if (index > 0) continue;
        if (signal.aborted) return;
        yield { kind: "words", words: words.map((text, at) => timingOf(text, at)) };
      }

      function timingOf(text: string, index: number): AdapterWord {
        const start = index * wordSamples;
        return {
          text,
          startSeconds: start / SAMPLE_RATE_HZ,
          endSeconds: (start + toneSamples) / SAMPLE_RATE_HZ,
          measured: true,
        };
      }
    },
  };
}

const SAMPLE_RATE_HZ = 24_000;
/** A brisk speaker's word. */
const WORD_MS = 300;
const TONE_MS = 250;
/** −17 dBFS of mean power: near the level that voices are brought to anyway. */
const AMPLITUDE = 6_500;

export const TONE_CAPABILITIES: SpeechCapabilities = {
  model: "tone",
  voices: ["tone"],
  defaultVoice: "tone",
  // It reads none of them: a tone has no language.
  languages: ["en"],
  wholeUtterance: false,
  slots: 32,
  licence: "Apache-2.0",
};

function frequencyOf(voice: string): number {
  if (voice === "tone") return 440;
  const hz = Number(/^tone-(\d{3,4})$/.exec(voice)?.[1]);
  if (hz >= 100 && hz <= 4_000) return hz;
  throw new AntiphonError("not_found", `The tone model has no voice "${voice}".`);
}

/** Tokens with something to pronounce in them. */
function wordsOf(request: SpeechRequest): string[] {
  return request.text.split(/\s+/u).filter((token) => /[\p{L}\p{N}]/u.test(token));
}

/** With a 5 ms ramp at both ends: a step would be a click at every frequency. */
function fillTone(samples: Int16Array, hz: number): void {
  const ramp = SAMPLE_RATE_HZ / 200;
  for (let index = 0; index < samples.length; index++) {
    const edge = Math.min(1, index / ramp, (samples.length - 1 - index) / ramp);
    samples[index] = AMPLITUDE * edge * Math.sin((2 * Math.PI * hz * index) / SAMPLE_RATE_HZ);
  }
}
