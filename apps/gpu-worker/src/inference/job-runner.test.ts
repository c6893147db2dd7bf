import { AntiphonError } from "@antiphon/protocol";
import { beforeEach, describe, expect, it } from "vitest";
import type { SpeechAdapter, SpeechOutput, SpeechRequest } from "../adapters/adapter.ts";
import { quiet } from "../testing/speech-caller.ts";
import type { FromChild } from "./child-message.ts";
import { createJobRunner, type JobRunner } from "./job-runner.ts";

const REQUEST: SpeechRequest = { text: "x", voice: "v", language: "en", speed: 1 };
const WORDS: SpeechOutput = {
  kind: "words",
  words: [{ text: "x", startSeconds: 0, endSeconds: 1, measured: true }],
};
const second = (value: number): SpeechOutput => ({
  kind: "samples",
  samples: new Int16Array(16_000).fill(value),
  sampleRateHz: 16_000,
});

let sent: FromChild[];
let yielded: number;
let runner: JobRunner;
let script: (signal: AbortSignal) => AsyncIterable<SpeechOutput>;

function runOn(
  wholeUtterance: boolean,
  send: (message: FromChild) => unknown = (message) => sent.push(message),
): void {
  const adapter: SpeechAdapter = {
    kind: "tts",
    capabilities: {
      model: "scripted",
      voices: ["v"],
      defaultVoice: "v",
      languages: ["en"],
      wholeUtterance,
      slots: 2,
      licence: "none",
    },
    load: () => Promise.resolve(),
    async *synthesize(_, signal) {
      for await (const output of script(signal)) {
        yielded++;
        yield output;
      }
    },
  };
  runner = createJobRunner(adapter, send);
}

beforeEach(() => {
  sent = [];
  yielded = 0;
  script = async function* () {
    yield second(1);
    yield second(2);
    yield WORDS;
  };
});

const kinds = () => sent.map((message) => message.type);
async function speak(job: number, credit: number) {
  runner.handle({ type: "speak", job, request: REQUEST, credit });
  await quiet();
}
async function credit(job: number, messages: number) {
  runner.handle({ type: "credit", job, messages });
  await quiet();
}

describe("a speech job", () => {
  it("is sent in slices of 100 ms, then its words, then its end", async () => {
    runOn(false);
    await speak(1, 100);
    expect(kinds()).toEqual([...new Array(20).fill("samples"), "words", "ended"]);
    const samples = sent.flatMap((message) =>
      message.type === "samples" ? [...message.samples] : [],
    );
    expect(samples.length).toBe(32_000);
    expect([samples[15_999], samples[16_000]]).toEqual([1, 2]);
  });

  it("goes no further than its credit, and neither does a streaming model", async () => {
    runOn(false);
    await speak(1, 4);
    expect(kinds().length).toBe(4);
    expect(yielded).toBe(1);
    await credit(1, 7);
    expect(kinds().length).toBe(11);
    expect(yielded).toBe(2);
    await credit(1, 100);
    expect(kinds().at(-1)).toBe("ended");
  });

  it("of a model that gives everything at once waits for no credit", async () => {
    runOn(true);
    await speak(1, 2);
    expect(kinds()).toEqual([...new Array(20).fill("samples"), "words", "ended"]);
  });

  it("of such a model goes on only when what it gave has left: its next run blocks the process", async () => {
    const leave: Array<() => void> = [];
    runOn(true, (message) => {
      sent.push(message);
      return new Promise<void>((resolve) => leave.push(resolve));
    });
    await speak(1, 2);
    expect([sent.length, yielded]).toEqual([10, 1]);
    for (const left of leave.splice(0)) left();
    await quiet();
    expect([sent.length, yielded]).toEqual([20, 2]);
  });

  it("that is cancelled while it waits for credit ends without more", async () => {
    runOn(false);
    await speak(1, 1);
    runner.handle({ type: "cancel", job: 1 });
    await quiet();
    expect(kinds()).toEqual(["samples", "ended"]);
    expect(runner.jobs).toBe(0);
  });

  it("that fails says so once, with the code of a foreseen error", async () => {
    runOn(false);
    // biome-ignore lint/correctness/useYield: it fails first
    script = async function* () {
      throw new AntiphonError("not_found", "no such voice");
    };
    await speak(1, 1);
    expect(sent).toEqual([
      { type: "failed", job: 1, code: "not_found", message: "no such voice", retryable: false },
    ]);
  });

  it("runs beside another without mixing", async () => {
    runOn(false);
    await speak(1, 3);
    await speak(2, 100);
    expect(sent.filter((message) => "job" in message && message.job === 2).length).toBe(22);
    await credit(1, 100);
    expect(sent.filter((message) => "job" in message && message.job === 1).length).toBe(22);
  });

  it("asked of a model for recognition fails", async () => {
    runOn(false);
    runner.handle({
      type: "transcribe",
      job: 1,
      request: { samples: new Float32Array(1), language: "" },
    });
    await quiet();
    expect(sent[0]).toMatchObject({ type: "failed", code: "failed_precondition" });
  });

  it("knows nothing of credit or cancels for jobs that are over", async () => {
    runOn(false);
    runner.handle({ type: "cancel", job: 9 });
    await credit(9, 1);
    expect(sent).toEqual([]);
  });
});
