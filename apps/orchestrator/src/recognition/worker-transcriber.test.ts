import { AntiphonError } from "@antiphon/protocol";
import { createLog } from "@antiphon/runtime/log";
import { FakeClock, settle } from "@antiphon/runtime/testing";
import { afterEach, describe, expect, it } from "vitest";
import type { TranscriptionSegment, TranscriptionStream } from "../session/ports.ts";
import { ScriptedRecognisers } from "./testing/scripted-recognisers.ts";
import { createWorkerTranscriber } from "./worker-transcriber.ts";

const FRAME = new Uint8Array(1_920);

describe("a session's segments", () => {
  it("go to one worker over one stream that stays open", async () => {
    const { pool, stream } = opened();
    const partials: string[] = [];
    const one = stream.begin(({ text }) => partials.push(text));
    await push(one, 3);
    expect(pool.streams.length).toBe(1);
    const [worker] = pool.streams;
    worker?.say("1.1", { case: "partial", value: { text: "turn" } });
    worker?.say("1.1", { case: "partial", value: { text: "turn on" } });
    await settle();
    const final = one.finish();
    await settle();
    worker?.final("1.1", "turn on the light");
    expect(await final).toMatchObject({ text: "turn on the light", computeMs: 50 });
    expect(partials).toEqual(["turn", "turn on"]);
    const two = stream.begin(() => {});
    await push(two, 1);
    expect(pool.streams.length).toBe(1);
    expect(worker?.summary).toEqual([
      "begin 1.1",
      "audio 1.1 x3",
      "end 1.1",
      "begin 2.1",
      "audio 2.1 x1",
    ]);
    expect(worker?.requests[0]).toMatchObject({
      sessionId: "s",
      kind: { value: { model: "moonshine-tiny", language: "", partials: true } },
    });
  });

  it("open no stream before the first of them", () => {
    const { pool, clock } = opened();
    expect([pool.streams.length, clock.pendingTimers]).toEqual([0, 0]);
  });

  it("are copied frame by frame", async () => {
    const { pool, stream } = opened();
    const pcm = new Uint8Array(1_920).fill(7);
    stream.begin(() => {}).push(pcm);
    pcm.fill(0);
    await settle();
    expect(pool.streams[0]?.requests[1]?.kind).toMatchObject({
      value: { pcm: new Uint8Array(1_920).fill(7) },
    });
  });

  it("say how much of them a partial covers, also where a worker was given only the last 10 s", async () => {
    const { pool, stream } = opened();
    const partials: string[] = [];
    const segment = stream.begin(({ text, audioMs }) => partials.push(`${audioMs} ${text}`));
    await push(segment, 1_501);
    pool.streams[0]?.say("1.2", { case: "partial", value: { text: "on", audioMs: 10_000 } });
    await settle();
    expect(partials).toEqual(["30020 on"]);
  });

  it("may be finished out of order", async () => {
    const { pool, stream } = opened();
    const finals = [stream.begin(() => {}).finish(), stream.begin(() => {}).finish()];
    await settle();
    pool.streams[0]?.final("2.1", "second");
    pool.streams[0]?.final("1.1", "first");
    expect((await Promise.all(finals)).map(({ text }) => text)).toEqual(["first", "second"]);
  });

  it("are cancelled at the worker, and late words of theirs are dropped", async () => {
    const { pool, stream } = opened();
    const partials: string[] = [];
    const segment = stream.begin(({ text }) => partials.push(text));
    await push(segment, 1);
    segment.cancel();
    await push(segment, 1);
    pool.streams[0]?.say("1.1", { case: "partial", value: { text: "late" } });
    await settle();
    expect(partials).toEqual([]);
    expect(pool.streams[0]?.summary.at(-1)).toBe("cancel 1.1");
  });

  it("longer than 30 s are begun anew with their last 10 s", async () => {
    const { pool, stream } = opened();
    const segment = stream.begin(() => {});
    await push(segment, 1_501);
    expect(pool.streams[0]?.summary).toEqual([
      "begin 1.1",
      "audio 1.1 x1500",
      "cancel 1.1",
      "begin 1.2",
      "audio 1.2 x500",
    ]);
    const final = segment.finish();
    await settle();
    pool.streams[0]?.final("1.2", "the rest");
    expect((await final).text).toBe("the rest");
  });

  it("are refused beyond eight at once", async () => {
    const { stream } = opened();
    for (let index = 0; index < 8; index++) stream.begin(() => {});
    await expect(stream.begin(() => {}).finish()).rejects.toMatchObject({ code: "overloaded" });
  });
});

