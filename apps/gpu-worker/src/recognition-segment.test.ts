import { encodePcm } from "@antiphon/audio";
import { AntiphonError } from "@antiphon/protocol";
import { FakeClock, settle } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import { type Recogniser, RecognitionSegment } from "./recognition-segment.ts";
import { ScriptedRecogniser } from "./testing/scripted-recogniser.ts";

const FRAME = encodePcm(new Int16Array(960).fill(1_000));

describe("while a segment grows", () => {
  it("decodes all of it after each 460 ms of new audio", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    await push(22);
    expect(recogniser.passes.length).toBe(0);
    await push(1);
    expect(recogniser.passes.map((pass) => pass.priority)).toEqual(["partial"]);
    recogniser.passes[0]?.answer("turn");
    await push(23);
    expect(seconds(recogniser)).toEqual([0.458, 0.918]);
    recogniser.passes[1]?.answer("turn on");
    await settle();
    expect(events).toEqual(["partial 460 turn", "partial 920 turn on"]);
    segment.cancel();
  });

  it("has one pass under way, and leaves out those that came due meanwhile", async () => {
    const { segment, recogniser, push } = await opened({ partials: true });
    await push(100);
    expect(recogniser.passes.length).toBe(1);
    recogniser.passes[0]?.answer("a");
    await settle();
    expect(seconds(recogniser)).toEqual([0.458, 1.998]);
    segment.cancel();
  });

  it("says nothing twice", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    recogniser.script = () => "same";
    await push(100);
    expect(recogniser.passes.length).toBe(4);
    expect(events).toEqual(["partial 460 same"]);
    segment.cancel();
  });

  it("sends no partials where none were asked for", async () => {
    const { segment, recogniser, push } = await opened({ partials: false });
    await push(200);
    expect(recogniser.passes.length).toBe(0);
    segment.cancel();
  });

  it("gives partials up after three failures, and still decodes the final", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    for (let round = 0; round < 5; round++) {
      await push(23);
      recogniser.passes[round]?.fail(new AntiphonError("unavailable", "child died"));
      await settle();
    }
    expect(recogniser.passes.length).toBe(3);
    segment.end();
    recogniser.passes[3]?.answer("yes");
    await settle();
    expect(events).toEqual(["final 2300 en yes"]);
  });
});

