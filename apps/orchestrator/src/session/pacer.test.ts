import { FRAME_BYTES, FRAME_SAMPLES } from "@antiphon/protocol";
import { describe, expect, it } from "vitest";
import { FrameRing } from "./frame-ring.ts";
import { Pacer } from "./pacer.ts";
import type { OutgoingVoiceFrame } from "./ports.ts";

function pacing(options: { reported?: boolean } = {}) {
  const ring = new FrameRing(75);
  const sent: Array<{ seq: number; position: number; atMs: number }> = [];
  const events: string[] = [];
  let nowMs = 0;
  const pacer = new Pacer({
    epoch: 1,
    ring,
    reported: options.reported ?? false,
    send: (frame: OutgoingVoiceFrame) =>
      sent.push({ seq: frame.seq, position: frame.positionSamples, atMs: nowMs }),
    onFirstFrame: () => events.push("first"),
    onPlayed: () => events.push("played"),
    onReaderLost: () => events.push("reader-lost"),
  });
  const fill = (frames: number) => {
    for (let frame = 0; frame < frames; frame++) ring.push(0, new Uint8Array(FRAME_BYTES));
  };
  const run = (ms: number, each: () => void = () => {}) => {
    for (const untilMs = nowMs + ms; nowMs < untilMs; nowMs += 20) {
      each();
      pacer.tick(nowMs);
    }
  };
  const stall = (ms: number) => {
    nowMs += ms;
  };
  return { ring, pacer, sent, events, fill, run, stall, now: () => nowMs };
}

describe("with more audio than time", () => {
  it("sends the lead at once and then a frame each 20 ms, without gap or repeat", () => {
    const { sent, fill, run } = pacing();
    fill(75);
    run(400);
    expect(sent.filter((frame) => frame.atMs === 0)).toHaveLength(11);
    expect(sent.map((frame) => frame.seq)).toEqual(
      Array.from({ length: sent.length }, (_, seq) => seq),
    );
    const paced = sent.slice(11).map((frame) => frame.atMs);
    expect(paced).toEqual(paced.map((_, index) => (index + 1) * 20));
    expect(sent.every((frame) => frame.position === frame.seq * FRAME_SAMPLES)).toBe(true);
  });

  it("says that the reply was played when its last sample has been", () => {
    const { events, fill, run, pacer, now } = pacing();
    fill(5);
    pacer.endSource();
    run(80);
    expect(events).toEqual(["first"]);
    run(40);
    expect(events).toEqual(["first", "played"]);
    expect(pacer.playedSamples(now())).toBe(5 * FRAME_SAMPLES);
  });
});

describe("after a stall of the process", () => {
  it.each([60, 140, 400, 2_000])(
    "of %i ms the listener has the whole lead again, and no more",
    (stallMs) => {
      const { sent, fill, run, stall, now } = pacing();
      fill(75);
      run(200);
      const playingSince = sent[0]?.atMs ?? 0;
      const dryMs = Math.max(0, stallMs - 200);
      stall(stallMs);
      run(20);
      const leadMs = sent.length * 20 - (now() - 20 - playingSince - dryMs);
      expect(leadMs).toBeGreaterThanOrEqual(200);
      expect(leadMs).toBeLessThanOrEqual(220);
      const before = sent.length;
      run(100);
      expect(sent.length - before).toBe(5);
    },
  );

  it("that left the listener without sound knows how far it has heard", () => {
    const { fill, run, stall, pacer, now } = pacing();
    fill(75);
    run(200);
    stall(1_000);
    run(20);
    // Ten frames of lead and those of the first 200 ms sounded; then there was nothing to play.
    const playedMs = pacer.playedSamples(now()) / 48;
    expect(playedMs).toBeGreaterThanOrEqual(400);
    expect(playedMs).toBeLessThanOrEqual(440);
  });
});

describe("to a listener that reports, after a stall of the process", () => {
  it.each([10_000, 60_000])("of %i ms nobody is blamed for having said nothing", (stallMs) => {
    const { sent, events, fill, run, stall, pacer, now } = pacing({ reported: true });
    fill(75);
    run(200);
    stall(stallMs);
    // Timers come first, then what was said meanwhile.
    run(20);
    const before = sent.length;
    pacer.report(pacer.releasedSamples, true, now());
    run(200);
    expect(events).toEqual(["first"]);
    expect(sent.length).toBeGreaterThan(before);
  });
});

describe("when the voice is late", () => {
  it("fills the lead again from what comes, in one go", () => {
    const { sent, fill, run } = pacing();
    fill(20);
    run(1_000);
    const before = sent.length;
    fill(40);
    run(20);
    expect(sent.length - before).toBe(11);
  });
});

describe("while held", () => {
  it("releases nothing, discards nothing, and goes on at the same frame", () => {
    const { sent, fill, run, pacer, now, ring } = pacing();
    fill(40);
    run(100);
    const before = sent.length;
    const kept = ring.length;
    pacer.hold(now());
    run(500);
    expect(sent).toHaveLength(before);
    expect(ring.length).toBe(kept);
    pacer.release(now());
    run(100);
    expect(sent[before]?.seq).toBe(before);
    expect(sent.length - before).toBeGreaterThan(2);
    expect(sent.length - before).toBeLessThan(8);
  });
});

describe("to a listener that reports", () => {
  it("has at most the lead and 300 ms unacknowledged in flight", () => {
    const { sent, fill, run } = pacing({ reported: true });
    fill(75);
    run(1_500);
    expect(sent).toHaveLength(25);
  });

  it("goes on when reports come again, and gives up after ten seconds without", () => {
    const { sent, fill, run, pacer, events, now } = pacing({ reported: true });
    fill(75);
    run(3_000);
    pacer.report(20 * FRAME_SAMPLES, false, now());
    run(200);
    expect(sent.length).toBeGreaterThan(25);
    run(11_000);
    expect(events).toContain("reader-lost");
  });

  it("knows only what was reported as played, and never more than was sent", () => {
    const { fill, run, pacer, now } = pacing({ reported: true });
    fill(75);
    run(100);
    expect(pacer.playedSamples(now())).toBe(0);
    pacer.report(2_000, false, now());
    pacer.report(1_500, false, now());
    expect(pacer.playedSamples(now())).toBe(2_000);
    pacer.report(10_000_000, false, now());
    expect(pacer.playedSamples(now())).toBe(pacer.releasedSamples);
  });
});
