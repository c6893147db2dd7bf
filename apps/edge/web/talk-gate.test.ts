import { FakeClock } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import type { TalkMode } from "./screen-event.ts";
import { TalkGate } from "./talk-gate.ts";

function gateOf(mode: TalkMode) {
  const clock = new FakeClock();
  const told: string[] = [];
  const gate = new TalkGate({
    clock,
    mode,
    open: () => told.push("unmute"),
    close: () => told.push("mute"),
    commit: () => told.push("commit"),
  });
  return { clock, told, gate };
}

describe("hands-free", () => {
  it("says nothing to a session that begins as it is", () => {
    const { gate, told } = gateOf("hands-free");
    gate.connected(true);
    expect(told).toEqual([]);
    expect(gate.audible).toBe(true);
  });

  it("mutes, unmutes, and stays muted over a new connection", () => {
    const { gate, told } = gateOf("hands-free");
    gate.connected(true);
    gate.setMuted(true);
    gate.setMuted(true);
    gate.disconnected();
    gate.connected(true);
    gate.setMuted(false);
    expect(told).toEqual(["mute", "mute", "unmute"]);
  });

  it("mutes a session without a microphone until there is one", () => {
    const { gate, told } = gateOf("hands-free");
    gate.connected(false);
    gate.setMicrophone(true);
    expect(told).toEqual(["mute", "unmute"]);
  });
});

describe("push-to-talk", () => {
  it("is silent until the button is held, then commits after the last syllable", () => {
    const { gate, told, clock } = gateOf("push-to-talk");
    gate.connected(true);
    expect([told, gate.audible]).toEqual([["mute"], false]);
    gate.press();
    expect([told.at(-1), gate.audible]).toEqual(["unmute", true]);
    gate.release();
    expect(gate.audible).toBe(true);
    clock.advance(149);
    expect(told).toEqual(["mute", "unmute"]);
    clock.advance(1);
    expect(told).toEqual(["mute", "unmute", "mute", "commit"]);
    expect(gate.audible).toBe(false);
  });

  it("is one turn when the button is held again at once", () => {
    const { gate, told, clock } = gateOf("push-to-talk");
    gate.connected(true);
    gate.press();
    gate.release();
    clock.advance(100);
    gate.press();
    clock.advance(1_000);
    expect(told).toEqual(["mute", "unmute"]);
    gate.release();
    clock.advance(150);
    expect(told).toEqual(["mute", "unmute", "mute", "commit"]);
  });

  it("commits nothing into a line that was lost", () => {
    const { gate, told, clock } = gateOf("push-to-talk");
    gate.connected(true);
    gate.press();
    gate.release();
    gate.disconnected();
    clock.advance(1_000);
    expect(told).toEqual(["mute", "unmute"]);
    expect(gate.down).toBe(false);
  });
});
