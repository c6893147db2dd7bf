import { AntiphonError } from "@antiphon/protocol";
import { ControlAction, ControlOutcome } from "@antiphon/protocol/worker";
import { FakeClock } from "@antiphon/runtime/testing";
import { ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ScriptedVoice, spoken } from "./testing/scripted-voice.ts";
import { quiet, type SpeechCaller, SpeechService, summary } from "./testing/speech-caller.ts";

const { PAUSE, RESUME, STOP } = ControlAction;
let clock: FakeClock;
let voice: ScriptedVoice;
let service: SpeechService;
let caller: SpeechCaller;

beforeEach(async () => {
  clock = new FakeClock();
  voice = new ScriptedVoice();
  service = new SpeechService(clock, voice);
  await service.start("s");
  caller = service.open("s");
});

afterEach(async () => {
  service.server.close();
  caller.hangUp();
  await quiet();
  expect([service.leases, voice.open, clock.pendingTimers]).toEqual([0, 0, 0]);
});

/** The code our error carries, whatever the call was. */
async function codeOf(call: Promise<unknown>): Promise<string | null> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ConnectError);
  return (error as ConnectError).metadata.get("antiphon-code");
}

const codeOfStream = () => codeOf(caller.drain());
/** One word: five frames, less than the limiter's 5 ms. */
const WORD = 4_800;

describe("an utterance", () => {
  it("is started, spoken, timed and done, once each and in this order", async () => {
    caller.say("u", "one two");
    const messages = await caller.drain();
    expect(summary(messages)).toEqual([
      "started u",
      "audio u ×9",
      "wordTimings u",
      "audio u ×1",
      "done u 9600",
    ]);
    const frames = messages.flatMap(({ kind }) => (kind.case === "audio" ? [kind.value] : []));
    expect(frames.map((frame) => frame.seq)).toEqual([...frames.keys()]);
    expect(new Set(frames.map((frame) => frame.pcm.byteLength))).toEqual(new Set([1_920]));
    expect(messages.every((message) => message.attempt === 1)).toBe(true);
    expect(messages[0]?.kind.value).toMatchObject({ model: "scripted", voice: "anna" });
  });

  it.each([
    ["without any text", []],
    ["of empty text", [""]],
    ["of blank text", [" ", "\n"]],
    ["of emoji alone", ["🙂"]],
    ["of punctuation alone", ["?!"]],
  ])("%s is done with 0 samples", async (_, chunks) => {
    for (const chunk of chunks) caller.text("u", chunk);
    caller.end("u");
    expect(summary(await caller.drain())).toEqual(["started u", "done u 0"]);
  });

  it("begins to sound with its first complete sentence", async () => {
    caller.text("u", "One. T");
    const messages = await caller.drain();
    expect(summary(messages)).toContain("audio u ×4");
    caller.text("u", "wo.");
    expect(await caller.drain()).toEqual([]);
    caller.end("u");
    expect(summary(await caller.drain()).at(-1)).toMatch(/^done/);
    expect(voice.jobs.map((job) => job.request.text)).toEqual(["One. ", "Two."]);
  });

  it("waits for those begun before it, whatever text comes first", async () => {
    caller.text("a", "");
    caller.say("b", "two");
    expect(summary(await caller.drain())).toEqual(["started a"]);
    caller.say("a", "one");
    const order = summary(await caller.drain()).filter((line) => !line.startsWith("audio"));
    expect(order).toEqual([
      "wordTimings a",
      "done a 4800",
      "started b",
      "wordTimings b",
      "done b 4800",
    ]);
  });

  it("is not computed while nobody pulls", async () => {
    caller.say("u", "word ".repeat(40));
    await caller.pull();
    await quiet();
    const pulled = voice.jobs[0]?.pulled ?? 0;
    // The gate holds 10 frames, 200 ms: two words and what the limiter needs.
    expect(pulled).toBeGreaterThan(1);
    expect(pulled).toBeLessThan(5);
    await quiet();
    expect(voice.jobs[0]?.pulled).toBe(pulled);
  });

  it("speaks as its session did when it was begun", async () => {
    caller.text("a", "one.");
    await caller.drain();
    await service.start("s", { voice: "bert", speed: 1.5, language: "en" });
    caller.end("a");
    caller.say("b", "two.");
    await caller.drain();
    expect(voice.jobs.map(({ request }) => [request.voice, request.speed])).toEqual([
      ["anna", 1],
      ["bert", 1.5],
    ]);
  });

  it("that fails ends in its error after what was spoken, and the next one is spoken", async () => {
    voice.script = async function* (request) {
      yield* spoken({ ...request, text: "one" });
      if (request.text === "bad") throw new AntiphonError("deadline_exceeded", "too slow");
    };
    caller.say("a", "bad");
    caller.say("b", "good");
    const lines = summary(await caller.drain());
    expect(lines).toContain("error a deadline_exceeded 3840");
    expect(lines.at(-1)).toBe("done b 4800");
  });

  it("keeps what went wrong inside when it was not foreseen", async () => {
    // biome-ignore lint/correctness/useYield: it fails first
    voice.script = async function* () {
      throw new Error("secret path");
    };
    caller.say("a", "x");
    const last = (await caller.drain()).at(-1)?.kind;
    expect(last?.value).toMatchObject({ code: "internal", retryable: false });
    expect(JSON.stringify(last?.value)).not.toContain("secret");
  });
});

