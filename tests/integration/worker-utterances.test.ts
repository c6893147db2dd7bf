/** Hundreds of utterances through a real worker and a real model process: each has one end, and no session hears another. */
import { decodePcm, FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE_HZ } from "@antiphon/audio";
import {
  ControlAction,
  type SynthesizeRequest,
  SynthesizeRequestSchema,
  TtsService,
} from "@antiphon/protocol/worker";
import { BoundedQueue } from "@antiphon/runtime";
import { SeededRandom } from "@antiphon/runtime/testing";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startWorker, WORKER_SECRET, type WorkerProcess } from "../support/worker.ts";

const UTTERANCES = 200;
/** Whole periods in a frame, so that one tone has no trace of another. */
const TONES_HZ = [500, 900, 1_500] as const;
const headers = { authorization: `Bearer ${WORKER_SECRET}` };

let worker: WorkerProcess;
let client: Client<typeof TtsService>;
beforeAll(async () => {
  worker = await startWorker("tone");
  client = createClient(
    TtsService,
    createGrpcTransport({ baseUrl: worker.address, acceptCompression: [] }),
  );
});
afterAll(() => worker?.stop());

interface Heard {
  ends: Map<string, string>;
  frames: number;
  /** Frames that sound from end to end, and those of them that hold more than the session's own tone. */
  full: number;
  foreign: number;
  /** Milliseconds from an utterance's last text to its first frame. */
  firstAudioMs: number[];
  /** Between two frames of one utterance. */
  gapsMs: number[];
}

/** A session that says everything in a random order while it listens. */
async function session(id: string, hz: number, random: SeededRandom): Promise<Heard> {
  await client.startSession({ sessionId: id, voice: `tone-${hz}` }, { headers });
  const requests = new BoundedQueue<SynthesizeRequest>({ max: 4_096, overflow: "reject" });
  const askedMs = new Map<string, number>();
  const say = (request: MessageInitShape<typeof SynthesizeRequestSchema>) => {
    if (request.kind?.case === "end") askedMs.set(request.utteranceId ?? "", performance.now());
    requests.push(create(SynthesizeRequestSchema, { sessionId: id, ...request }));
  };
  const controller = new AbortController();
  const responses = client.synthesize(generated(requests), { headers, signal: controller.signal });
  const heard: Heard = {
    ends: new Map(),
    frames: 0,
    full: 0,
    foreign: 0,
    firstAudioMs: [],
    gapsMs: [],
  };
  const writing = write(id, random, say);
  let current = { id: "", next: 0, atMs: 0 };
  for await (const { utteranceId, kind } of responses) {
    if (kind.case === "audio") {
      expect(heard.ends.has(utteranceId), `audio of ${utteranceId} after its end`).toBe(false);
      expect(kind.value.pcm.byteLength).toBe(FRAME_BYTES);
      const nowMs = performance.now();
      if (current.id === utteranceId) heard.gapsMs.push(nowMs - current.atMs);
      else heard.firstAudioMs.push(nowMs - (askedMs.get(utteranceId) ?? nowMs));
      current = {
        id: utteranceId,
        next: current.id === utteranceId ? current.next : 0,
        atMs: nowMs,
      };
      expect(kind.value.seq).toBe(current.next++);
      heard.frames++;
      const samples = decodePcm(kind.value.pcm);
      if (isFull(samples)) heard.full++;
      if (isFull(samples) && isForeign(samples, hz)) heard.foreign++;
    } else if (kind.case === "done" || kind.case === "cancelled" || kind.case === "error") {
      expect(heard.ends.has(utteranceId), `${utteranceId} ends once`).toBe(false);
      const frames = current.id === utteranceId ? current.next : 0;
      expect(kind.value.samples).toBe(frames * FRAME_SAMPLES);
      heard.ends.set(utteranceId, kind.case);
      if (heard.ends.size === UTTERANCES) break;
    }
  }
  await writing;
  controller.abort();
  requests.close();
  await client.endSession({ sessionId: id }, { headers });
  return heard;
}

/** Connect wants a generator's whole interface. */
async function* generated<T>(values: AsyncIterable<T>): AsyncGenerator<T> {
  yield* values;
}

