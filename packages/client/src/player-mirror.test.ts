import type { VoiceFrame } from "@antiphon/protocol";
import { describe, expect, it } from "vitest";
import { PlayerMirror } from "./player-mirror.ts";

const frame = (epoch: number, seq: number, leaseEpoch = 1): VoiceFrame => ({
  leaseEpoch,
  epoch,
  utterance: 0,
  seq,
  positionSamples: seq * 960,
  pcm: new Uint8Array(1920),
});

describe("a player on another thread", () => {
  it("is not empty while a frame is on its way to it", () => {
    const mirror = new PlayerMirror();
    mirror.sentLease(0, 1);
    mirror.sentReply({ replyId: "r1", epoch: 1 });
    mirror.sentFrame(1, frame(1, 0));
    expect(mirror.report()).toEqual({ epoch: 1, replyId: "r1", positionSamples: 0, empty: false });

    mirror.reported(0, { epoch: 0, replyId: null, positionSamples: 0, empty: true });
    expect(mirror.report().empty).toBe(false);

    mirror.reported(1, { epoch: 1, replyId: "r1", positionSamples: 128, empty: false });
    expect(mirror.report()).toMatchObject({ positionSamples: 128, empty: false });
  });

  it("is not empty when it says so before it saw the newest frame", () => {
    const mirror = new PlayerMirror();
    mirror.sentFrame(1, frame(1, 0));
    mirror.sentFrame(2, frame(1, 1));
    const played = { epoch: 1, replyId: "r1", positionSamples: 960, empty: true };
    expect(mirror.reported(1, played)).toBe(false);
    expect(mirror.report()).toEqual({ ...played, empty: false });
  });

  it("ran empty once, when everything sent was played", () => {
    const mirror = new PlayerMirror();
    mirror.sentFrame(1, frame(1, 0));
    const played = { epoch: 1, replyId: "r1", positionSamples: 960, empty: true };
    expect(mirror.reported(1, played)).toBe(true);
    expect(mirror.reported(1, played)).toBe(false);
    expect(mirror.report()).toEqual(played);
  });

  it("asks to be reported when it plays and nobody asked for 160 ms", () => {
    const mirror = new PlayerMirror();
    mirror.sentFrame(1, frame(1, 0));
    const playing = { epoch: 1, replyId: "r1", positionSamples: 480, empty: false };
    const due = () => Array.from({ length: 8 }, () => mirror.reported(1, playing));
    expect(due()).toEqual([false, false, false, false, false, false, false, true]);
    mirror.report();
    expect(due()).toEqual([false, false, false, false, false, false, false, true]);
  });

  it("is empty from a clear on, whatever an older report says", () => {
    const mirror = new PlayerMirror();
    mirror.sentFrame(1, frame(1, 0));
    mirror.reported(1, { epoch: 1, replyId: "r1", positionSamples: 480, empty: false });
    mirror.sentClear(2, 2);
    const cleared = { epoch: 2, replyId: null, positionSamples: 0, empty: true };
    expect(mirror.report()).toEqual(cleared);
    mirror.reported(1, { epoch: 1, replyId: "r1", positionSamples: 960, empty: false });
    expect(mirror.report()).toEqual(cleared);
    mirror.sentFrame(3, frame(1, 1));
    expect(mirror.report()).toEqual(cleared);
  });

  it("forgets the replies of an older lease", () => {
    const mirror = new PlayerMirror();
    mirror.sentReply({ replyId: "old", epoch: 9 });
    mirror.sentFrame(1, frame(9, 0));
    mirror.reported(1, { epoch: 9, replyId: "old", positionSamples: 480, empty: false });
    mirror.sentLease(2, 2);
    expect(mirror.report()).toMatchObject({ epoch: 0, empty: true });
    mirror.sentFrame(3, frame(1, 4, 2));
    expect(mirror.report()).toEqual({
      epoch: 1,
      replyId: null,
      positionSamples: 4 * 960,
      empty: false,
    });
  });
});
