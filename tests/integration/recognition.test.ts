import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import {
  encodePcm,
  FRAME_SAMPLES,
  Framer,
  resample,
  SAMPLE_RATE_HZ,
  SPEECH_SAMPLE_RATE_HZ,
  toFloat32,
} from "@antiphon/audio";
import { FRAME_MS } from "@antiphon/protocol";
import { AsrService } from "@antiphon/protocol/worker";
import { systemClock } from "@antiphon/runtime";
import { createLog } from "@antiphon/runtime/log";
import { createClient } from "@connectrpc/connect";
import { connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RecognitionAdapter } from "../../apps/gpu-worker/src/adapters/adapter.ts";
import { createMoonshineAdapter } from "../../apps/gpu-worker/src/adapters/moonshine.ts";
import { createAsrService } from "../../apps/gpu-worker/src/asr-service.ts";
import type { InferenceProcess } from "../../apps/gpu-worker/src/inference/inference-process.ts";
import {
  createSileroVad,
  type SileroVad,
} from "../../apps/orchestrator/src/recognition/silero-vad.ts";
import {
  createWorkerTranscriber,
  type RecogniserPool,
} from "../../apps/orchestrator/src/recognition/worker-transcriber.ts";
import type { PartialTranscript } from "../../apps/orchestrator/src/session/ports.ts";
import {
  recordedSamples,
  recording,
  recordings,
  recordingsMissing,
} from "../support/recordings.ts";
import { speechSegments } from "../support/speech-segments.ts";
import { wordErrorRate } from "../support/word-error-rate.ts";

const log = createLog({ name: "test", level: "silent" });
let detector: SileroVad;
let moonshine: RecognitionAdapter;

beforeAll(async () => {
  detector = createSileroVad({ log });
  moonshine = createMoonshineAdapter();
  await Promise.all([detector.ready, moonshine.load()]);
});
afterAll(() => detector.close());

describe.skipIf(recordingsMissing)("recorded speech, cut by the detector", () => {
  it("is understood: at most one word in ten is wrong over the scored clips", async () => {
    const pooled = { errors: 0, words: 0 };
    const scored = recordings().filter((clip) => clip.scored === true);
    expect(scored.length).toBe(5);
    for (const { file, transcript } of scored) {
      const heard = await understand(recordedSamples(file));
      const { errors, words } = wordErrorRate(transcript ?? "", heard);
      console.log(`${file}: ${errors} of ${words} words wrong: ${heard}`);
      pooled.errors += errors;
      pooled.words += words;
    }
    expect(pooled.errors / pooled.words).toBeLessThanOrEqual(0.1);
  });

  it("comes back with words from clips that whole would come back empty", async () => {
    const { errors, words } = wordErrorRate(
      recording("vad-timeline.wav").transcript ?? "",
      await understand(recordedSamples("vad-timeline.wav")),
    );
    expect(errors / words).toBeLessThanOrEqual(0.15);
  });

  it.each(["noise-clicks.wav", "keyboard.wav"])("holds no word in %s", async (file) => {
    expect(await understand(recordedSamples(file))).toBe("");
  });
});

describe("the adapter", () => {
  it.each([
    ["nothing", 0],
    ["50 ms", 800],
    ["a second of silence", 16_000],
  ])("hears no words in %s", async (_, samples) => {
    const request = { samples: new Float32Array(samples), language: "en" };
    const result = await moonshine.transcribe(request, new AbortController().signal);
    expect(result.text).toBe("");
  });
});

