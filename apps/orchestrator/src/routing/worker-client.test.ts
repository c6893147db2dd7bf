import { AntiphonError } from "@antiphon/protocol";
import type { WorkerBeat } from "@antiphon/protocol/worker";
import { systemClock } from "@antiphon/runtime";
import { createLog } from "@antiphon/runtime/log";
import { FakeClock, settle } from "@antiphon/runtime/testing";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SpeechEvent, SynthesisStream } from "../session/ports.ts";
import { beat, ttsModel } from "./testing/beats.ts";
import { FakeWorker, type FakeWorkerScript } from "./testing/fake-worker.ts";
import { createWorkerSynthesizer } from "./worker-client.ts";
import { WorkerConnections } from "./worker-connections.ts";
import { WorkerRegistry } from "./worker-registry.ts";

const SESSION = { sessionId: "s", voice: undefined, language: "en", speed: 1 };
const log = createLog({ name: "test", level: "silent" });
const never = new AbortController().signal;

let registry: WorkerRegistry;
let connections: WorkerConnections;
let workers: FakeWorker[];
let seq: number;

beforeEach(() => {
  registry = new WorkerRegistry({ clock: systemClock, log });
  connections = new WorkerConnections({ secret: "s" });
  workers = [];
  seq = 0;
});
afterEach(() => {
  connections.close();
  for (const worker of workers) worker.die();
});

/** Joins the pool as "w0", "w1"…; the first measured quickest, so that it is asked first. */
async function join(script: FakeWorkerScript = {}, init: Partial<WorkerBeat> = {}) {
  const worker = new FakeWorker(script);
  await worker.listen();
  workers.push(worker);
  say(workers.length - 1, init);
  return worker;
}

function say(index: number, init: Partial<WorkerBeat> = {}): void {
  const models = [ttsModel({ firstAudioLatencyMs: 10 + index * 100 })];
  const { address } = workers[index] ?? { address: "" };
  registry.accept(beat(`w${index}`, ++seq, { address, models, ...init }));
}

const synthesizer = (random = balanced()) =>
  createWorkerSynthesizer({ registry, connections, clock: systemClock, log, random });

/** Draws the first and then the last of any two, so that the quicker one is always found. */
function balanced(): () => number {
  let draw = 0;
  return () => (draw++ % 2 === 0 ? 0 : 0.99);
}

/** Once its first frame was heard. */
async function begun(events: AsyncIterable<SpeechEvent>): Promise<AsyncIterable<SpeechEvent>> {
  const iterator = events[Symbol.asyncIterator]();
  while ((await iterator.next()).value?.kind !== "audio");
  return { [Symbol.asyncIterator]: () => iterator };
}

async function hear(events: AsyncIterable<SpeechEvent>): Promise<string> {
  const kinds: string[] = [];
  try {
    for await (const { kind } of events) kinds.push(kind);
  } catch (reason) {
    const { code, details } = reason as AntiphonError;
    kinds.push(`${code} audioSent=${details["audioSent"]}`);
  }
  return kinds.join(" ");
}

const speak = (stream: SynthesisStream, utteranceId: string, signal = never) =>
  stream.speak({ utteranceId, text: `text of ${utteranceId}` }, signal);

const SPOKEN = "started audio audio audio done";

describe("a session's voice", () => {
  it("speaks one utterance after another on one stream, with the pool's secret", async () => {
    const worker = await join();
    const stream = await synthesizer().open(SESSION, never);
    expect([stream.voice, stream.wholeUtterance]).toEqual(["slt", true]);
    const one = speak(stream, "u1");
    const two = speak(stream, "u2");
    // The text of the second is with the worker before anyone listens to the first.
    await vi.waitFor(() => expect(worker.spoken).toHaveLength(2));
    expect([await hear(one), await hear(two)]).toEqual([SPOKEN, SPOKEN]);
    expect(worker.spoken).toEqual(["u1 1 text of u1", "u2 1 text of u2"]);
    expect([...worker.authorizations]).toEqual(["Bearer s"]);
    stream.close();
    await vi.waitFor(() => expect(worker.endedSessions).toEqual(worker.started));
  });

  it("waits for the first worker to join", async () => {
    const opening = synthesizer().open(SESSION, never);
    await settle();
    await join();
    const stream = await opening;
    expect(await hear(speak(stream, "u1"))).toBe(SPOKEN);
    stream.close();
  });

  it("that nobody has is not found at once; with no worker at all it is unavailable in the end", async () => {
    const clock = new FakeClock();
    const empty = createWorkerSynthesizer({
      registry: new WorkerRegistry({ clock, log }),
      connections,
      clock,
      log,
      random: Math.random,
    });
    const opening = empty.open(SESSION, never);
    const failure = expect(opening).rejects.toMatchObject({ code: "unavailable" });
    await clock.advanceAsync(5_000, 50);
    await failure;
    await join();
    await expect(synthesizer().open({ ...SESSION, voice: "nobody" }, never)).rejects.toMatchObject({
      code: "not_found",
    });
    await expect(synthesizer().open({ ...SESSION, language: "fi" }, never)).rejects.toMatchObject({
      code: "unimplemented",
    });
  });

  it("that nobody waits for any more is given back, granted or not", async () => {
    const answer = Promise.withResolvers<void>();
    const worker = await join({ startsAfter: answer.promise });
    const patience = new AbortController();
    const opening = synthesizer().open(SESSION, patience.signal);
    await vi.waitFor(() => expect(worker.started).toHaveLength(1));
    patience.abort(new Error("hung up"));
    await expect(opening).rejects.toThrow("hung up");
    await vi.waitFor(() => expect(worker.endedSessions).toEqual(worker.started));
    answer.resolve();
  });

  it("goes to the next worker when one refuses, and is overloaded when all do", async () => {
    const full = new AntiphonError("overloaded", "full");
    await join({ refuse: full });
    const other = await join();
    const stream = await synthesizer().open(SESSION, never);
    expect(await hear(speak(stream, "u1"))).toBe(SPOKEN);
    stream.close();
    other.script.refuse = full;
    await expect(synthesizer().open(SESSION, never)).rejects.toMatchObject({ code: "overloaded" });
  });
});