describe("when somebody waits for the words so far", () => {
  it("decodes everything at once, as one of those that go first", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    await push(10);
    segment.flush();
    expect(recogniser.passes.map((pass) => pass.priority)).toEqual(["final"]);
    expect(seconds(recogniser)).toEqual([0.198]);
    recogniser.passes[0]?.answer("stop");
    await settle();
    expect(events).toEqual(["partial 200 stop"]);
    segment.cancel();
  });

  it("does so where no partials are sent, and then goes on sending none", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: false });
    recogniser.script = () => "stop";
    await push(10);
    segment.flush();
    await push(100);
    expect(events).toEqual(["partial 200 stop"]);
    segment.cancel();
  });

  it("says again what has not changed", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    recogniser.script = () => "same";
    await push(23);
    segment.flush();
    await push(5);
    segment.flush();
    await settle();
    expect(events).toEqual(["partial 460 same", "partial 460 same", "partial 560 same"]);
    expect(recogniser.passes.length).toBe(2);
    segment.cancel();
  });

  it("has nothing to decode where nothing was sent, whether or not the model is there", async () => {
    const { segment, events, recogniser } = await opened({
      partials: false,
      acquire: () => new Promise<Recogniser>(() => {}),
    });
    segment.flush();
    expect(events).toEqual(["partial 0 "]);
    expect(recogniser.passes.length).toBe(0);
    segment.cancel();
  });

  it("waits for the model, and decodes what has come by then", async () => {
    const gate = Promise.withResolvers<void>();
    const recogniser = new ScriptedRecogniser();
    const { segment, events, push } = await opened({
      partials: false,
      acquire: () => gate.promise.then(() => recogniser.acquire()),
    });
    await push(10);
    segment.flush();
    await push(10);
    gate.resolve();
    await settle();
    recogniser.passes[0]?.answer("stop");
    await settle();
    expect(events).toEqual(["partial 400 stop"]);
    segment.cancel();
  });

  it("answers several who ask at once with one pass", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: false });
    await push(10);
    segment.flush();
    segment.flush();
    recogniser.passes[0]?.answer("stop");
    await settle();
    segment.flush();
    expect(recogniser.passes.length).toBe(1);
    expect(events).toEqual(["partial 200 stop", "partial 200 stop"]);
    segment.cancel();
  });

  it("answers those who asked meanwhile with one more, over everything", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: false });
    await push(10);
    segment.flush();
    await push(5);
    segment.flush();
    await push(5);
    segment.flush();
    await push(5);
    expect(recogniser.passes.length).toBe(1);
    recogniser.passes[0]?.answer("st");
    await settle();
    expect(seconds(recogniser)).toEqual([0.198, 0.498]);
    recogniser.passes[1]?.answer("stop");
    await settle();
    expect(recogniser.passes.length).toBe(2);
    expect(events).toEqual(["partial 200 st", "partial 500 stop"]);
    segment.cancel();
  });

  it.each([
    ["covers everything", 0, "partial 460 stop"],
    ["covers less", 5, "partial 560 stop"],
  ])("does not wait behind others for a partial that %s", async (_, more, answer) => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    recogniser.queued = true;
    await push(23 + more);
    segment.flush();
    expect(recogniser.passes.map((pass) => pass.priority)).toEqual(["partial", "final"]);
    expect(recogniser.passes[0]?.signal.aborted).toBe(true);
    recogniser.passes[1]?.begin();
    recogniser.passes[1]?.answer("stop");
    await settle();
    expect(events).toEqual([answer]);
    segment.cancel();
  });

  it("takes a partial over everything that is being computed for its answer", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    recogniser.script = () => "same";
    await push(23);
    recogniser.script = undefined;
    await push(23);
    segment.flush();
    recogniser.passes[1]?.answer("same");
    await settle();
    expect(recogniser.passes.length).toBe(2);
    expect(events).toEqual(["partial 460 same", "partial 920 same"]);
    segment.cancel();
  });

  it("lets a partial over less that is being computed end, and decodes then", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    await push(30);
    segment.flush();
    expect(recogniser.passes.length).toBe(1);
    recogniser.passes[0]?.answer("turn");
    await settle();
    expect(recogniser.passes[1]?.priority).toBe("final");
    recogniser.passes[1]?.answer("turn it");
    await settle();
    expect(events).toEqual(["partial 460 turn", "partial 600 turn it"]);
    segment.cancel();
  });

  it("keeps its place in the line, however often it is asked", async () => {
    const { segment, recogniser, push } = await opened({ partials: true });
    recogniser.queued = true;
    for (let round = 0; round < 5; round++) {
      await push(10);
      segment.flush();
    }
    expect(recogniser.passes.length).toBe(1);
    expect(recogniser.passes[0]?.signal.aborted).toBe(false);
    segment.cancel();
  });

  it("sends the next partial 460 ms after it", async () => {
    const { segment, recogniser, push } = await opened({ partials: true });
    recogniser.script = () => "turn";
    await push(20);
    segment.flush();
    await push(22);
    expect(recogniser.passes.length).toBe(1);
    await push(1);
    expect(seconds(recogniser)).toEqual([0.398, 0.858]);
    segment.cancel();
  });

  it("has its pass taken as the final, where nothing came after it", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    await push(10);
    segment.flush();
    segment.end();
    recogniser.passes[0]?.answer("stop");
    await settle();
    expect(recogniser.passes.length).toBe(1);
    expect(events).toEqual(["final 200 en stop"]);
  });

  it("tries again when its pass fails, three times at most", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    await push(10);
    segment.flush();
    for (let round = 0; round < 5; round++) {
      recogniser.passes[round]?.fail(new AntiphonError("unavailable", "child died"));
      await settle();
    }
    expect(recogniser.passes.length).toBe(3);
    segment.end();
    recogniser.passes[3]?.answer("stop");
    await settle();
    expect(events).toEqual(["final 200 en stop"]);
  });

  it("says nothing once the segment has ended: its final is the answer", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    await push(10);
    segment.end();
    segment.flush();
    recogniser.passes[0]?.answer("stop");
    await settle();
    segment.flush();
    expect(events).toEqual(["final 200 en stop"]);
  });
});

