import { describe, expect, it } from "vitest";
import { createVad, VAD_WINDOW_SAMPLES, type Vad, type VadEvent } from "./vad.ts";

describe("speech", () => {
  it("starts at its third window, dated back to the first", () => {
    const vad = createVad();
    expect(feed(vad, [0.1, 0.6, 0.9])).toEqual([]);
    expect(vad.speaking).toBe(false);
    expect(feed(vad, [0.9], 3)).toEqual([started(1)]);
    expect(vad.speaking).toBe(true);
  });

  it("ends after 250 ms of silence, dated back to its last window", () => {
    const vad = createVad();
    const probabilities = [0.9, 0.9, 0.9, 0.9, ...Array<number>(7).fill(0.1)];
    expect(feed(vad, probabilities)).toEqual([started(0)]);
    expect(feed(vad, [0.1], 11)).toEqual([ended(4)]);
    expect([vad.speaking, vad.lastSpeechSample]).toEqual([false, 4 * VAD_WINDOW_SAMPLES]);
  });

  it("goes on between the two thresholds, but does not start there", () => {
    const vad = createVad();
    expect(feed(vad, Array<number>(20).fill(0.4))).toEqual([]);
    feed(vad, [0.9, 0.9, 0.9], 20);
    expect(feed(vad, Array<number>(20).fill(0.4), 23)).toEqual([]);
    expect(vad.lastSpeechSample).toBe(43 * VAD_WINDOW_SAMPLES);
  });

  it("does not end in a pause shorter than the limit", () => {
    const vad = createVad();
    const pause = Array<number>(7).fill(0);
    expect(feed(vad, [1, 1, 1, ...pause, 1, ...pause, 1])).toEqual([started(0)]);
  });

  it("is not started by clicks of two windows", () => {
    const vad = createVad();
    expect(feed(vad, [1, 1, 0, 1, 1, 0, 1, 1, 0])).toEqual([]);
    expect(vad.lastSpeechSample).toBe(8 * VAD_WINDOW_SAMPLES);
  });

  it("starts again after its end", () => {
    const vad = createVad();
    const probabilities = [1, 1, 1, ...Array<number>(8).fill(0), 1, 1, 1];
    expect(feed(vad, probabilities)).toEqual([started(0), ended(3), started(11)]);
  });
});

describe("options", () => {
  it("set thresholds and lengths", () => {
    const vad = createVad({
      startThreshold: 0.8,
      endThreshold: 0.6,
      minSpeechMs: 32,
      endSilenceMs: 64,
    });
    expect(feed(vad, [0.7, 0.8, 0.6, 0.5, 0.5])).toEqual([started(1), ended(3)]);
  });
});

describe("windows that are missing", () => {
  it("count as silence once the next one comes", () => {
    const vad = createVad();
    feed(vad, [1, 1, 1]);
    expect(feed(vad, [0], 100)).toEqual([ended(3)]);
  });
});

/** One probability a window, the first beginning at window `from`. */
function feed(vad: Vad, probabilities: number[], from = 0): VadEvent[] {
  return probabilities.flatMap((probability, index) =>
    vad.push({ endSample: (from + index + 1) * VAD_WINDOW_SAMPLES, probability }),
  );
}

const started = (window: number): VadEvent => ({
  kind: "speech-started",
  atSample: window * VAD_WINDOW_SAMPLES,
});
const ended = (window: number): VadEvent => ({
  kind: "speech-ended",
  atSample: window * VAD_WINDOW_SAMPLES,
});