describe("STOP", () => {
  it("ends the utterance here, tells the worker, and lets the next one through", async () => {
    const worker = await join({ frames: 500 });
    const stream = await synthesizer().open(SESSION, never);
    const controller = new AbortController();
    const events = speak(stream, "u1", controller.signal)[Symbol.asyncIterator]();
    for (let count = 0; count < 4; count++) await events.next();
    controller.abort();
    expect((await events.next()).done).toBe(true);
    await vi.waitFor(() => expect(worker.controls).toEqual(["3 u1"]));
    worker.script.frames = 3;
    expect(await hear(speak(stream, "u2"))).toBe(SPOKEN);
    stream.close();
  });

  it("is what leaving the loop means, too", async () => {
    const worker = await join({ frames: 500 });
    const stream = await synthesizer().open(SESSION, never);
    for await (const { kind } of speak(stream, "u1")) if (kind === "audio") break;
    await vi.waitFor(() => expect(worker.controls).toEqual(["3 u1"]));
    stream.close();
  });
});

describe("PAUSE and RESUME", () => {
  it("reach the worker, each once", async () => {
    const worker = await join();
    const stream = await synthesizer().open(SESSION, never);
    await hear(speak(stream, "u1"));
    for (const paused of [true, true, false, false]) stream.setPaused(paused);
    await vi.waitFor(() => expect(worker.controls).toEqual(["1 ", "2 "]));
    stream.close();
  });
});

describe("a worker that dies", () => {
  it("before the first audio: another speaks it, and what was sent ahead, in order", async () => {
    const first = await join({ dieAfterFrames: 0 });
    const second = await join();
    const stream = await synthesizer().open(SESSION, never);
    const utterances = ["u1", "u2", "u3"].map((id) => speak(stream, id));
    const heard: string[] = [];
    for (const events of utterances) heard.push(await hear(events));
    expect(heard).toEqual([SPOKEN, SPOKEN, SPOKEN]);
    expect(first.spoken[0]).toBe("u1 1 text of u1");
    expect(second.spoken).toEqual(["u1 2 text of u1", "u2 2 text of u2", "u3 2 text of u3"]);
    expect(registry.view().find(({ workerId }) => workerId === "w0")?.suspect).toBe(true);
    stream.close();
  });

  it("after some audio: says that audio was sent, and the next utterance is spoken elsewhere", async () => {
    await join({ dieAfterFrames: 2 });
    const second = await join();
    const stream = await synthesizer().open(SESSION, never);
    expect(await hear(speak(stream, "u1"))).toBe("started audio audio unavailable audioSent=true");
    expect(await hear(speak(stream, "u2"))).toBe(SPOKEN);
    expect(second.spoken).toEqual(["u2 1 text of u2"]);
    stream.close();
  });

  it("twice before any audio: the utterance fails, and a retry would be blind", async () => {
    await join({ dieAfterFrames: 0 });
    await join({ dieAfterFrames: 0 });
    await join();
    const stream = await synthesizer().open(SESSION, never);
    expect(await hear(speak(stream, "u1"))).toMatch(/unavailable audioSent=false$/);
    stream.close();
  });

  it("while nobody speaks: the next utterance is spoken elsewhere", async () => {
    const first = await join();
    const second = await join();
    const stream = await synthesizer().open(SESSION, never);
    await hear(speak(stream, "u1"));
    first.die();
    await vi.waitFor(() => expect(registry.view()[0]?.suspect).toBe(true));
    expect(await hear(speak(stream, "u2"))).toBe(SPOKEN);
    expect(second.spoken).toEqual(["u2 1 text of u2"]);
    stream.close();
  });
});