describe("a cancelled utterance", () => {
  it("before its first text ends cancelled, and its text is not spoken", async () => {
    caller.cancel("u");
    caller.say("u", "one");
    caller.say("v", "two");
    const lines = summary(await caller.drain());
    expect(lines[0]).toBe("cancelled u 0");
    expect(lines.filter((line) => line.includes(" u"))).toEqual(["cancelled u 0"]);
    expect(lines.at(-1)).toBe("done v 4800");
  });

  it("while it waits ends at once, before those ahead of it", async () => {
    caller.text("a", "");
    caller.say("b", "two");
    await caller.drain();
    caller.cancel("b");
    expect(summary(await caller.drain())).toEqual(["cancelled b 0"]);
  });

  it("in mid-speech ends with the samples that were sent, and its computation stops", async () => {
    caller.say("u", "word ".repeat(40));
    for (let pulled = 0; pulled < 4; pulled++) await caller.pull();
    caller.cancel("u");
    await quiet();
    expect(summary(await caller.drain())).toEqual([`cancelled u ${3 * 960}`]);
    expect(voice.open).toBe(0);
  });

  it("twice, or after its end, is cancelled once", async () => {
    caller.say("u", "one");
    await caller.drain();
    caller.cancel("u");
    caller.cancel("v");
    caller.cancel("v");
    expect(summary(await caller.drain())).toEqual(["cancelled v 0"]);
  });
});

describe("a second attempt", () => {
  it("is spoken after the first failed", async () => {
    let failing = true;
    voice.script = async function* (request) {
      if (failing) throw new AntiphonError("unavailable", "lost");
      yield* spoken(request);
    };
    caller.say("u", "one", 1);
    expect(summary(await caller.drain()).at(-1)).toBe("error u unavailable 0");
    failing = false;
    caller.say("u", "one", 2);
    const messages = await caller.drain();
    expect(summary(messages).at(-1)).toBe("done u 4800");
    expect(messages.every((message) => message.attempt === 2)).toBe(true);
  });

  it("ends the first one that is still under way, and fences it off", async () => {
    caller.text("u", "old", 1);
    await caller.drain();
    caller.say("u", "new", 2);
    caller.text("u", "late", 1);
    expect(summary(await caller.drain())[0]).toBe("cancelled u 0");
    expect(voice.jobs.map((job) => job.request.text)).toEqual(["new"]);
  });

  it("of a stopped utterance stays stopped", async () => {
    await service.control("s", STOP, 1, "u");
    caller.say("u", "one", 1);
    caller.say("u", "one", 2);
    const messages = await caller.drain();
    expect(summary(messages)).toEqual(["cancelled u 0", "cancelled u 0"]);
    expect(messages.map((message) => message.attempt)).toEqual([1, 2]);
  });
});

