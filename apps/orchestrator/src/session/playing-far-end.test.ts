import { FRAME_SAMPLES } from "@antiphon/audio";
import { SeededRandom } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import { PlayingFarEnd } from "./playing-far-end.ts";

const FRAMES = 400;
const FRAME_MS = 20;
const STARTED_MS = 5_005;

/** Syllables: noise that swells and falls, with pauses. */
function voice(seed: number): Int16Array {
  const random = new SeededRandom(seed);
  const samples = new Int16Array(FRAMES * FRAME_SAMPLES);
  for (let at = 0; at < samples.length; ) {
    const length = FRAME_SAMPLES * (3 + random.below(10));
    const loud = random.chance(0.2) ? 0 : 1_000 + random.below(9_000);
    const smooth = random.next() * 0.95;
    let value = 0;
    for (let end = Math.min(at + length, samples.length); at < end; at++) {
      value = smooth * value + (1 - smooth) * (random.next() - 0.5) * 4;
      samples[at] = Math.max(-32_768, Math.min(32_767, Math.round(value * loud)));
    }
  }
  return samples;
}

/** The share of windows with sound in them that are taken for an echo, from the second second on; `near` is what is captured while `far` sounds. */
function echoShare(near: Int16Array, far: Int16Array): number {
  const farEnd = new PlayingFarEnd();
  let windows = 0;
  let echoes = 0;
  let sent = 0;
  // It began in the middle of a slot, and is sent 200 ms ahead.
  const reply = {
    soundingSamples: (atMs: number) => Math.max(0, Math.min(sent, (atMs - STARTED_MS) * 48)),
  };
  for (let frame = 0; frame < FRAMES; frame++) {
    const nowMs = STARTED_MS + (frame + 1) * FRAME_MS;
    const at = frame * FRAME_SAMPLES;
    for (; sent < Math.min(far.length, at + 10 * FRAME_SAMPLES); sent += FRAME_SAMPLES) {
      farEnd.sent(new Uint8Array(far.slice(sent, sent + FRAME_SAMPLES).buffer));
    }
    farEnd.follow(nowMs, reply);
    const heard = near.subarray(at, at + FRAME_SAMPLES);
    farEnd.heard(heard, at + FRAME_SAMPLES, nowMs);
    if (frame < 50 || frame % 2 === 0 || !heard.some((sample) => Math.abs(sample) > 300)) continue;
    windows++;
    if (farEnd.judge(at + FRAME_SAMPLES).echo) echoes++;
  }
  expect(windows).toBeGreaterThan(50);
  return echoes / windows;
}

function withNoise(samples: Int16Array): Int16Array {
  const random = new SeededRandom(9);
  return samples.map((sample) => sample + random.below(16) - 8);
}

describe("while a reply is paced to a listener", () => {
  const far = voice(1);

  it.each([10, 20, 60, 180, 420])(
    "its echo, %d ms late and at −12 dB, is known as its own",
    (lateMs) => {
      const late = lateMs * 48;
      const near = far.map((_, at) => Math.round((at < late ? 0 : (far[at - late] ?? 0)) / 4));
      expect(echoShare(withNoise(near), far)).toBeGreaterThan(0.95);
    },
  );

  it("somebody else is somebody else", () => {
    expect(echoShare(withNoise(voice(2)), far)).toBeLessThan(0.1);
  });
});
