import { FRAME_SAMPLES, SAMPLE_RATE_HZ } from "@antiphon/protocol";
import { describe, expect, it } from "vitest";
import { Watchdogs, type WatchedReply } from "./watchdogs.ts";

describe("a reply that has begun", () => {
  it("and of which nothing more comes for 12 s is ended", () => {
    const watch = watched();
    watch.run(11_980, { reply: SOUNDING });
    expect(watch.alarms).toEqual([]);
    watch.run(20, { reply: SOUNDING });
    expect(watch.alarms).toEqual([
      "12000 end-reply watchdogSilentReply deadline_exceeded: The voice stopped in mid-sentence and did not go on.",
    ]);
  });

  it("may pause often, and a little shorter", () => {
    const watch = watched();
    for (let frame = 1; frame <= 5; frame++) {
      watch.run(11_900, { reply: { ...SOUNDING, releasedSamples: frame * FRAME_SAMPLES } });
    }
    expect(watch.alarms).toEqual([]);
  });

  it.each([
    ["is held", { held: true }],
    ["was made to its end", { sourceEnded: true }],
    ["waits for its time, or for the client's credit", { waitingFrames: 1 }],
  ])("is not silent while it %s", (_, changed) => {
    const watch = watched();
    watch.run(60_000, { reply: { ...SOUNDING, ...changed } });
    expect(watch.alarms).toEqual([]);
  });

  it("begins to be silent anew when it goes on after a pause, and so does the next one", () => {
    const watch = watched();
    watch.run(11_000, { reply: SOUNDING });
    watch.run(1_000, { reply: { ...SOUNDING, held: true } });
    watch.run(11_000, { reply: SOUNDING });
    watch.run(11_000, { reply: { ...SOUNDING, epoch: 2 } });
    watch.run(11_000, { reply: undefined });
    watch.run(11_000, { reply: SOUNDING });
    expect(watch.alarms).toEqual([]);
  });

  it("is not silent because this process stood still", () => {
    const watch = watched();
    for (let stall = 0; stall < 20; stall++) {
      watch.run(100, { reply: SOUNDING });
      watch.stall(5_000);
    }
    expect(watch.alarms).toEqual([]);
  });
});

describe("a player that reports", () => {
  it("and does not move for 5 s with audio in hand is given up", () => {
    const watch = watched();
    watch.run(4_980, { reply: playing(9_600) });
    expect(watch.alarms).toEqual([]);
    watch.run(40, { reply: playing(9_600) });
    expect(watch.alarms).toEqual([
      "5000 end-reply watchdogStuckPlayer failed_precondition: Your player does not play what it was sent; is its audio output suspended?",
    ]);
  });

  it("may stand still often, and a little shorter", () => {
    const watch = watched();
    for (let position = 1; position < 9; position++) {
      watch.run(4_900, { reply: playing(position * 960) });
    }
    expect(watch.alarms).toEqual([]);
  });

  it("has nothing to play once it has played everything", () => {
    const watch = watched();
    watch.run(10_000, { reply: playing(SAMPLE_RATE_HZ) });
    expect(watch.alarms).toEqual([]);
  });

  it("stands still while it is held", () => {
    const watch = watched();
    watch.run(4_000, { reply: playing(9_600) });
    watch.run(4_000, { reply: (nowMs) => ({ ...playing(9_600)(nowMs), held: true }) });
    watch.run(4_000, { reply: playing(9_600) });
    expect(watch.alarms).toEqual([]);
  });

  it("and falls silent is not judged by its last word", () => {
    const watch = watched();
    watch.run(60_000, {
      reply: { ...BUSY, player: { positionSamples: 9_600, reportedAtMs: 0 } },
    });
    expect(watch.alarms).toEqual([]);
  });
});

describe("a turn", () => {
  it("without a word for 30 s is ended, and the person told once", () => {
    const watch = watched();
    watch.run(29_980, { turnOpen: true });
    expect(watch.alarms).toEqual([]);
    watch.run(60_020, { turnOpen: true });
    expect(watch.alarms).toEqual([
      "30000 end-turn watchdogEndlessSpeech deadline_exceeded: There is sound in which no new word was understood for 30 s; its end is not awaited.",
      "60000 end-turn watchdogEndlessSpeech",
      "90000 end-turn watchdogEndlessSpeech",
    ]);
  });

  it("is ended 30 s after its last new word: what it says again is no news", () => {
    const watch = watched();
    watch.run(20_000, { turnOpen: true });
    watch.dogs.heard("Hello");
    for (let second = 0; second < 40; second++) {
      watch.run(1_000, { turnOpen: true });
      watch.dogs.heard("Hello");
    }
    expect(watch.alarms.map((alarm) => alarm.slice(0, 37))).toEqual([
      "50000 end-turn watchdogEndlessSpeech ",
    ]);
  });

  it("full of words is ended after two minutes, and again two minutes later", () => {
    const watch = watched();
    for (let second = 1; second <= 240; second++) {
      watch.run(1_000, { turnOpen: true });
      watch.dogs.heard(`word ${second}`);
    }
    const said =
      "end-turn watchdogLongTurn deadline_exceeded: Two minutes were spoken without a pause; the answer is to what was said so far.";
    expect(watch.alarms).toEqual([`120000 ${said}`, `240000 ${said}`]);
  });

  it("that ends begins anew", () => {
    const watch = watched();
    for (let turn = 0; turn < 5; turn++) {
      watch.run(29_000, { turnOpen: true });
      watch.run(20, { turnOpen: false });
    }
    expect(watch.alarms).toEqual([]);
  });
});

/** A second of it was released, all of it so far; more is to come. */
const SOUNDING: WatchedReply = {
  epoch: 1,
  held: false,
  sourceEnded: false,
  waitingFrames: 0,
  releasedSamples: SAMPLE_RATE_HZ,
  player: undefined,
};
const BUSY: WatchedReply = { ...SOUNDING, waitingFrames: 10 };

type Shown = WatchedReply | undefined | ((nowMs: number) => WatchedReply);

function playing(positionSamples: number): (nowMs: number) => WatchedReply {
  return (nowMs) => ({ ...BUSY, player: { positionSamples, reportedAtMs: nowMs - (nowMs % 100) } });
}

/** Ticks every 20 ms; the first is at 0. */
function watched() {
  const dogs = new Watchdogs();
  const alarms: string[] = [];
  let nowMs = 0;
  const look = (reply: Shown, turnOpen: boolean) => {
    const shown = typeof reply === "function" ? reply(nowMs) : reply;
    for (const { action, counter, error } of dogs.tick(nowMs, { reply: shown, turnOpen })) {
      const said = error === undefined ? "" : ` ${error.code}: ${error.message}`;
      alarms.push(`${nowMs} ${action} ${counter}${said}`);
    }
  };
  return {
    dogs,
    alarms,
    run(ms: number, seen: { reply?: Shown; turnOpen?: boolean }) {
      if (nowMs === 0) look(seen.reply, seen.turnOpen ?? false);
      for (let doneMs = 0; doneMs < ms; doneMs += 20) {
        nowMs += 20;
        look(seen.reply, seen.turnOpen ?? false);
      }
    },
    stall(ms: number) {
      nowMs += ms;
    },
  };
}