describe("a message that breaks the rules", () => {
  it("ends its utterance when text is over 8 KiB, and no other", async () => {
    caller.say("a", "x".repeat(8 * 1024 + 1));
    caller.say("b", "two");
    const lines = summary(await caller.drain());
    expect(lines[0]).toBe("error a too_large 0");
    expect(lines.at(-1)).toBe("done b 4800");
  });

  it("ends its utterance when all its texts together are over 64 KiB", async () => {
    for (let chunk = 0; chunk < 9; chunk++) caller.text("a", "x".repeat(8 * 1024));
    expect(summary(await caller.drain()).at(-1)).toMatch(/^error a too_large/);
  });

  it("ends its utterance when text comes after the end", async () => {
    caller.text("a", "");
    caller.say("b", "x");
    caller.text("b", "more");
    expect(summary(await caller.drain())).toContain("error b invalid_argument 0");
  });

  it("ends the stream when an id is used twice, each utterance with its own terminal", async () => {
    caller.say("a", "one");
    await caller.drain();
    caller.text("b", "");
    caller.say("a", "again");
    await quiet();
    expect(summary([(await caller.pull()) as never])).toEqual(["started b"]);
    expect(summary([(await caller.pull()) as never])).toEqual(["error b invalid_argument 0"]);
    expect(await codeOfStream()).toBe("invalid_argument");
  });

  it.each([
    ["no kind", { utteranceId: "u" }],
    ["no utterance", { kind: { case: "end", value: {} } }],
    ["an id of 129 bytes", { utteranceId: "x".repeat(129), kind: { case: "end", value: {} } }],
    ["another session", { sessionId: "other", utteranceId: "u", kind: { case: "end", value: {} } }],
  ] as const)("ends the stream when there is %s", async (_, message) => {
    caller.text("first", "");
    await caller.drain();
    caller.send(message);
    expect(summary([(await caller.pull()) as never])).toEqual(["error first invalid_argument 0"]);
    expect(await codeOfStream()).toBe("invalid_argument");
  });

  it("ends in failed_precondition when the session was never started", async () => {
    caller = service.open("nobody");
    caller.say("u", "one");
    expect(await codeOfStream()).toBe("failed_precondition");
  });

  it("is a second stream of the same session: it is refused, the first goes on", async () => {
    caller.say("u", "one");
    await caller.pull();
    const first = caller;
    caller = service.open("s");
    caller.say("v", "two");
    expect(await codeOfStream()).toBe("conflict");
    expect(summary(await first.drain()).at(-1)).toBe("done u 4800");
    first.hangUp();
    await quiet();
    caller = service.open("s");
    caller.say("v", "two");
    expect(summary(await caller.drain()).at(-1)).toBe("done v 4800");
  });

  it("is the 257th utterance that waits: it is refused as overloaded", async () => {
    for (let index = 0; index < 257; index++) caller.text(`u${index}`, "");
    expect(summary(await caller.drain())).toContain("error u256 overloaded 0");
  });
});