describe("at the end of a segment", () => {
  it("decodes all of it, before any partial", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    await push(30);
    segment.end();
    expect(recogniser.passes.map((pass) => pass.priority)).toEqual(["partial", "final"]);
    expect(recogniser.passes[0]?.signal.aborted).toBe(true);
    recogniser.passes[0]?.answer("late");
    recogniser.passes[1]?.answer("turn on the light");
    await settle();
    expect(seconds(recogniser)[1]).toBe(0.6);
    expect(events).toEqual(["final 600 en turn on the light"]);
    expect(recogniser.leases).toBe(0);
  });

  it("takes a finished pass over every frame as the final", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    await push(23);
    recogniser.passes[0]?.answer("yes");
    await settle();
    segment.end();
    await settle();
    expect(recogniser.passes.length).toBe(1);
    expect(events).toEqual(["partial 460 yes", "final 460 en yes"]);
  });

  it("waits for a pass over every frame that is under way", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    await push(23);
    segment.end();
    recogniser.passes[0]?.answer("yes");
    await settle();
    expect(recogniser.passes.length).toBe(1);
    expect(events).toEqual(["final 460 en yes"]);
  });

  it("does not wait behind others for such a pass", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    recogniser.queued = true;
    await push(23);
    segment.end();
    expect(recogniser.passes.map((pass) => pass.priority)).toEqual(["partial", "final"]);
    recogniser.passes[1]?.answer("yes");
    await settle();
    expect(events).toEqual(["final 460 en yes"]);
  });

  it("decodes after all when that pass fails", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    await push(23);
    segment.end();
    recogniser.passes[0]?.fail(new Error("child died"));
    await settle();
    recogniser.passes[1]?.answer("yes");
    await settle();
    expect(events).toEqual(["final 460 en yes"]);
  });

  it("is empty without asking when there was no audio", async () => {
    const { segment, recogniser, events } = await opened({ partials: true });
    segment.end();
    await settle();
    expect(recogniser.passes.length).toBe(0);
    expect(events).toEqual(["final 0 en "]);
  });

  it("ignores what comes after it", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: false });
    await push(10);
    segment.end();
    segment.end();
    await push(10);
    recogniser.passes[0]?.answer("hm");
    await settle();
    segment.cancel();
    expect(recogniser.passes.length).toBe(1);
    expect(events).toEqual(["final 200 en hm"]);
  });
});

describe("a final that finds nothing", () => {
  it.each([
    ["heard half of it and was sure", 46, 0.5, 0.9, "final 920 en Zed, Zed"],
    [
      "heard half of it and does not say how sure it was",
      46,
      undefined,
      0.9,
      "final 920 en Zed, Zed",
    ],
    ["was not sure, but surer than the final", 46, 0.4, 0.3, "final 920 en Zed, Zed"],
    ["was not sure", 46, 0.49, 0.9, "final 920 en "],
    ["heard less than half of it", 47, 0.9, 0.3, "final 940 en "],
  ])("after a pass with words that %s", async (_, frames, confidence, finalConfidence, final) => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    await push(23);
    recogniser.passes[0]?.answer("Zed, Zed", confidence);
    await settle();
    await push(frames - 23);
    segment.end();
    recogniser.passes.at(-1)?.answer("", finalConfidence);
    await settle();
    expect(events).toEqual(["partial 460 Zed, Zed", final]);
  });

  it("is believed where the pass before it found nothing either", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    await push(23);
    recogniser.passes[0]?.answer("Oh");
    await settle();
    await push(23);
    recogniser.passes[1]?.answer("");
    await settle();
    await push(1);
    segment.end();
    recogniser.passes[2]?.answer("");
    await settle();
    expect(events).toEqual(["partial 460 Oh", "partial 920 ", "final 940 en "]);
  });

  it("keeps words that a pass between found none of, where they were the surer", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    await push(30);
    recogniser.passes[0]?.answer("Zed,", 0.5);
    await settle();
    await push(10);
    segment.flush();
    recogniser.passes[1]?.answer("", 0.4);
    await settle();
    await push(1);
    segment.end();
    recogniser.passes[2]?.answer("", 0.4);
    await settle();
    expect(events.at(-1)).toBe("final 820 en Zed,");
  });

  it("keeps the words also where it was asked for before the end", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    await push(23);
    recogniser.passes[0]?.answer("Asked.");
    await settle();
    await push(7);
    segment.flush();
    recogniser.passes[1]?.answer("");
    await settle();
    segment.end();
    await settle();
    expect(events).toEqual(["partial 460 Asked.", "partial 600 ", "final 600 en Asked."]);
  });
});

