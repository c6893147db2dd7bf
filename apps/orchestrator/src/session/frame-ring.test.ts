import { FRAME_BYTES } from "@antiphon/protocol";
import { settle } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import { FrameRing } from "./frame-ring.ts";

const frame = (value: number) => new Uint8Array(FRAME_BYTES).fill(value);

function filled(...values: number[]): FrameRing {
  const ring = new FrameRing(3);
  for (const value of values) ring.push(value, frame(value));
  return ring;
}

describe("the look-ahead", () => {
  it("gives frames out in order, round its end too, each with its utterance", () => {
    const ring = filled(1, 2, 3);
    const taken: Array<[number | undefined, number | undefined]> = [];
    for (let value = 4; value < 9; value++) {
      const next = ring.peek();
      taken.push([next?.utterance, next?.pcm[FRAME_BYTES - 1]]);
      ring.take();
      ring.push(value, frame(value));
    }
    expect(taken).toEqual([1, 2, 3, 4, 5].map((value) => [value, value]));
    expect(ring.length).toBe(3);
  });

  it("keeps its own copy", () => {
    const pcm = frame(1);
    const ring = new FrameRing(3);
    ring.push(0, pcm);
    pcm.fill(9);
    expect(ring.peek()?.pcm[0]).toBe(1);
  });

  it("refuses a frame for which there is no room", () => {
    expect(() => filled(1, 2, 3).push(4, frame(4))).toThrow("full");
  });

  it("shows nothing when empty, and taking nothing changes nothing", () => {
    const ring = filled(1);
    ring.clear();
    ring.take();
    expect(ring.peek()).toBeUndefined();
    ring.push(2, frame(2));
    expect([ring.length, ring.peek()?.utterance]).toEqual([1, 2]);
  });
});

describe("whoever waits for room", () => {
  it.each([
    ["a frame is taken", (ring: FrameRing) => ring.take()],
    ["all is cleared", (ring: FrameRing) => ring.clear()],
    ["it is not wanted any more", (_: FrameRing, abort: AbortController) => abort.abort()],
  ])("is woken when %s", async (_, wake) => {
    const ring = filled(1, 2, 3);
    const abort = new AbortController();
    let woken = false;
    void ring.room(abort.signal).then(() => {
      woken = true;
    });
    await settle();
    expect(woken).toBe(false);
    wake(ring, abort);
    await settle();
    expect(woken).toBe(true);
  });

  it("does not wait where there is room, or no wish", async () => {
    await filled(1, 2).room(new AbortController().signal);
    await filled(1, 2, 3).room(AbortSignal.abort());
  });
});