describe("a control", () => {
  it("PAUSE lets nothing through but progress, RESUME goes on at the same frame", async () => {
    caller.say("u", "one two three");
    for (let pulled = 0; pulled < 4; pulled++) await caller.pull();
    expect(await service.control("s", PAUSE, 1)).toMatchObject({
      outcome: ControlOutcome.APPLIED,
      paused: true,
      appliedSeq: 1,
    });
    // The pull that was open when the gate closed gets nothing.
    expect(await caller.pull()).toBe("waiting");
    clock.advance(100);
    const progress = await caller.pull();
    expect(progress).toMatchObject({
      utteranceId: "u",
      kind: { case: "progress", value: { paused: true, pendingUtterances: 1 } },
    });
    await service.control("s", RESUME, 2);
    const rest = await caller.drain();
    const seqs = rest.flatMap(({ kind }) => (kind.case === "audio" ? [kind.value.seq] : []));
    expect(seqs).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    expect(summary(rest).at(-1)).toBe("done u 14400");
  });

  it("PAUSE before any stream holds the first frame of the one that comes", async () => {
    await service.control("s", PAUSE, 1);
    caller.say("u", "one");
    expect(summary(await caller.drain())).toEqual(["started u"]);
    await service.control("s", RESUME, 2);
    expect(summary(await caller.drain()).at(-1)).toBe("done u 4800");
  });

  it("STOP ends a held utterance through the closed gate", async () => {
    caller.say("u", "one two three");
    await caller.pull();
    await caller.pull();
    await service.control("s", PAUSE, 1);
    await service.control("s", STOP, 2, "u");
    expect(summary(await caller.drain())).toEqual(["cancelled u 960"]);
  });

  it("STOP of one utterance leaves the others", async () => {
    caller.say("a", "one");
    caller.say("b", "two");
    await caller.pull();
    await service.control("s", STOP, 1, "a");
    const lines = summary(await caller.drain());
    expect(lines[0]).toBe("cancelled a 0");
    expect(lines.at(-1)).toBe("done b 4800");
  });

  it("STOP without an utterance ends all that are not over, and none that is begun later", async () => {
    caller.say("a", "one");
    caller.say("b", "two");
    await caller.pull();
    await service.control("s", STOP, 1);
    expect(summary(await caller.drain())).toEqual(["cancelled a 0", "cancelled b 0"]);
    caller.say("c", "three");
    expect(summary(await caller.drain()).at(-1)).toBe("done c 4800");
  });

  it("STOP of an utterance not yet seen leaves a tombstone", async () => {
    await service.control("s", STOP, 1, "u");
    caller.say("u", "one");
    expect(summary(await caller.drain())).toEqual(["cancelled u 0"]);
    expect(voice.jobs.length).toBe(0);
  });

  it("older than one applied is stale and ignored; the same one again changes nothing", async () => {
    await service.control("s", PAUSE, 5);
    const stale = await service.control("s", RESUME, 4);
    expect(stale).toMatchObject({ outcome: ControlOutcome.STALE, paused: true, appliedSeq: 5 });
    await service.control("s", RESUME, 6);
    await service.control("s", STOP, 7);
    caller.say("u", "one");
    await caller.pull();
    expect(await service.control("s", STOP, 7)).toMatchObject({ outcome: ControlOutcome.APPLIED });
    expect(summary(await caller.drain()).at(-1)).toBe("done u 4800");
  });

  it.each([
    ["of an unknown session", "nobody", PAUSE, 1, "not_found"],
    ["without an action", "s", ControlAction.UNSPECIFIED, 1, "invalid_argument"],
    ["without a number", "s", PAUSE, 0, "invalid_argument"],
    ["without a session", "", PAUSE, 1, "invalid_argument"],
  ] as const)("%s is refused", async (_, session, action, seq, code) => {
    expect(await codeOf(service.control(session, action, seq))).toBe(code);
  });
});

describe("progress", () => {
  it("comes every 100 ms on an idle stream, before its first message too", async () => {
    for (let round = 0; round < 3; round++) {
      expect(await caller.pull()).toBe("waiting");
      clock.advance(100);
      expect(await caller.pull()).toMatchObject({ utteranceId: "", kind: { case: "progress" } });
    }
  });

  it("comes while the model computes", async () => {
    let compute = () => {};
    voice.script = async function* (request) {
      await new Promise<void>((resolve) => {
        compute = resolve;
      });
      yield* spoken(request);
    };
    caller.say("u", "one");
    await caller.drain();
    clock.advance(100);
    expect(await caller.pull()).toMatchObject({
      utteranceId: "u",
      kind: { value: { paused: false, pendingUtterances: 1 } },
    });
    compute();
    expect(summary(await caller.drain()).at(-1)).toBe("done u 4800");
  });

  it("is one timer for all streams, and none without them", async () => {
    const others = [service.open("a"), service.open("b")];
    await caller.pull();
    for (const other of others) await other.pull();
    // The session of this test is idle no more once its stream has spoken.
    caller.text("u", "");
    await caller.drain();
    expect(clock.pendingTimers).toBe(1);
    for (const other of others) other.hangUp();
    await quiet();
    expect(clock.pendingTimers).toBe(1);
  });
});

