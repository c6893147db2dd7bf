import { AntiphonError } from "@antiphon/protocol";
import { createLog } from "@antiphon/runtime/log";
import { FakeClock } from "@antiphon/runtime/testing";
import { beforeEach, describe, expect, it } from "vitest";
import type { SpeechOutput, SpeechRequest } from "../adapters/adapter.ts";
import { RECOGNISER, ScriptedChild } from "../testing/scripted-child.ts";
import { quiet } from "../testing/speech-caller.ts";
import { InferenceChildProcess } from "./inference-child-process.ts";

const REQUEST: SpeechRequest = { text: "x".repeat(20), voice: "anna", language: "en", speed: 1 };
const AUDIO = { samples: new Float32Array(16_000), language: "en" };

let clock: FakeClock;
let children: ScriptedChild[];
let states: string[];
let process: InferenceChildProcess;

beforeEach(() => {
  clock = new FakeClock();
  children = [];
  states = [];
  process = new InferenceChildProcess({
    model: "scripted",
    spawn: () => {
      const child = new ScriptedChild();
      children.push(child);
      return child;
    },
    clock,
    log: createLog({ name: "test", level: "silent" }),
    onState: (state, failure) => states.push(failure === "" ? state : `${state}: ${failure}`),
  });
});

const child = () => children.at(-1) as ScriptedChild;

async function started(): Promise<void> {
  const starting = process.start();
  child().ready();
  await starting;
}

/** A reader that takes everything as it comes. */
class Reader {
  readonly outputs: SpeechOutput[] = [];
  outcome = "reading";
  readonly controller = new AbortController();

  constructor(request = REQUEST) {
    void this.#read(request);
  }

  async #read(request: SpeechRequest): Promise<void> {
    try {
      for await (const output of process.synthesize(request, this.controller.signal)) {
        this.outputs.push(output);
      }
      this.outcome = "ended";
    } catch (reason) {
      this.outcome =
        reason instanceof AntiphonError ? `${reason.code} ${reason.retryable}` : String(reason);
    }
  }
}

