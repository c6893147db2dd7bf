import { FRAME_SAMPLES, type VoiceFrame } from "@antiphon/protocol";
import { describe, expect, it } from "vitest";
import { Playout } from "./playout.ts";

/** 8 ms. */
const RAMP = 384;

/** Sample n of a reply has the value n + 1000: what is lost or repeated shows. */
function valueAt(position: number): number {
  return position + 1000;
}

function frame(seq: number, fields: Partial<VoiceFrame> = {}): VoiceFrame {
  const samples = Int16Array.from({ length: FRAME_SAMPLES }, (_, index) =>
    valueAt(seq * FRAME_SAMPLES + index),
  );
  // At an odd offset, as views into messages are.
  const message = new Uint8Array(samples.byteLength + 1);
  message.set(new Uint8Array(samples.buffer), 1);
  return {
    leaseEpoch: 1,
    epoch: 1,
    utterance: 0,
    seq,
    positionSamples: seq * FRAME_SAMPLES,
    pcm: message.subarray(1),
    ...fields,
  };
}

function playoutWith(frames: number, prefillMs = 0): Playout {
  const playout = new Playout({ prefillMs });
  playout.lease(1);
  playout.begin({ replyId: "r1", epoch: 1 });
  for (let seq = 0; seq < frames; seq++) playout.accept(frame(seq));
  return playout;
}

function pull(playout: Playout, samples: number): number[] {
  const out = new Int16Array(samples);
  playout.pull(out);
  return [...out];
}

function values(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => valueAt(from + index));
}

describe("a reply that arrives in time", () => {
  it("comes out in order and whole, whatever is asked for at a time", () => {
    for (const size of [128, 441, 960, 1500]) {
      const playout = playoutWith(4);
      const heard: number[] = [];
      while (heard.length < 4 * FRAME_SAMPLES) heard.push(...pull(playout, size));
      expect(heard.slice(0, 4 * FRAME_SAMPLES)).toEqual(values(0, 4 * FRAME_SAMPLES));
    }
  });

  it("gives floats of full scale one to a worklet", () => {
    const out = new Float32Array(2);
    playoutWith(1).pull(out);
    expect([...out]).toEqual([1000 / 32768, 1001 / 32768]);
  });

  it("is reported by the samples played, and empty at its end", () => {
    const playout = playoutWith(1);
    expect(playout.report()).toEqual({
      epoch: 1,
      replyId: "r1",
      positionSamples: 0,
      empty: false,
    });
    pull(playout, 128);
    expect(playout.report()).toMatchObject({ positionSamples: 128, empty: false });
    pull(playout, 960);
    expect(playout.report()).toEqual({
      epoch: 1,
      replyId: "r1",
      positionSamples: 960,
      empty: true,
    });
  });

  it("waits until 60 ms are there, and no longer", () => {
    const playout = playoutWith(2, 60);
    expect(pull(playout, 960)).toEqual(new Array(960).fill(0));
    playout.accept(frame(2));
    expect(pull(playout, 960)).toEqual(values(0, 960));
  });

  it("waits 60 ms for frames that do not come, then plays what it has", () => {
    const playout = playoutWith(1, 60);
    expect(pull(playout, 3 * 960)).toEqual(new Array(3 * 960).fill(0));
    expect(pull(playout, 960)).toEqual(values(0, 960));
  });

  it("falls to silence without a click when its last sample is loud, and counts only its own samples", () => {
    const playout = playoutWith(1);
    const heard = pull(playout, 960 + RAMP);
    expect(heard[960]).toBeLessThan(valueAt(959));
    expect(heard[960 + RAMP - 2]).toBeGreaterThan(0);
    expect(heard[960 + RAMP - 1]).toBe(0);
    expect(playout.stats()).toMatchObject({
      playedSamples: 960,
      lastSoundingSample: 960 + RAMP - 2,
    });
  });

  it("carries that fall into the next pull", () => {
    const whole = pull(playoutWith(1), 960 + RAMP);
    const playout = playoutWith(1);
    expect([...pull(playout, 1000), ...pull(playout, 344)]).toEqual(whole);
  });
});

describe("a reply that arrives late", () => {
  it("is an underrun once more of it comes, and is collected anew", () => {
    const playout = playoutWith(1, 60);
    pull(playout, 4 * 960);
    pull(playout, 500);
    expect(playout.stats().underruns).toBe(0);
    playout.accept(frame(1));
    expect(playout.stats()).toMatchObject({ underruns: 1, underrunSamples: 500 });
    expect(pull(playout, 960)).toEqual(new Array(960).fill(0));
    playout.accept(frame(2));
    playout.accept(frame(3));
    const heard = pull(playout, 960);
    expect(heard.slice(RAMP)).toEqual(values(960 + RAMP, 960 - RAMP));
  });

  it("is no underrun when the next reply begins", () => {
    const playout = playoutWith(1);
    pull(playout, 1500);
    playout.begin({ replyId: "r2", epoch: 2 });
    playout.accept(frame(0, { epoch: 2 }));
    expect(pull(playout, 960)).toEqual(values(0, 960));
    expect(playout.stats().underruns).toBe(0);
    expect(playout.report()).toMatchObject({ epoch: 2, replyId: "r2" });
  });
});