describe("a flush", () => {
  it("is asked of the worker, each time anew", async () => {
    const { pool, stream } = opened();
    const segment = stream.begin(() => {});
    segment.flush();
    await push(segment, 3);
    segment.flush();
    await settle();
    expect(pool.streams[0]?.summary).toEqual([
      "begin 1.1",
      "flush 1.1",
      "audio 1.1 x3",
      "flush 1.1",
    ]);
  });

  it("that is not answered is asked again of the worker that takes over, once", async () => {
    const { pool, stream } = opened(["a", "b"]);
    const partials: number[] = [];
    const segment = stream.begin(({ audioMs }) => partials.push(audioMs));
    await push(segment, 3);
    segment.flush();
    segment.flush();
    await push(segment, 2);
    pool.streams[0]?.say("1.1", { case: "partial", value: { text: "st", audioMs: 40 } });
    await settle();
    pool.streams[0]?.answers.fail(new Error("gone"));
    await taken(5);
    expect(pool.streams[1]?.summary).toEqual(["begin 1.2", "audio 1.2 x5", "flush 1.2"]);
    pool.streams[1]?.say("1.2", { case: "partial", value: { text: "stop", audioMs: 100 } });
    await settle();
    expect(partials).toEqual([40, 100]);
  });

  it("that was answered is not asked again", async () => {
    const { pool, stream } = opened(["a", "b"]);
    const segment = stream.begin(() => {});
    await push(segment, 3);
    segment.flush();
    await push(segment, 2);
    pool.streams[0]?.say("1.1", { case: "partial", value: { text: "stop", audioMs: 60 } });
    await settle();
    pool.streams[0]?.answers.fail(new Error("gone"));
    await taken(5);
    expect(pool.streams[1]?.summary).toEqual(["begin 1.2", "audio 1.2 x5"]);
  });

  it("waits for a worker where there is none yet", async () => {
    const { pool, stream, clock } = opened([]);
    const segment = stream.begin(() => {});
    await push(segment, 3);
    segment.flush();
    pool.workers = ["late"];
    await clock.advanceAsync(200);
    expect(pool.streams[0]?.summary).toEqual(["begin 1.1", "audio 1.1 x3", "flush 1.1"]);
  });

  it("is answered by the final, once the segment is complete", async () => {
    const { pool, stream } = opened(["a", "b"]);
    const segment = stream.begin(() => {});
    await push(segment, 3);
    segment.flush();
    const final = segment.finish();
    segment.flush();
    await settle();
    pool.streams[0]?.answers.fail(new Error("gone"));
    await taken(5);
    expect(pool.streams.map((each) => each.summary)).toEqual([
      ["begin 1.1", "audio 1.1 x3", "flush 1.1", "end 1.1"],
      ["begin 1.2", "audio 1.2 x3", "end 1.2"],
    ]);
    pool.streams[1]?.final("1.2", "stop");
    expect((await final).text).toBe("stop");
  });

  it("of a segment that is not wanted any more goes nowhere", async () => {
    const { pool, stream } = opened();
    const segment = stream.begin(() => {});
    segment.cancel();
    segment.flush();
    await settle();
    expect(pool.streams[0]?.summary).toEqual(["begin 1.1", "cancel 1.1"]);
  });
});