describe("a model's process", () => {
  it("is ready when its child says so", async () => {
    await started();
    expect(states).toEqual(["starting", "ready"]);
    expect(process.firstOutputMs).toBe(20);
  });

  it("has failed when the child could not load, with its reason", async () => {
    const starting = process.start();
    child().say({ type: "load-failed", message: "no such file" });
    child().exit("code 1");
    await expect(starting).rejects.toMatchObject({ code: "unavailable" });
    expect(states).toEqual(["starting", "failed: no such file"]);
    expect(children.length).toBe(1);
  });

  it("has failed when the child does not get ready in two minutes", async () => {
    const starting = process.start();
    starting.catch(() => {});
    clock.advance(120_000);
    await expect(starting).rejects.toMatchObject({ code: "unavailable" });
    expect(child().killed).toBe(true);
  });

  it("can be started again after it failed or was stopped", async () => {
    const starting = process.start();
    child().exit("code 1");
    await expect(starting).rejects.toThrow();
    await started();
    await process.stop();
    expect(child().killed).toBe(true);
    await started();
    expect(states.at(-1)).toBe("ready");
    expect(children.length).toBe(3);
  });

  it("leaves no timer behind", async () => {
    await started();
    const reader = new Reader();
    await quiet();
    child().samples(1);
    child().say({ type: "ended", job: 1 });
    await quiet();
    expect(reader.outcome).toBe("ended");
    await process.stop();
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("a speech job", () => {
  beforeEach(started);

  it("gives its reader what the child sends, and the child credit for what was taken", async () => {
    const reader = new Reader();
    await quiet();
    expect(child().received[0]).toMatchObject({
      type: "speak",
      job: 1,
      request: REQUEST,
      credit: 4,
    });
    child().samples(1);
    child().samples(1);
    child().say({ type: "words", job: 1, words: [] });
    child().say({ type: "ended", job: 1 });
    await quiet();
    expect(reader.outputs.map((output) => output.kind)).toEqual(["samples", "samples", "words"]);
    expect(reader.outcome).toBe("ended");
    expect(child().received.slice(1)).toEqual([
      { type: "credit", job: 1, messages: 1 },
      { type: "credit", job: 1, messages: 1 },
    ]);
  });

  it("gives no credit for what its reader has not taken", async () => {
    const iterator = process
      .synthesize(REQUEST, new AbortController().signal)
      [Symbol.asyncIterator]();
    const first = iterator.next();
    await quiet();
    for (let message = 0; message < 4; message++) child().samples(1);
    await first;
    await quiet();
    expect(child().received.length).toBe(1);
    await iterator.next();
    expect(child().received.length).toBe(2);
  });

  it("waits for a slot, in order, and has it until the child has stopped computing", async () => {
    const readers = [new Reader(), new Reader(), new Reader()];
    await quiet();
    expect(child().jobs).toEqual([1, 2]);
    expect(process.busy).toBe(3);
    readers[0]?.controller.abort();
    await quiet();
    expect(readers[0]?.outcome).toBe("ended");
    expect(child().received.at(-1)).toEqual({ type: "cancel", job: 1 });
    expect(child().jobs).toEqual([1, 2]);
    child().say({ type: "ended", job: 1 });
    await quiet();
    expect(child().jobs).toEqual([1, 2, 3]);
  });

  it("that is aborted before its turn never runs", async () => {
    const readers = [new Reader(), new Reader(), new Reader(), new Reader()];
    await quiet();
    readers[2]?.controller.abort();
    child().say({ type: "ended", job: 1 });
    await quiet();
    expect(readers[2]?.outcome).toBe("ended");
    expect(child().jobs.length).toBe(3);
    expect(process.busy).toBe(2);
  });

  it("passes on why it failed", async () => {
    const reader = new Reader();
    await quiet();
    child().say({ type: "failed", job: 1, code: "not_found", message: "m", retryable: false });
    await quiet();
    expect(reader.outcome).toBe("not_found false");
  });

  it("without output for a second ends in deadline_exceeded; its child is killed and another one started", async () => {
    const hung = new Reader();
    const other = new Reader();
    await quiet();
    clock.advance(999);
    expect(child().killed).toBe(false);
    clock.advance(1);
    await quiet();
    expect(children.length).toBe(2);
    expect(children[0]?.killed).toBe(true);
    expect([hung.outcome, other.outcome].sort()).toEqual([
      "deadline_exceeded true",
      "unavailable true",
    ]);
    child().ready();
    const next = new Reader();
    await quiet();
    expect(child().jobs.length).toBe(1);
    expect(next.outcome).toBe("reading");
  });

  it("is not late while its reader takes its time", async () => {
    const iterator = process
      .synthesize(REQUEST, new AbortController().signal)
      [Symbol.asyncIterator]();
    const first = iterator.next();
    await quiet();
    child().samples(1);
    await first;
    clock.advance(60_000);
    expect(child().killed).toBe(false);
  });

  it("has four times as long as the model has taken before, on a slow model", async () => {
    for (let job = 1; job <= 20; job++) {
      new Reader();
      await quiet();
      clock.advance(900);
      child().samples(job);
      child().say({ type: "ended", job });
      await quiet();
    }
    expect(process.firstOutputMs).toBeGreaterThan(850);
    new Reader();
    await quiet();
    clock.advance(3_000);
    expect(child().killed).toBe(false);
    clock.advance(1_000);
    expect(children[0]?.killed).toBe(true);
  });

  it("that was cancelled but does not stop in five seconds costs the child its life", async () => {
    const reader = new Reader();
    await quiet();
    reader.controller.abort();
    await quiet();
    clock.advance(4_999);
    expect(child().killed).toBe(false);
    clock.advance(1);
    expect(children[0]?.killed).toBe(true);
  });
});

describe("a child that ends unasked", () => {
  beforeEach(started);

  it("is replaced; those who wait for a slot go to the next one", async () => {
    const readers = [new Reader(), new Reader(), new Reader()];
    await quiet();
    child().exit("SIGSEGV");
    await quiet();
    expect(readers.map((reader) => reader.outcome)).toEqual([
      "unavailable true",
      "unavailable true",
      "reading",
    ]);
    expect(states).toEqual(["starting", "ready", "starting"]);
    child().ready();
    await quiet();
    expect(child().jobs.length).toBe(1);
  });

  it("is heard no more", async () => {
    const lost = child();
    lost.exit("SIGSEGV");
    lost.ready();
    expect(states.at(-1)).toBe("starting");
  });

  it("more than five times a minute has failed", async () => {
    for (let restart = 0; restart < 5; restart++) {
      child().exit("SIGSEGV");
      child().ready();
    }
    const reader = new Reader();
    await quiet();
    child().exit("SIGSEGV");
    await quiet();
    expect(reader.outcome).toBe("unavailable true");
    expect(states.at(-1)).toContain("failed: the process ended (SIGSEGV), 6 times");
    expect(children.length).toBe(6);
    const late = new Reader();
    await quiet();
    expect(late.outcome).toBe("unavailable true");
  });

  it("now and then is always replaced", async () => {
    for (let restart = 0; restart < 20; restart++) {
      child().exit("SIGSEGV");
      child().ready();
      clock.advance(13_000);
    }
    expect(states.at(-1)).toBe("ready");
  });
});

describe("a transcription", () => {
  let begun = 0;
  const onBegun = () => {
    begun++;
  };
  beforeEach(async () => {
    begun = 0;
    const starting = process.start();
    child().ready(RECOGNISER);
    await starting;
  });

  it("resolves with the child's answer", async () => {
    const { signal } = new AbortController();
    const answer = process.transcribe(AUDIO, { priority: "final", signal, onBegun });
    await quiet();
    child().say({ type: "transcribed", job: 1, result: { text: "hello", language: "en" } });
    expect(await answer).toEqual({ text: "hello", language: "en" });
    child().say({ type: "ended", job: 1 });
    expect(process.busy).toBe(0);
  });

  it("rejects with the signal's reason when it is aborted, waiting or running", async () => {
    const controllers = [new AbortController(), new AbortController()];
    const answers = controllers.map(({ signal }) =>
      process.transcribe(AUDIO, { priority: "partial", signal, onBegun }),
    );
    await quiet();
    for (const controller of controllers) controller.abort(new Error("given up"));
    for (const answer of answers) await expect(answer).rejects.toThrow("given up");
    expect(child().jobs).toEqual([1]);
  });

  it("says when its turn has come", async () => {
    const { signal } = new AbortController();
    const answers = [1, 2].map(() =>
      process.transcribe(AUDIO, { priority: "final", signal, onBegun }),
    );
    await quiet();
    expect(begun).toBe(1);
    for (const job of [1, 2]) {
      child().say({ type: "transcribed", job, result: { text: "hello", language: "en" } });
      child().say({ type: "ended", job });
      await quiet();
      expect(begun).toBe(2);
    }
    await Promise.all(answers);
  });

  it("may take ten seconds before its child counts as hung", async () => {
    const { signal } = new AbortController();
    const answer = process.transcribe(AUDIO, { priority: "final", signal, onBegun });
    answer.catch(() => {});
    await quiet();
    clock.advance(9_999);
    expect(child().killed).toBe(false);
    clock.advance(1);
    await expect(answer).rejects.toMatchObject({ code: "deadline_exceeded" });
  });
});