describe("frames that do not belong", () => {
  it("drops repeated ones, counts missing ones, and goes by the frame's own position", () => {
    const playout = playoutWith(1);
    expect(playout.accept(frame(0))).toBe("repeated");
    expect(playout.accept(frame(3))).toBe("accepted");
    expect(playout.stats()).toMatchObject({ repeatedFrames: 1, missingFrames: 2 });
    pull(playout, 961);
    expect(playout.report().positionSamples).toBe(3 * 960 + 1);
  });

  it("drops those of an older epoch or lease", () => {
    const playout = playoutWith(1);
    expect(playout.accept(frame(0, { epoch: 2 }))).toBe("accepted");
    expect(playout.accept(frame(1, { epoch: 1 }))).toBe("stale");
    expect(playout.accept(frame(0, { leaseEpoch: 2, epoch: 0 }))).toBe("accepted");
    expect(playout.accept(frame(1, { leaseEpoch: 1, epoch: 9 }))).toBe("stale");
    expect(playout.bufferedSamples).toBe(960);
    expect(playout.stats().staleFrames).toBe(2);
  });

  it("holds no more than it has room for", () => {
    const playout = new Playout({ prefillMs: 0, capacityFrames: 2 });
    const outcomes = [0, 1, 2].map((seq) => playout.accept(frame(seq)));
    expect(outcomes).toEqual(["accepted", "accepted", "overflow"]);
    pull(playout, 960);
    expect(playout.accept(frame(3))).toBe("accepted");
    expect(playout.stats()).toMatchObject({ overflowFrames: 1, missingFrames: 0 });
    expect(pull(playout, 1920)).toEqual([...values(960, 960), ...values(3 * 960, 960)]);
  });
});

describe("a hold", () => {
  it("ramps down within 8 ms, keeps the next sample, and goes on with it", () => {
    const playout = playoutWith(4);
    pull(playout, 100);
    playout.hold("r1", 1);
    const falling = pull(playout, 960);
    expect(falling[0]).toBeGreaterThan(0);
    expect(falling.slice(RAMP)).toEqual(new Array(960 - RAMP).fill(0));
    expect(playout.held).toBe(true);
    expect(playout.report()).toMatchObject({ positionSamples: 100 + RAMP, empty: false });
    expect(pull(playout, 5000)).toEqual(new Array(5000).fill(0));

    playout.release("r1", 1);
    const rising = pull(playout, 960);
    expect(rising[0]).toBeLessThan(valueAt(100 + RAMP));
    expect(rising.slice(RAMP)).toEqual(values(100 + 2 * RAMP, 960 - RAMP));
  });

  it("loses and repeats no sample, however often it comes", () => {
    const playout = playoutWith(40);
    let played = 0;
    const out = new Int16Array(128);
    for (let round = 0; !playout.report().empty; round++) {
      if (round % 20 === 5) playout.hold("r1", round + 1);
      if (round % 20 === 15) playout.release("r1", round + 1);
      played += playout.pull(out);
    }
    expect(played).toBe(40 * FRAME_SAMPLES);
    expect(playout.stats().underruns).toBe(0);
  });

  it("goes by numbers, not by order", () => {
    const playout = playoutWith(4);
    playout.release("r1", 2);
    playout.hold("r1", 2);
    expect(playout.held).toBe(false);
    playout.hold("r1", 3);
    expect(playout.held).toBe(true);
  });

  it("changes nothing when it is for a reply that is over", () => {
    const playout = playoutWith(2);
    playout.clear(2);
    playout.begin({ replyId: "r2", epoch: 2 });
    playout.accept(frame(0, { epoch: 2 }));
    playout.hold("r1", 7);
    expect(playout.held).toBe(false);
    pull(playout, RAMP);
    expect(pull(playout, 10)).toEqual(values(RAMP, 10));
  });

  it("keeps a reply silent that had not begun to sound", () => {
    const playout = playoutWith(2);
    playout.hold("r1", 1);
    expect(pull(playout, 960)).toEqual(new Array(960).fill(0));
    expect(playout.report().positionSamples).toBe(0);
  });
});

describe("a clear", () => {
  it("fades what sounds within 8 ms and drops the rest", () => {
    const playout = playoutWith(10);
    pull(playout, 100);
    playout.clear(2);
    expect(playout.report()).toEqual({
      epoch: 2,
      replyId: null,
      positionSamples: 0,
      empty: true,
    });
    const heard = pull(playout, 960);
    expect(heard[0]).toBeCloseTo(valueAt(100) * (1 - 1 / RAMP), -1);
    expect(heard.slice(RAMP)).toEqual(new Array(960 - RAMP).fill(0));
    expect(playout.accept(frame(10))).toBe("stale");
    expect(playout.stats().lastSoundingSample).toBeLessThan(100 + RAMP);
  });

  it("makes no sound when the reply was held", () => {
    const playout = playoutWith(10);
    pull(playout, 100);
    playout.hold("r1", 1);
    pull(playout, 960);
    playout.clear(2);
    expect(pull(playout, 960)).toEqual(new Array(960).fill(0));
  });

  it("spares a newer reply, and changes nothing when it comes again", () => {
    const playout = playoutWith(1);
    pull(playout, 2000);
    playout.begin({ replyId: "r2", epoch: 2 });
    playout.accept(frame(0, { epoch: 2 }));
    playout.clear(2);
    playout.clear(1);
    expect(playout.report()).toEqual({
      epoch: 2,
      replyId: "r2",
      positionSamples: 0,
      empty: false,
    });
    expect(pull(playout, 960)).toEqual(values(0, 960));
  });
});