describe.skipIf(recordingsMissing)("over HTTP/2", () => {
  const servers: Worker[] = [];
  afterAll(async () => {
    for (const server of servers) await server.close();
  });

  it("says partials while the segment grows, and a final that goes to another worker in mid-word", async () => {
    const [first, second] = [await listen(), await listen()];
    servers.push(first, second);
    const lost: string[] = [];
    const pool: RecogniserPool = {
      languages: () => ["en"],
      pickRecogniser: (_, excluding) =>
        [first, second].find(({ workerId }) => !excluding.has(workerId)),
      reportLost: (workerId) => lost.push(workerId),
    };
    const transcriber = createWorkerTranscriber({ workers: pool, clock: systemClock, log });
    const stream = transcriber.open({ sessionId: "session", language: "en-US" });
    const partials: string[] = [];
    const [segment] = await speechSegments(detector, recordedSamples("lamp-48k.wav"));
    const frames = new Framer().push(segment ?? new Int16Array(FRAME_SAMPLES));
    const transcription = stream.begin(({ text }) => partials.push(text));
    const half = Math.floor(frames.length / 2);
    for (const frame of frames.slice(0, half)) transcription.push(encodePcm(frame));
    await expect.poll(() => partials.length, { timeout: 5_000 }).toBeGreaterThan(0);
    await first.close();
    for (const frame of frames.slice(half)) transcription.push(encodePcm(frame));
    const { text } = await transcription.finish();
    expect(wordErrorRate("turn on the living room lamp", text).errors).toBe(0);
    expect(lost).toEqual([first.workerId]);
    stream.close();
  });

  it("says what was said so far when it is asked, and takes the answer for the final where nothing follows", async () => {
    const worker = await listen();
    servers.push(worker);
    const pool: RecogniserPool = {
      languages: () => ["en"],
      pickRecogniser: () => worker,
      reportLost: () => {},
    };
    const stream = createWorkerTranscriber({ workers: pool, clock: systemClock, log }).open({
      sessionId: "session",
      language: "en",
    });
    const [segment] = await speechSegments(detector, recordedSamples("lamp-48k.wav"));
    const frames = new Framer().push(segment ?? new Int16Array(FRAME_SAMPLES));
    const partials: PartialTranscript[] = [];
    const transcription = stream.begin((partial) => partials.push(partial));
    for (const frame of frames) transcription.push(encodePcm(frame));
    transcription.flush();
    await expect
      .poll(() => partials.at(-1)?.audioMs, { timeout: 5_000 })
      .toBe(frames.length * FRAME_MS);
    const text = partials.at(-1)?.text ?? "";
    expect(wordErrorRate("turn on the living room lamp", text).errors).toBe(0);
    const passes = worker.passes();
    expect((await transcription.finish()).text).toBe(text);
    expect(worker.passes()).toBe(passes);
    stream.close();
  });
});

/** Segment by segment, as a session does; the texts are joined. */
async function understand(samples: Int16Array): Promise<string> {
  const texts: string[] = [];
  for (const segment of await speechSegments(detector, samples)) {
    const request = {
      samples: toFloat32(
        resample(segment, { fromHz: SAMPLE_RATE_HZ, toHz: SPEECH_SAMPLE_RATE_HZ }),
      ),
      language: "en",
    };
    const { text } = await moonshine.transcribe(request, new AbortController().signal);
    if (text !== "") texts.push(text);
  }
  return texts.join(" ");
}

interface Worker {
  workerId: string;
  model: string;
  asr: ReturnType<typeof createClient<typeof AsrService>>;
  /** Of the model, so far. */
  passes(): number;
  close(): Promise<void>;
}

/** The recognition service on a port of its own, its model in this process. */
async function listen(): Promise<Worker> {
  let passes = 0;
  const process: InferenceProcess = {
    // biome-ignore lint/correctness/useYield: this one only listens
    async *synthesize() {
      throw new Error("not a voice");
    },
    transcribe: (request, { signal, onBegun }) => {
      onBegun();
      passes++;
      return moonshine.transcribe(request, signal);
    },
  };
  const service = createAsrService({
    acquireRecogniser: async () => ({ process, languages: ["en"], release: () => {} }),
    clock: systemClock,
    log,
  });
  const server = createServer(
    {},
    connectNodeAdapter({
      routes: (router) => router.service(AsrService, service),
      acceptCompression: [],
    }),
  );
  const sessions = new Set<{ destroy(): void }>();
  server.on("session", (session) => sessions.add(session));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const transport = createGrpcTransport({
    baseUrl: `http://127.0.0.1:${port}`,
    acceptCompression: [],
  });
  return {
    workerId: `worker-${port}`,
    model: "moonshine-tiny",
    asr: createClient(AsrService, transport),
    passes: () => passes,
    close: () => closeServer(server, sessions),
  };
}

function closeServer(server: Http2Server, sessions: Set<{ destroy(): void }>): Promise<void> {
  for (const session of sessions) session.destroy();
  if (!server.listening) return Promise.resolve();
  return new Promise((resolve) => server.close(() => resolve()));
}
