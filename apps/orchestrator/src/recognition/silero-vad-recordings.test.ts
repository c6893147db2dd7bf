import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createVad, Framer, readWav, resample } from "@antiphon/audio";
import { createLog } from "@antiphon/runtime/log";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { VadWindow } from "../session/ports.ts";
import { createSileroVad, type SileroVad } from "./silero-vad.ts";

const audioDirectory = process.env["ANTIPHON_AUDIO_DIR"];
const audioMissing = audioDirectory === undefined || !existsSync(audioDirectory);
if (audioMissing) console.warn("ANTIPHON_AUDIO_DIR is not set: recorded speech is not judged");

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

  it.skipIf(audioMissing).each(["vad-timeline.wav", "jfk.wav", "noise-clicks.wav", "keyboard.wav"])(
    "finds the speech in %s within 0.1 s",
    async (file) => {
      const { samples, guide } = recording(file);
      expect(cut(await judge(detector, samples))).toEqual(
        guide.map((segment) => segment.map((ms) => expect.closeTo(ms, -2.3))),
      );
    },
  );

  it.skipIf(audioMissing)("judges two inputs at once as it judges each alone", async () => {
    const one = recording("jfk.wav").samples;
    const two = recording("vad-timeline.wav").samples;
    const alone = [await judge(detector, one), await judge(detector, two)];
    const together = await Promise.all([judge(detector, one), judge(detector, two)]);
    for (const [index, windows] of together.entries()) {
      expect(cut(windows)).toEqual(cut(alone[index] ?? []));
    }
  });
});

/** Feeds a recording as a session does: half a second ahead of what was judged, no more. */
function judge(detector: SileroVad, samples: Int16Array): Promise<VadWindow[]> {
  const frames = new Framer().push(samples);
  // The filter holds the last 96 samples back, so a window that ends in them does not come.
  const expected = Math.floor((frames.length * 960 - 96) / 1_536);
  return new Promise((resolve) => {
    const windows: VadWindow[] = [];
    let pushed = 0;
    const feed = (until: number) => {
      for (; pushed < frames.length && pushed * 960 < until; pushed++) {
        stream.push(frames[pushed] ?? new Int16Array(960));
      }
    };
    const stream = detector.open((window) => {
      windows.push(window);
      feed(window.endSample + 24_000);
      if (windows.length < expected) return;
      stream.close();
      resolve(windows);
    });
    feed(24_000);
  });
}

function cut(windows: VadWindow[]): number[][] {
  const vad = createVad();
  const segments: number[][] = [];
  for (const event of windows.flatMap((window) => vad.push(window))) {
    if (event.kind === "speech-started") segments.push([event.atSample / 48]);
    else segments.at(-1)?.push(event.atSample / 48);
  }
  return segments;
}

function recording(file: string): { samples: Int16Array; guide: number[][] } {
  const directory = audioDirectory ?? "";
  const manifest = JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8")) as {
    clips: Array<{ file: string; speechGuide: number[][] }>;
  };
  const clip = manifest.clips.find((each) => each.file === file);
  if (clip === undefined) throw new Error(`${file} is not in the manifest`);
  const wav = readWav(readFileSync(join(directory, file)));
  const samples = resample(wav.samples, { fromHz: wav.sampleRateHz, toHz: 48_000 });
  return { samples, guide: clip.speechGuide };
}
