/** Real worker processes that lose their recogniser, or are lost, while somebody speaks: the words still come. */
import { encodePcm, Framer } from "@antiphon/audio";
import { FRAME_MS } from "@antiphon/protocol";
import { systemClock } from "@antiphon/runtime";
import { createLog } from "@antiphon/runtime/log";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  createSileroVad,
  type SileroVad,
} from "../../apps/orchestrator/src/recognition/silero-vad.ts";
import { createWorkerTranscriber } from "../../apps/orchestrator/src/recognition/worker-transcriber.ts";
import { WorkerConnections } from "../../apps/orchestrator/src/routing/worker-connections.ts";
import type {
  PartialTranscript,
  TranscriptionSegment,
} from "../../apps/orchestrator/src/session/ports.ts";
import { recordedSamples, recordingsMissing } from "../support/recordings.ts";
import { speechSegments } from "../support/speech-segments.ts";
import { wordErrorRate } from "../support/word-error-rate.ts";
import { startWorker, WORKER_SECRET, type WorkerProcess } from "../support/worker.ts";

const SAID = "turn on the living room lamp";
const log = createLog({ name: "test", level: "silent" });

describe.skipIf(recordingsMissing)("while somebody speaks", () => {
  let detector: SileroVad;
  let frames: Uint8Array[];
  let call: Call;
  /** The first loses its child and then its life, the second hangs, the third is always well. */
  let workers: WorkerProcess[] = [];
  beforeAll(async () => {
    detector = createSileroVad({ log });
    await detector.ready;
    const [segment] = await speechSegments(detector, recordedSamples("lamp-48k.wav"));
    frames = new Framer().push(segment ?? new Int16Array(0)).map((frame) => encodePcm(frame));
    workers = await Promise.all([1, 2, 3].map(() => startWorker("moonshine")));
  });
  afterEach(() => call.close());
  afterAll(async () => {
    await detector?.close();
    for (const worker of workers) {
      worker.process.kill("SIGCONT");
      await worker.stop();
    }
  });

  it("the recogniser's process dies: its worker has another, and nobody is given up", async () => {
    call = called(workers.slice(0, 1));
    const segment = call.begin();
    const half = await sayHalf(segment);
    const [, ...children] = workers[0]?.family ?? [];
    for (const pid of children) process.kill(pid, "SIGKILL");
    expect(await sayRest(segment, half)).toBe(0);
    expect(call.lost).toEqual([]);
  });

  it("the worker dies: another hears what was said, and says the words that somebody waits for", async () => {
    call = called(workers.slice(0, 2));
    const segment = call.begin();
    const half = await sayHalf(segment);
    workers[0]?.process.kill("SIGKILL");
    segment.flush();
    await expect.poll(call.coveredMs, PATIENCE).toBe(half * FRAME_MS);
    expect(await sayRest(segment, half)).toBe(0);
    expect([call.lost, call.replaced]).toEqual([["worker-0"], 1]);
  });

  it("the worker hangs: it is not waited for", async () => {
    call = called(workers.slice(1));
    const segment = call.begin();
    const half = await sayHalf(segment);
    workers[1]?.process.kill("SIGSTOP");
    expect(await sayRest(segment, half)).toBe(0);
    expect([call.lost, call.replaced]).toEqual([["worker-0"], 1]);
  });

  /** Returns how many frames that was, once something was understood of them. */
  async function sayHalf(segment: TranscriptionSegment): Promise<number> {
    const half = Math.floor(frames.length / 2);
    for (const frame of frames.slice(0, half)) segment.push(frame);
    await expect.poll(() => call.partials.at(-1)?.text ?? "", PATIENCE).not.toBe("");
    return half;
  }

  /** Returns how many words were wrong. */
  async function sayRest(segment: TranscriptionSegment, half: number): Promise<number> {
    for (const frame of frames.slice(half)) segment.push(frame);
    const { text } = await segment.finish();
    return wordErrorRate(SAID, text).errors;
  }
});

type Call = ReturnType<typeof called>;

/** A session's recogniser over these workers, the first of them first. */
function called(workers: readonly WorkerProcess[]) {
  const connections = new WorkerConnections({ secret: WORKER_SECRET });
  const lost: string[] = [];
  const partials: PartialTranscript[] = [];
  const transcriber = createWorkerTranscriber({
    workers: {
      languages: () => ["en"],
      pickRecogniser: (_, excluding) =>
        workers
          .map(({ address }, index) => ({ workerId: `worker-${index}`, address }))
          .filter(({ workerId }) => !excluding.has(workerId))
          .map((worker) => ({
            workerId: worker.workerId,
            model: "",
            asr: connections.of(worker).asr,
          }))[0],
      reportLost: (workerId) => lost.push(workerId),
    },
    clock: systemClock,
    log,
  });
  const counted = { replaced: 0 };
  const stream = transcriber.open({
    sessionId: "session",
    language: "en-US",
    onReplaced: () => {
      counted.replaced++;
    },
  });
  return {
    lost,
    partials,
    get replaced() {
      return counted.replaced;
    },
    coveredMs: () => partials.at(-1)?.audioMs ?? 0,
    begin: () => stream.begin((partial) => partials.push(partial)),
    close() {
      stream.close();
      connections.close();
    },
  };
}

/** A model that is read from disk again on a busy machine takes seconds. */
const PATIENCE = { timeout: 10_000 };
