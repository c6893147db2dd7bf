/** Cuts a recording as a session does: the real detector, the real decisions, lead-in and tail. Owns the feeding, no thresholds. */
import {
  createVad,
  FRAME_SAMPLES,
  Framer,
  SAMPLE_RATE_HZ,
  VAD_WINDOW_SAMPLES,
} from "@antiphon/audio";
import type {
  VadWindow,
  VoiceActivityDetector,
} from "../../apps/orchestrator/src/session/ports.ts";

/** The speech in `samples` (48 kHz), each piece with 250 ms before it and 100 ms after it. */
export async function speechSegments(
  detector: VoiceActivityDetector,
  samples: Int16Array,
): Promise<Int16Array[]> {
  return (await speechBounds(detector, samples)).map(({ start, end }) =>
    samples.subarray(Math.max(0, start - LEAD_IN_SAMPLES), end + TAIL_SAMPLES),
  );
}

/** Where speech starts and ends, in samples; speech that does not end, ends with the recording. */
export async function speechBounds(
  detector: VoiceActivityDetector,
  samples: Int16Array,
): Promise<Array<{ start: number; end: number }>> {
  const vad = createVad();
  const bounds: Array<{ start: number; end: number }> = [];
  for (const window of await judge(detector, samples)) {
    for (const event of vad.push(window)) {
      if (event.kind === "speech-started") {
        bounds.push({ start: event.atSample, end: samples.length });
      } else {
        const last = bounds.at(-1);
        if (last !== undefined) last.end = event.atSample;
      }
    }
  }
  return bounds;
}

/** Every window of a recording; at most half a second is fed ahead of what was judged. */
export function judge(detector: VoiceActivityDetector, samples: Int16Array): Promise<VadWindow[]> {
  const framer = new Framer();
  const frames = framer.push(samples);
  const rest = framer.flush();
  if (rest !== undefined) frames.push(rest);
  // The detector's filter looks a little ahead, so a window that ends with the audio does not come.
  const expected = Math.floor((frames.length * FRAME_SAMPLES - 1) / VAD_WINDOW_SAMPLES);
  return new Promise((resolve) => {
    const windows: VadWindow[] = [];
    let pushed = 0;
    const feed = (untilSample: number) => {
      for (; pushed < frames.length && pushed * FRAME_SAMPLES < untilSample; pushed++) {
        const frame = frames[pushed];
        if (frame !== undefined) stream.push(frame);
      }
    };
    const stream = detector.open((window) => {
      windows.push(window);
      feed(window.endSample + AHEAD_SAMPLES);
      if (windows.length < expected) return;
      stream.close();
      resolve(windows);
    });
    feed(AHEAD_SAMPLES);
  });
}

const LEAD_IN_SAMPLES = 0.25 * SAMPLE_RATE_HZ;
const TAIL_SAMPLES = 0.1 * SAMPLE_RATE_HZ;
const AHEAD_SAMPLES = 0.5 * SAMPLE_RATE_HZ;
