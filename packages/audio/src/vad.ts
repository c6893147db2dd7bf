/** Where speech begins and ends, decided on a detector's probabilities. Pure: runs no model and counts samples, not time. */
import { SAMPLE_RATE_HZ } from "./audio-format.ts";

/** Positions are samples at 48 kHz. */
export type VadEvent =
  /** Decided some windows later: `atSample` is where the first of them began. */
  | { kind: "speech-started"; atSample: number }
  /** `atSample` is the end of the last window that held speech. */
  | { kind: "speech-ended"; atSample: number };

export interface VadOptions {
  /** A window at or above it is speech while nobody speaks. */
  startThreshold?: number;
  /** A window at or above it is still speech while somebody speaks. */
  endThreshold?: number;
  /** Speech shorter than this is a click. Rounded up to whole windows. */
  minSpeechMs?: number;
  /** Silence this long ends speech. */
  endSilenceMs?: number;
}

/** One input's decisions. */
export interface Vad {
  /** Windows in order. Gives what this one decides: nothing, mostly. */
  push(window: { endSample: number; probability: number }): VadEvent[];
  readonly speaking: boolean;
  /** End of the last window that held speech; undefined before the first. Counts windows that no start followed, too. */
  readonly lastSpeechSample: number | undefined;
}

/** Hysteresis between two thresholds, a least length of speech, a least length of silence. */
export function createVad(options: VadOptions = {}): Vad {
  const startThreshold = options.startThreshold ?? START_THRESHOLD;
  const endThreshold = options.endThreshold ?? END_THRESHOLD;
  const minSpeechWindows = Math.max(
    1,
    Math.ceil(msToSamples(options.minSpeechMs ?? MIN_SPEECH_MS) / VAD_WINDOW_SAMPLES),
  );
  const endSilenceSamples = msToSamples(options.endSilenceMs ?? END_SILENCE_MS);
  let speaking = false;
  let lastSpeechSample: number | undefined;
  /** A start in the making: where it began, and the windows of speech since. */
  let candidate: { startSample: number; windows: number } | undefined;

  function whileSilent(endSample: number, probability: number): VadEvent[] {
    if (probability < endThreshold) candidate = undefined;
    if (probability < startThreshold) return [];
    candidate ??= { startSample: endSample - VAD_WINDOW_SAMPLES, windows: 0 };
    candidate.windows++;
    lastSpeechSample = endSample;
    if (candidate.windows < minSpeechWindows) return [];
    const atSample = candidate.startSample;
    candidate = undefined;
    speaking = true;
    return [{ kind: "speech-started", atSample }];
  }

  function whileSpeaking(endSample: number, probability: number): VadEvent[] {
    if (probability >= endThreshold) {
      lastSpeechSample = endSample;
      return [];
    }
    const atSample = lastSpeechSample ?? endSample;
    if (endSample - atSample < endSilenceSamples) return [];
    speaking = false;
    return [{ kind: "speech-ended", atSample }];
  }

  return {
    push: ({ endSample, probability }) =>
      speaking ? whileSpeaking(endSample, probability) : whileSilent(endSample, probability),
    get speaking() {
      return speaking;
    },
    get lastSpeechSample() {
      return lastSpeechSample;
    },
  };
}

/** One decision: 32 ms, which is 512 samples at the detector's 16 kHz. */
export const VAD_WINDOW_SAMPLES = 1_536;

function msToSamples(ms: number): number {
  return (ms * SAMPLE_RATE_HZ) / 1000;
}

/** The detector's own recommendation; on our recordings noise stays below 0.2. */
const START_THRESHOLD = 0.5;
/** 0.15 below the start, as the detector's authors do: one doubtful window in mid-word ends nothing. */
const END_THRESHOLD = 0.35;
/** Three windows: a key press or a lip smack fills one or two. */
const MIN_SPEECH_MS = 96;
/** The closure of a stop consonant lasts up to 150 ms; pauses between phrases begin at about 250. */
const END_SILENCE_MS = 250;
