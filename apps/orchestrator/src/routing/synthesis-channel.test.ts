import type { AntiphonError } from "@antiphon/protocol";
import type { Clock } from "@antiphon/runtime";
import { createLog } from "@antiphon/runtime/log";
import { FakeClock, settle } from "@antiphon/runtime/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { SpeechFeed } from "./speech-feed.ts";
import { SynthesisChannel } from "./synthesis-channel.ts";
import { ScriptedTts } from "./testing/scripted-tts.ts";

let clock: FakeClock;
let tts: ScriptedTts;
let failed: string[];
let lost: AntiphonError[];
let channel: SynthesisChannel;

beforeEach(() => {
  clock = new FakeClock();
  tts = new ScriptedTts();
  failed = [];
  lost = [];
  create(clock);
});

function create(clock: Clock): void {
  channel = new SynthesisChannel({
    workerId: "w",
    sessionId: "s",
    tts: tts.client,
    clock,
    log: createLog({ name: "test", level: "silent" }),
    onFailed: (utteranceId, error) =>
      failed.push(`${utteranceId} ${error.code} ${error.retryable}`),
    onLost: (error) => lost.push(error),
  });
}

async function begin(utteranceId: string, text = "Hi"): Promise<SpeechFeed> {
  const feed = new SpeechFeed();
  channel.begin({ utteranceId, text, attempt: 1, feed });
  await settle();
  return feed;
}

async function read(feed: SpeechFeed, count: number): Promise<string[]> {
  const kinds: string[] = [];
  for (let index = 0; index < count; index++) {
    const { value, done } = await feed.next();
    kinds.push(done === true ? "end" : value.kind);
  }
  return kinds;
}

describe("an utterance", () => {
  it("is sent when it begins, and its events come in order", async () => {
    const feed = await begin("u1", "Hello");
    expect(tts.requests).toEqual(["text u1 1 Hello", "end u1 1"]);
    await tts.say("u1", "started", { audio: 0 }, { audio: 1 }, "done");
    expect(await read(feed, 5)).toEqual(["started", "audio", "audio", "done", "end"]);
  });

  it("is not read from the worker further than its reader has room", async () => {
    const feed = await begin("u1");
    await tts.say("u1", ...Array.from({ length: 20 }, (_, audio) => ({ audio })));
    expect(tts.taken).toBe(5);
    await read(feed, 3);
    await settle();
    expect(tts.taken).toBe(8);
  });

  it("after STOP ends at once; late frames are dropped and the next one is heard", async () => {
    const one = await begin("u1");
    const two = await begin("u2");
    await tts.say("u1", ...Array.from({ length: 8 }, (_, audio) => ({ audio })));
    one.abandon();
    channel.stop("u1");
    await settle();
    expect(await read(one, 1)).toEqual(["end"]);
    expect(tts.controls).toEqual(["STOP u1"]);
    await tts.say("u1", { audio: 8 }, "cancelled");
    await tts.say("u2", "started", { audio: 0 }, "done");
    expect(await read(two, 4)).toEqual(["started", "audio", "done", "end"]);
    expect([failed, lost]).toEqual([[], []]);
  });

  it("that the worker gives up is reported with its reason, and the stream goes on", async () => {
    await begin("u1");
    await begin("u2");
    const three = await begin("u3");
    await tts.say("u1", { error: "deadline_exceeded", retryable: true });
    await tts.say("u2", "cancelled");
    expect(failed).toEqual(["u1 deadline_exceeded true", "u2 unavailable true"]);
    await tts.say("u3", "done");
    expect(await read(three, 2)).toEqual(["done", "end"]);
  });
});

describe("controls", () => {
  it("carry rising numbers", async () => {
    await begin("u1");
    channel.setPaused(true);
    channel.setPaused(false);
    channel.stop("u1");
    await settle();
    expect(tts.controls).toEqual(["PAUSE ", "RESUME ", "STOP u1"]);
    expect(tts.controlSeqs).toEqual([1, 2, 3]);
  });
});

describe("a worker", () => {
  const beats = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 100) {
      await clock.advanceAsync(100);
      await tts.say("", "progress");
    }
  };

  it("that says it lives is waited for, idle or paused", async () => {
    const feed = await begin("u1");
    await tts.say("u1", "done");
    await read(feed, 2);
    await beats(60_000);
    await begin("u2");
    channel.setPaused(true);
    await beats(60_000);
    expect(lost).toEqual([]);
  });

  it("that falls silent is lost within 350 ms", async () => {
    await begin("u1");
    await beats(500);
    await clock.advanceAsync(300);
    expect(lost).toEqual([]);
    await clock.advanceAsync(50);
    expect(lost.map(({ code }) => code)).toEqual(["unavailable"]);
    expect([tts.aborted, clock.pendingTimers]).toEqual([true, 0]);
  });

  it("is not lost for time in which this process was late", async () => {
    const ticks: (() => void)[] = [];
    // Each tick comes when the test says so: as late as it likes.
    create({
      nowMs: () => 0,
      setTimer: (_, action) => {
        ticks.push(action);
        return { cancel: () => {} };
      },
    });
    await begin("u1");
    for (let late = 0; late < 6; late++) ticks.shift()?.();
    expect(lost).toEqual([]);
    ticks.shift()?.();
    expect(lost).toHaveLength(1);
  });

  it("is not watched while its reader has no room", async () => {
    const feed = await begin("u1");
    await tts.say("u1", ...Array.from({ length: 6 }, (_, audio) => ({ audio })));
    await clock.advanceAsync(10_000, 50);
    expect(lost).toEqual([]);
    await read(feed, 2);
    await settle();
    await clock.advanceAsync(400);
    expect(lost).toHaveLength(1);
  });

  it("that lives but says nothing of an utterance is lost in the end", async () => {
    await begin("u1");
    await beats(16_000);
    expect(lost).toHaveLength(1);
  });

  it.each([
    ["skips a frame", [{ audio: 0 }, { audio: 2 }]],
    ["repeats a frame", [{ audio: 0 }, { audio: 0 }]],
    ["sends a frame of a wrong size", [{ audio: 0, bytes: 1_918 }]],
  ])("that %s is lost", async (_, kinds) => {
    await begin("u1");
    await tts.say("u1", ...kinds);
    expect(lost).toHaveLength(1);
  });

  it("whose stream breaks is lost once", async () => {
    await begin("u1");
    await tts.break(new Error("[canceled] http/2 stream closed"));
    await clock.advanceAsync(5_000);
    expect(lost).toHaveLength(1);
  });
});

describe("at the end", () => {
  it("the worker is told, and nothing is reported lost", async () => {
    await begin("u1");
    channel.close();
    await clock.advanceAsync(5_000);
    expect([tts.ended, tts.aborted, lost.length, clock.pendingTimers]).toEqual([1, true, 0, 0]);
  });

  it("a retired channel closes with its last utterance", async () => {
    const feed = await begin("u1");
    channel.retire();
    expect(channel.closed).toBe(false);
    await tts.say("u1", { audio: 0 }, "done");
    expect(channel.closed).toBe(true);
    expect(await read(feed, 3)).toEqual(["audio", "done", "end"]);
  });
});
