import { createLog } from "@antiphon/runtime/log";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createSileroVad,
  type SileroVad,
} from "../../apps/orchestrator/src/recognition/silero-vad.ts";
import { recordedSamples, recording, recordingsMissing } from "../support/recordings.ts";
import { judge, speechBounds } from "../support/speech-segments.ts";

describe("the real detector", () => {
  let detector: SileroVad;
  beforeAll(async () => {
    detector = createSileroVad({ log: createLog({ name: "test", level: "silent" }) });
    await detector.ready;
  });
  afterAll(() => detector.close());

  it("hears nothing in silence, and judges every window of it", async () => {
    const windows = await judge(detector, new Int16Array(48_000));
    expect(windows.map((window) => window.endSample)).toEqual(
      Array.from({ length: 31 }, (_, index) => (index + 1) * 1_536),
    );
    expect(Math.max(...windows.map((window) => window.probability))).toBeLessThan(0.2);
  });

  it
    .skipIf(recordingsMissing)
    .each(["vad-timeline.wav", "jfk.wav", "noise-clicks.wav", "keyboard.wav"])(
    "finds the speech in %s within 0.1 s",
    async (file) => {
      const heard = await boundsMs(recordedSamples(file));
      const guide = recording(file).speechGuide;
      expect(heard.length).toBe(guide.length);
      for (const [index, bounds] of guide.entries()) {
        expect(Math.abs((heard[index]?.[0] ?? Number.NaN) - bounds[0])).toBeLessThan(100);
        expect(Math.abs((heard[index]?.[1] ?? Number.NaN) - bounds[1])).toBeLessThan(100);
      }
    },
  );

  it.skipIf(recordingsMissing)("judges two inputs at once as it judges each alone", async () => {
    const one = recordedSamples("jfk.wav");
    const two = recordedSamples("vad-timeline.wav");
    const alone = [await boundsMs(one), await boundsMs(two)];
    expect(await Promise.all([boundsMs(one), boundsMs(two)])).toEqual(alone);
  });

  async function boundsMs(samples: Int16Array): Promise<number[][]> {
    const bounds = await speechBounds(detector, samples);
    return bounds.map(({ start, end }) => [start / 48, end / 48]);
  }
});
