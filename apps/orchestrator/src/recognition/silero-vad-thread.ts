/** The detector's thread: loads Silero and judges whatever it is sent. Owns the graph; keeps no time and decides nothing about speech. */
import { createRequire } from "node:module";
import { parentPort } from "node:worker_threads";
import { FRAME_SAMPLES } from "@antiphon/audio";
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { DetectorReply, DetectorRequest } from "./silero-message.ts";
import {
  INPUT_SAMPLES,
  type SileroBatch,
  type SileroOutput,
  SileroStreams,
  STATE_LAYERS,
  STATE_WIDTH,
} from "./silero-streams.ts";

if (parentPort === null) throw new Error("silero-vad-thread runs as a worker thread");
const port = parentPort;
const streams = new SileroStreams();
const session = await InferenceSession.create(
  createRequire(import.meta.url).resolve("@ricky0123/vad-web/dist/silero_vad_v6.onnx"),
  {
    executionProviders: ["cpu"],
    // The graph is tiny: more threads only wake each other.
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  },
);
const sampleRate = new Tensor("int64", BigInt64Array.of(16_000n), []);
/** Messages taken in and not answered yet. */
let unanswered = 0;
let judging = false;
let stopping = false;

// The first run allocates: it must not be the first caller's.
await run({
  size: 1,
  input: new Float32Array(INPUT_SAMPLES),
  state: new Float32Array(STATE_LAYERS * STATE_WIDTH),
});
// What came meanwhile waits in the port until somebody listens: a stop cannot meet a run under way.
port.on("message", (request: DetectorRequest) => {
  if (request.kind === "stop") {
    stopping = true;
  } else {
    take(request);
    unanswered++;
  }
  if (!judging) void judge();
});
reply({ kind: "ready" });

function take(request: Extract<DetectorRequest, { kind: "frames" }>): void {
  for (let index = 0; index < request.count; index++) {
    const streamId = request.streamIds[index];
    const startSample = request.startSamples[index];
    if (streamId === undefined || startSample === undefined) continue;
    const from = index * FRAME_SAMPLES;
    streams.push(streamId, startSample, request.pcm.subarray(from, from + FRAME_SAMPLES));
  }
  for (const streamId of request.closed) streams.close(streamId);
}

/** A failure is not caught: the thread ends with it, and its owner starts another. */
async function judge(): Promise<void> {
  judging = true;
  while (unanswered > 0) {
    const answered = unanswered;
    unanswered = 0;
    const windows = await streams.judge(run);
    reply({
      kind: "windows",
      answered,
      streamIds: windows.map((window) => window.streamId),
      endSamples: windows.map((window) => window.endSample),
      probabilities: windows.map((window) => window.probability),
    });
  }
  judging = false;
  if (!stopping) return;
  await session.release();
  // Without its port the thread has nothing to wait for, and ends by itself.
  port.close();
}

async function run(batch: SileroBatch): Promise<SileroOutput> {
  const { output, stateN } = await session.run({
    input: new Tensor("float32", batch.input, [batch.size, INPUT_SAMPLES]),
    state: new Tensor("float32", batch.state, [STATE_LAYERS, batch.size, STATE_WIDTH]),
    sr: sampleRate,
  });
  return { probabilities: floatsOf(output), state: floatsOf(stateN) };
}

function floatsOf(value: unknown): Float32Array {
  if (value instanceof Tensor && value.data instanceof Float32Array) return value.data;
  throw new Error("Silero's graph gave no floats");
}

function reply(message: DetectorReply): void {
  port.postMessage(message);
}