describe("a segment that fails", () => {
  it("is over at once when it is cancelled, and its pass is aborted", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: true });
    await push(30);
    segment.cancel();
    recogniser.passes[0]?.answer("late");
    await settle();
    expect(events).toEqual(["cancelled"]);
    expect(recogniser.passes[0]?.signal.aborted).toBe(true);
    expect(recogniser.leases).toBe(0);
  });

  it("says how long a frame is when one has another size", async () => {
    const { segment, events } = await opened({ partials: true });
    segment.push(new Uint8Array(1_919));
    expect(events).toEqual(["error invalid_argument"]);
  });

  it("holds 30 seconds and no frame more", async () => {
    const { segment, events, push } = await opened({ partials: false });
    await push(1_500);
    expect(events).toEqual([]);
    segment.push(FRAME);
    expect(events).toEqual(["error too_large"]);
  });

  it("passes on what the final pass failed with", async () => {
    const { segment, recogniser, events, push } = await opened({ partials: false });
    await push(10);
    segment.end();
    recogniser.passes[0]?.fail(new AntiphonError("unavailable", "child died"));
    await settle();
    expect(events).toEqual(["error unavailable"]);
    expect(recogniser.leases).toBe(0);
  });

  it("has a deadline for the final pass", async () => {
    const { segment, recogniser, events, clock, push } = await opened({ partials: false });
    await push(10);
    segment.end();
    await clock.advanceAsync(15_000, 500);
    expect(events).toEqual(["error deadline_exceeded"]);
    expect(recogniser.passes[0]?.signal.aborted).toBe(true);
  });

  it("is refused in a language that the model does not know", async () => {
    const { events, recogniser } = await opened({ partials: true, language: "de" });
    expect(events).toEqual(["error unimplemented"]);
    expect(recogniser.leases).toBe(0);
  });

  it("accepts a region of a language that it knows", async () => {
    const { events, segment } = await opened({ partials: true, language: "en-US" });
    expect(events).toEqual([]);
    segment.cancel();
  });
});

describe("while the model loads", () => {
  it("keeps the audio, and decodes it when the model is there", async () => {
    const gate = Promise.withResolvers<void>();
    const recogniser = new ScriptedRecogniser();
    const { segment, events, push, clock } = await opened({
      partials: true,
      acquire: () => gate.promise.then(() => recogniser.acquire()),
    });
    await push(40);
    segment.end();
    gate.resolve();
    await settle();
    expect(seconds(recogniser)).toEqual([0.8]);
    recogniser.passes[0]?.answer("hello");
    await settle();
    expect(events).toEqual(["final 800 en hello"]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("gives a model back that comes after the segment was cancelled", async () => {
    const gate = Promise.withResolvers<void>();
    const recogniser = new ScriptedRecogniser();
    const { segment, events, clock } = await opened({
      partials: true,
      acquire: () => gate.promise.then(() => recogniser.acquire()),
    });
    segment.cancel();
    await settle();
    expect(clock.pendingTimers).toBe(0);
    gate.resolve();
    await settle();
    expect(recogniser.leases).toBe(0);
    expect(events).toEqual(["cancelled"]);
  });

  it("fails when no model comes within the deadline", async () => {
    const { events, clock } = await opened({
      partials: true,
      acquire: () => new Promise<Recogniser>(() => {}),
    });
    await clock.advanceAsync(30_000, 1_000);
    expect(events).toEqual(["error deadline_exceeded"]);
  });

  it("fails with the reason for which there is none", async () => {
    const { events } = await opened({
      partials: true,
      acquire: () => Promise.reject(new AntiphonError("not_found", "No such model.")),
    });
    expect(events).toEqual(["error not_found"]);
  });
});

async function opened(options: {
  partials: boolean;
  language?: string;
  acquire?: () => Promise<Recogniser>;
}) {
  const clock = new FakeClock();
  const recogniser = new ScriptedRecogniser();
  const events: string[] = [];
  const segment = new RecognitionSegment({
    clock,
    acquire: options.acquire ?? (() => recogniser.acquire()),
    language: options.language ?? "",
    partials: options.partials,
    onPartial: ({ text }, audioMs) => events.push(`partial ${audioMs} ${text}`),
    onTerminal: (terminal) => {
      if (terminal.kind === "final") {
        events.push(`final ${terminal.audioMs} ${terminal.language} ${terminal.text}`);
      } else if (terminal.kind === "error") {
        events.push(`error ${terminal.error.code}`);
      } else {
        events.push("cancelled");
      }
    },
  });
  await settle();
  const push = async (frames: number) => {
    for (let frame = 0; frame < frames; frame++) {
      segment.push(FRAME);
      await settle();
    }
  };
  return { clock, recogniser, events, segment, push };
}

/** Of audio in each pass. The filter holds 2 ms and more back until the end, so partials see a little less. */
function seconds(recogniser: ScriptedRecogniser): number[] {
  return recogniser.passes.map(({ request }) => Math.round(request.samples.length / 16) / 1000);
}