describe("a session", () => {
  it("answers its start with what it granted", async () => {
    expect(await service.start("t", { voice: "bert", language: "en-GB" })).toMatchObject({
      model: "scripted",
      voice: "bert",
      language: "en-US",
      sampleRateHz: 48_000,
      wholeUtterance: false,
    });
  });

  it.each([
    ["an unknown voice", { voice: "carl" }, "not_found"],
    ["an unknown model", { model: "other" }, "not_found"],
    ["a foreign language", { language: "de" }, "unimplemented"],
    ["a speed out of range", { speed: 2.5 }, "invalid_argument"],
    ["a speed that is no number", { speed: Number.NaN }, "invalid_argument"],
    ["a voice of 129 bytes", { voice: "x".repeat(129) }, "invalid_argument"],
    ["no name", { sessionId: "" }, "invalid_argument"],
  ])("is refused with %s", async (_, options, code) => {
    expect(await codeOf(service.start("t", options))).toBe(code);
    expect(service.leases).toBe(1);
  });

  it("holds its model until it is ended, however often it was started and ended", async () => {
    await service.start("s");
    expect(service.leases).toBe(1);
    await service.end("s");
    await service.end("s");
    expect(service.leases).toBe(0);
  });

  it("that ends cancels what is under way and closes its stream in order", async () => {
    caller.say("u", "one two three");
    await caller.pull();
    await service.end("s");
    expect(summary(await caller.drain())).toEqual(["cancelled u 0"]);
    expect(await caller.pull()).toBeUndefined();
  });

  it("is forgotten after ten minutes without a stream, and not while it has one", async () => {
    caller.text("u", "");
    await caller.drain();
    clock.advance(20 * 60_000);
    expect(service.leases).toBe(1);
    caller.hangUp();
    await quiet();
    clock.advance(10 * 60_000);
    expect(service.leases).toBe(0);
    expect(await codeOf(service.control("s", PAUSE, 1))).toBe("not_found");
  });

  it("is one too many beyond 512", async () => {
    for (let index = 1; index < 512; index++) await service.start(`s${index}`);
    expect(await codeOf(service.start("another"))).toBe("overloaded");
    await service.end("s1");
    await service.start("another");
  });
});

describe("the end of a stream", () => {
  it("in order speaks what is complete, then ends", async () => {
    caller.say("u", "one");
    caller.halfClose();
    expect(summary(await caller.drain()).at(-1)).toBe("done u 4800");
    expect(await caller.pull()).toBeUndefined();
  });

  it("without any message is no error", async () => {
    caller.halfClose();
    expect(await caller.pull()).toBeUndefined();
  });

  it("within an utterance is that utterance's error", async () => {
    caller.text("u", "one");
    await caller.drain();
    caller.halfClose();
    expect(summary(await caller.drain())).toEqual(["error u invalid_argument 0"]);
  });

  it("by a caller that went away stops the computation", async () => {
    caller.say("u", "word ".repeat(40));
    await caller.pull();
    await caller.pull();
    expect(voice.open).toBe(1);
    caller.hangUp();
    await quiet();
    expect(voice.open).toBe(0);
    expect(service.server.pending).toBe(0);
  });
});

describe("a worker that drains", () => {
  it("speaks what was begun, and begins nothing", async () => {
    caller.text("a", "one. ");
    await caller.drain();
    service.server.drain();
    caller.end("a");
    caller.say("b", "two");
    const lines = summary(await caller.drain());
    expect(lines).toContain("error b unavailable 0");
    expect(lines.at(-1)).toBe(`done a ${WORD}`);
    expect(await codeOf(service.start("t"))).toBe("unavailable");
  });

  it("that is out of time fails the rest of a stream that says nothing more, too", async () => {
    caller.say("a", "one two three");
    caller.halfClose();
    await caller.pull();
    service.server.close();
    expect(summary([(await caller.pull()) as never])).toEqual(["error a unavailable 0"]);
    expect(await codeOfStream()).toBe("unavailable");
  });

  it("that is out of time fails the rest with unavailable", async () => {
    caller.say("a", "one two three");
    await caller.pull();
    service.server.close();
    expect(summary([(await caller.pull()) as never])).toEqual(["error a unavailable 0"]);
    expect(await codeOfStream()).toBe("unavailable");
  });
});
