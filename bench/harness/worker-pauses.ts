/** PAUSE at a worker itself, by a caller that takes every frame at once: how many still come. Owns a worker for as long as that takes. */
import { createGrpcCaller } from "../../tests/support/grpc-caller.ts";
import { startWorker, WORKER_SECRET } from "../../tests/support/worker.ts";
import type { Distribution } from "../bench.ts";
import { distribution } from "./distribution.ts";

export async function workerPauses(
  model: string,
  times: number,
): Promise<{ n: number; frames: Distribution; lastFrameMs: Distribution }> {
  const worker = await startWorker(model, { LOG_LEVEL: "error" });
  const caller = createGrpcCaller(worker.address, WORKER_SECRET);
  const frames: number[] = [];
  const lastFrameMs: number[] = [];
  try {
    const sessionId = "bench-control";
    await caller.call("antiphon.v1.TtsService", "startSession", { sessionId, model });
    const speech = caller.synthesize(sessionId);
    let controlSeq = 0;
    const control = (action: string) =>
      caller.call("antiphon.v1.TtsService", "control", {
        sessionId,
        action: `CONTROL_ACTION_${action}`,
        controlSeq: ++controlSeq,
      });
    /** Of frames; progress is none. */
    let arrived = 0;
    let arrivedMs = 0;
    const reading = (async () => {
      for (let frame = await speech.next(); frame !== undefined; frame = await speech.next()) {
        if (frame.audio === undefined) continue;
        arrived++;
        arrivedMs = performance.now();
      }
    })();
    reading.catch(() => {});
    for (let time = 0; time < times; time++) {
      const began = arrived;
      speech.say(`u-${time}`, TEXT);
      await until(() => arrived > began + 5 + (time % 7) * 6);
      const before = arrived;
      const askedMs = performance.now();
      await control("PAUSE");
      await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
      frames.push(arrived - before);
      lastFrameMs.push(arrived === before ? 0 : Math.max(0, arrivedMs - askedMs));
      await control("RESUME");
    }
    speech.cancel();
  } finally {
    caller.close();
    await worker.stop();
  }
  return { n: frames.length, frames: distribution(frames), lastFrameMs: distribution(lastFrameMs) };
}

async function until(holds: () => boolean): Promise<void> {
  const giveUpMs = performance.now() + FRAMES_MS_MAX;
  while (!holds()) {
    if (performance.now() > giveUpMs) throw new Error("the worker sends no frames");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Ten seconds of speech. */
const TEXT =
  "Most visitors take the narrow path along the river, because the main road is closed in winter, and the last train returns at nine in the evening, long after the museum and both of the libraries have closed their doors.";
/** Five of the worker's ticks. */
const SETTLED_MS = 100;
const FRAMES_MS_MAX = 20_000;