describe("a model that fails", () => {
  it("in a way that may pass is tried once more, elsewhere if there is an elsewhere", async () => {
    const fail = { error: "deadline_exceeded", retryable: true };
    const first = await join({ fail });
    const stream = await synthesizer().open(SESSION, never);
    expect(await hear(speak(stream, "u1"))).toBe(SPOKEN);
    expect(first.spoken).toEqual(["u1 1 text of u1", "u1 2 text of u1"]);
    const second = await join();
    first.script.fail = fail;
    expect(await hear(speak(stream, "u2"))).toBe(SPOKEN);
    expect(second.spoken).toEqual(["u2 2 text of u2"]);
    stream.close();
  });

  it("for its own sake is said, and the stream goes on", async () => {
    await join({ fail: { error: "invalid_argument", retryable: false } });
    const stream = await synthesizer().open(SESSION, never);
    expect(await hear(speak(stream, "u1"))).toBe("invalid_argument audioSent=false");
    expect(await hear(speak(stream, "u2"))).toBe(SPOKEN);
    stream.close();
  });
});

describe("a worker that drains", () => {
  it("finishes what it has; what is new goes to another", async () => {
    const first = await join();
    const second = await join();
    const stream = await synthesizer().open(SESSION, never);
    const one = speak(stream, "u1");
    say(0, { draining: true });
    const two = speak(stream, "u2");
    expect([await hear(one), await hear(two)]).toEqual([SPOKEN, SPOKEN]);
    expect([first.spoken, second.spoken]).toEqual([["u1 1 text of u1"], ["u2 1 text of u2"]]);
    await vi.waitFor(() => expect(first.endedSessions).toEqual(first.started));
    stream.close();
  });

  it("and says so first when asked for the next sentence finishes this one; another speaks the rest", async () => {
    const first = await join({ frames: 200 });
    const second = await join();
    const stream = await synthesizer().open(SESSION, never);
    const one = await begun(speak(stream, "u1"));
    first.script.draining = true;
    const rest = [speak(stream, "u2"), speak(stream, "u3")];
    expect(await hear(one)).toBe(`${"audio ".repeat(199)}done`);
    for (const events of rest) expect(await hear(events)).toBe(SPOKEN);
    expect([first.spoken, second.spoken]).toEqual([
      ["u1 1 text of u1"],
      ["u2 2 text of u2", "u3 1 text of u3"],
    ]);
    await vi.waitFor(() => expect(first.endedSessions).toEqual(first.started));
    stream.close();
  });

  it("and refuses a sentence after the one behind it went to another: both are spoken, in order", async () => {
    const first = await join({ frames: 200 });
    const second = await join({ frames: 20 });
    const stream = await synthesizer().open(SESSION, never);
    const one = await begun(speak(stream, "u1"));
    first.script.draining = true;
    const two = speak(stream, "u2");
    say(0, { draining: true });
    const three = speak(stream, "u3");
    await vi.waitFor(() => expect(second.spoken).toEqual(["u3 1 text of u3"]));
    expect(await hear(one)).toBe(`${"audio ".repeat(199)}done`);
    for (const events of [two, three]) {
      expect(await hear(events)).toBe(`started ${"audio ".repeat(20)}done`);
    }
    expect(second.spoken.slice(1)).toEqual(["u2 2 text of u2", "u3 1 text of u3"]);
    stream.close();
  });

  it("with no other there finishes what it has; its successor speaks the rest", async () => {
    const first = await join({ frames: 200 });
    const stream = await synthesizer().open(SESSION, never);
    const one = await begun(speak(stream, "u1"));
    first.script.draining = true;
    say(0, { draining: true });
    const two = speak(stream, "u2");
    expect(await hear(one)).toBe(`${"audio ".repeat(199)}done`);
    const successor = await join();
    expect(await hear(two)).toBe(SPOKEN);
    expect(successor.spoken).toEqual(["u2 2 text of u2"]);
    stream.close();
  });

  it("unheard of and alone: whom it refuses waits for its successor", async () => {
    const first = await join({ draining: true });
    const opening = synthesizer().open(SESSION, never);
    await vi.waitFor(() => expect(first.refusals).toBe(1));
    say(0, { draining: true });
    await join();
    const stream = await opening;
    expect(await hear(speak(stream, "u1"))).toBe(SPOKEN);
    stream.close();
  });
});

describe("a GOAWAY on an idle connection", () => {
  it("while a new call starts ends neither the process nor the call", async () => {
    const worker = await join();
    for (let round = 0; round < 20; round++) {
      const stream = await synthesizer().open(SESSION, never);
      stream.close();
      worker.goAway();
      // Some rounds later than others, so that the call meets the connection in every state.
      for (let turn = 0; turn < round; turn++) await new Promise(setImmediate);
    }
    const stream = await synthesizer().open(SESSION, never);
    expect(await hear(speak(stream, "u1"))).toBe(SPOKEN);
    stream.close();
  });
});