/** Two hundred utterances of every kind, their texts interleaved, with controls between them. */
async function write(
  id: string,
  random: SeededRandom,
  say: (request: MessageInitShape<typeof SynthesizeRequestSchema>) => void,
): Promise<void> {
  let controlSeq = 0;
  const control = (action: ControlAction, utteranceId = "") =>
    client.control({ sessionId: id, action, utteranceId, controlSeq: ++controlSeq }, { headers });
  const open: Array<{
    utteranceId: string;
    kinds: Array<SynthesizeRequest["kind"]["case"]>;
    text: string;
  }> = [];
  for (let begun = 0; begun < UTTERANCES || open.length > 0; ) {
    if (begun < UTTERANCES && (open.length < 2 || random.chance(0.3))) {
      const text = random.pick(["one two three. ", "one two. ", "one. ", "", "  ", "🙂"]);
      const kinds = random.pick([
        ["text", "end"],
        ["text", "text", "end"],
        ["end"],
        ["cancel", "text", "end"],
        ["text", "cancel", "end"],
      ] as const);
      open.push({ utteranceId: `u${begun++}`, kinds: [...kinds], text });
    }
    const chosen = random.pick(open);
    const kind = chosen.kinds.shift();
    const { utteranceId, text } = chosen;
    if (kind === "text") say({ utteranceId, kind: { case: kind, value: { text } } });
    else if (kind !== undefined) say({ utteranceId, kind: { case: kind, value: {} } });
    if (chosen.kinds.length === 0) open.splice(open.indexOf(chosen), 1);
    if (random.chance(0.02)) {
      await control(ControlAction.PAUSE);
      await control(ControlAction.RESUME);
    }
    if (random.chance(0.02)) await control(ControlAction.STOP, utteranceId);
    // Some way behind, as a reply is written: the worker must not be given everything at once.
    if (random.chance(0.2)) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A word's first and last frame hold a ramp or silence too, whose spectrum is wide. */
function isFull(samples: Int16Array): boolean {
  const quarter = samples.length / 4;
  const powers = [0, 1, 2, 3].map((index) =>
    powerOf(samples.subarray(index * quarter, (index + 1) * quarter)),
  );
  return powers[0] > 1_000_000 && Math.min(...powers) > 0.8 * Math.max(...powers);
}

function isForeign(samples: Int16Array, ownHz: number): boolean {
  const power = powerOf(samples);
  return TONES_HZ.some((hz) => {
    const share = powerAt(samples, hz) / power;
    return hz === ownHz ? share < 0.98 : share > 0.01;
  });
}

function powerOf(samples: Int16Array): number {
  let energy = 0;
  for (const sample of samples) energy += sample * sample;
  return energy / samples.length;
}

/** Goertzel. */
function powerAt(samples: Int16Array, hz: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * hz) / SAMPLE_RATE_HZ);
  let before = 0;
  let last = 0;
  for (const sample of samples) {
    const next = sample + coefficient * last - before;
    before = last;
    last = next;
  }
  const magnitude = last * last + before * before - coefficient * last * before;
  return (2 * magnitude) / (samples.length * samples.length);
}

function percentiles(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(1);
  return `p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, max ${at(1)} ms`;
}

describe("a session of two hundred utterances, texts, cancels and controls in any order", () => {
  it.each([21, 22, 23])("has two hundred ends (seed %i)", async (seed) => {
    const heard = await session(`alone-${seed}`, TONES_HZ[0], new SeededRandom(seed));
    expect(heard.ends.size).toBe(UTTERANCES);
    expect([...heard.ends.values()]).not.toContain("error");
    expect(heard.foreign).toBe(0);
    expect(heard.full).toBeGreaterThan(500);
  });
});

describe("three such sessions at once", () => {
  it("have six hundred ends, and each hears its own voice alone", async () => {
    const all = await Promise.all(
      TONES_HZ.map((hz, index) => session(`crowd-${hz}`, hz, new SeededRandom(31 + index))),
    );
    expect(all.map((heard) => heard.ends.size)).toEqual([UTTERANCES, UTTERANCES, UTTERANCES]);
    expect(all.flatMap((heard) => [...heard.ends.values()])).not.toContain("error");
    expect(all.map((heard) => heard.foreign)).toEqual([0, 0, 0]);
    expect(Math.min(...all.map((heard) => heard.full))).toBeGreaterThan(500);
    for (const [index, { frames, firstAudioMs, gapsMs }] of all.entries()) {
      console.log(
        `session at ${TONES_HZ[index]} Hz: ${frames} frames; ` +
          `first audio after its text ${percentiles(firstAudioMs)}; between frames ${percentiles(gapsMs)}`,
      );
    }
  });
});