describe("a worker that is lost", () => {
  it("is replaced, and the segment is said again, its end included", async () => {
    const { pool, stream } = opened(["a", "b"]);
    const segment = stream.begin(() => {});
    await push(segment, 600);
    const final = segment.finish();
    pool.streams[0]?.answers.fail(new Error("http/2 stream closed with error code CANCEL"));
    await taken(500);
    expect(pool.lost).toEqual(["a"]);
    expect(pool.streams[1]?.workerId).toBe("b");
    expect(pool.streams[1]?.summary).toEqual(["begin 1.2", "audio 1.2 x500", "end 1.2"]);
    pool.streams[1]?.final("1.2", "hello");
    expect((await final).text).toBe("hello");
  });

  it("is counted once, however many segments it had, and not where it had none", async () => {
    const { pool, stream, replaced } = opened(["a", "b", "c"]);
    const finals = [1, 2].map(() => stream.begin(() => {}).finish());
    await settle();
    expect(replaced()).toBe(0);
    pool.streams[0]?.answers.fail(new Error("gone"));
    await settle();
    expect(replaced()).toBe(1);
    pool.streams[1]?.final("1.2", "one");
    pool.streams[1]?.final("2.2", "two");
    await Promise.all(finals);
    pool.streams[1]?.answers.fail(new Error("gone"));
    await settle();
    await push(
      stream.begin(() => {}),
      1,
    );
    expect([pool.streams.length, replaced()]).toEqual([3, 1]);
  });

  it("is noticed after 300 ms without a word from it, and not while it says that it lives", async () => {
    const { pool, stream, clock } = opened(["a", "b"]);
    stream.begin(() => {});
    for (let tick = 0; tick < 10; tick++) {
      pool.streams[0]?.progress();
      await clock.advanceAsync(100);
    }
    expect(pool.streams.length).toBe(1);
    await clock.advanceAsync(200);
    expect(pool.streams.length).toBe(1);
    await clock.advanceAsync(100);
    expect(pool.streams.map(({ workerId }) => workerId)).toEqual(["a", "b"]);
    expect(pool.streams[0]?.signal?.aborted).toBe(true);
  });

  it("gets a second for its first answer", async () => {
    const { pool, stream, clock } = opened(["a", "b"]);
    stream.begin(() => {});
    await clock.advanceAsync(1_000);
    expect(pool.streams.length).toBe(1);
    await clock.advanceAsync(100);
    expect(pool.streams.length).toBe(2);
  });

  it("between segments costs nothing: the next one goes elsewhere", async () => {
    const { pool, stream } = opened(["a", "b"]);
    const first = stream.begin(() => {}).finish();
    await settle();
    pool.streams[0]?.final("1.1", "yes");
    await first;
    pool.streams[0]?.answers.close();
    await settle();
    expect(pool.streams.length).toBe(1);
    await push(
      stream.begin(() => {}),
      1,
    );
    expect(pool.streams[1]?.workerId).toBe("b");
  });

  it("is tried again when there is no other, after a wait", async () => {
    const { pool, stream, clock } = opened(["a"]);
    const final = stream.begin(() => {}).finish();
    pool.streams[0]?.answers.fail(new Error("gone"));
    await settle();
    expect(pool.streams.length).toBe(1);
    await clock.advanceAsync(200);
    pool.streams[1]?.final("1.2", "back");
    expect((await final).text).toBe("back");
  });

  it("four times under one segment ends that segment", async () => {
    const { pool, stream } = opened(["a", "b", "c", "d", "e"]);
    const final = stream.begin(() => {}).finish();
    const rejected = expect(final).rejects.toMatchObject({ code: "unavailable", retryable: true });
    for (let index = 0; index < 4; index++) {
      await settle();
      pool.streams[index]?.answers.fail(new Error("gone"));
    }
    await rejected;
    expect(pool.streams.length).toBe(4);
  });
});

describe("a segment that fails at a worker that lives", () => {
  it("is tried once more there, then elsewhere, and the pool hears no complaint", async () => {
    const { pool, stream, clock, replaced } = opened(["a", "b"]);
    const final = stream.begin(() => {}).finish();
    await settle();
    pool.streams[0]?.error("1.1", "unavailable", true);
    await clock.advanceAsync(200);
    expect(replaced()).toBe(1);
    expect(pool.streams[0]?.summary).toEqual(["begin 1.1", "end 1.1", "begin 1.2", "end 1.2"]);
    pool.streams[0]?.error("1.2", "unavailable", true);
    await settle();
    expect(pool.streams[1]?.summary).toEqual(["begin 1.3", "end 1.3"]);
    pool.streams[1]?.final("1.3", "there");
    expect((await final).text).toBe("there");
    expect(pool.lost).toEqual([]);
  });

  it("fails with the worker's reason when another try would meet it again", async () => {
    const { pool, stream } = opened();
    const final = stream.begin(() => {}).finish();
    const rejected = expect(final).rejects.toMatchObject({ code: "not_found" });
    await settle();
    pool.streams[0]?.error("1.1", "not_found", false);
    await rejected;
    expect(pool.streams.length).toBe(1);
  });
});

describe("when no worker can be had", () => {
  it("keeps the last 10 s until one comes", async () => {
    const { pool, stream, clock } = opened([]);
    const segment = stream.begin(() => {});
    await push(segment, 700);
    const final = segment.finish();
    await clock.advanceAsync(3_000, 100);
    pool.workers = ["late"];
    await clock.advanceAsync(200);
    await taken(500);
    expect(pool.streams[0]?.summary).toEqual(["begin 1.1", "audio 1.1 x500", "end 1.1"]);
    pool.streams[0]?.final("1.1", "at last");
    expect((await final).text).toBe("at last");
  });

  it.each([
    ["unavailable", undefined, []],
    ["unavailable", "en-GB", ["en"]],
    ["unimplemented", "de", ["en"]],
  ])("rejects with %s for language %s while %j is offered", async (code, language, offered) => {
    const { pool, stream, clock } = opened([], language);
    pool.offered = offered;
    const final = stream.begin(() => {}).finish();
    const rejected = expect(final).rejects.toMatchObject({ code });
    await clock.advanceAsync(10_000, 200);
    await rejected;
  });

  it("rejects with deadline_exceeded when a worker lives and never answers", async () => {
    const { pool, stream, clock } = opened();
    const final = stream.begin(() => {}).finish();
    const rejected = expect(final).rejects.toBeInstanceOf(AntiphonError);
    for (let elapsed = 0; elapsed < 10_000; elapsed += 200) {
      pool.streams[0]?.progress();
      await clock.advanceAsync(200, 50);
    }
    await rejected;
    await expect(final).rejects.toMatchObject({ code: "deadline_exceeded" });
    expect(pool.streams[0]?.summary.at(-1)).toBe("cancel 1.1");
  });
});

describe("closing", () => {
  it("ends the stream, and whoever waits gets no words", async () => {
    const { pool, stream, clock } = opened();
    const final = stream.begin(() => {}).finish();
    stream.close();
    expect(await final).toMatchObject({ text: "" });
    await settle();
    expect(pool.streams[0]?.signal?.aborted).toBe(true);
    expect(await stream.begin(() => {}).finish()).toMatchObject({ text: "" });
    expect([pool.streams.length, clock.pendingTimers, pool.lost]).toEqual([1, 0, []]);
  });
});

const open: Array<{ stream: TranscriptionStream; clock: FakeClock }> = [];
afterEach(() => {
  for (const { stream, clock } of open.splice(0)) {
    stream.close();
    expect(clock.pendingTimers).toBe(0);
  }
});

function opened(workers = ["a"], language?: string) {
  const clock = new FakeClock();
  const pool = new ScriptedRecognisers(workers);
  const log = createLog({ name: "test", level: "silent" });
  const transcriber = createWorkerTranscriber({ workers: pool, clock, log });
  let replacements = 0;
  const onReplaced = () => {
    replacements++;
  };
  const stream = transcriber.open({ sessionId: "s", language, onReplaced });
  open.push({ stream, clock });
  return { clock, pool, stream, replaced: () => replacements };
}

async function push(segment: TranscriptionSegment, frames: number) {
  for (let frame = 0; frame < frames; frame++) segment.push(FRAME);
  await taken(frames);
}

/** Lets the worker's side read so many requests: each takes some promises. */
async function taken(requests: number) {
  for (let round = 0; round < requests / 5 + 1; round++) await settle();
}
