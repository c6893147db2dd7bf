/** A real worker process, driven by a gRPC client that knows only the .proto files. */
import { existsSync, readFileSync } from "node:fs";
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createGrpcCaller,
  type Frame,
  type GrpcCaller,
  type SpeechCall,
} from "../support/grpc-caller.ts";
import { familyOf } from "../support/processes.ts";
import { gone, startWorker, WORKER_SECRET, type WorkerProcess } from "../support/worker.ts";

const TTS = "antiphon.v1.TtsService";
const MODELS = "antiphon.v1.ModelService";
const HEALTH = "grpc.health.v1.Health";

let worker: WorkerProcess;
let caller: GrpcCaller;
beforeAll(async () => {
  worker = await startWorker("tone,flite");
  caller = createGrpcCaller(worker.address, WORKER_SECRET);
});
afterAll(async () => {
  caller?.close();
  await worker?.stop();
});

/** Node, our own options, the script, and what it was given. */
const argumentsOf = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");

const scratchOf = (pid: number) =>
  argumentsOf(pid).find((argument) => argument.includes("antiphon-inference-")) ?? "";

const isEnd = ({ kind }: Frame) => kind === "done" || kind === "cancelled" || kind === "error";
const sounds = (frames: readonly Frame[]) => frames.flatMap(({ audio }) => (audio ? [audio] : []));
const kinds = (frames: readonly Frame[]) =>
  frames.map(({ kind }) => kind).filter((kind) => kind !== "audio" && kind !== "progress");
let sessions = 0;

async function opened(model: string, voice = ""): Promise<{ id: string; call: SpeechCall }> {
  const id = `session-${++sessions}`;
  await caller.call(TTS, "startSession", { sessionId: id, model, voice });
  return { id, call: caller.synthesize(id) };
}

const control = (sessionId: string, action: string, controlSeq: number, utteranceId = "") =>
  caller.call(TTS, "control", {
    sessionId,
    action: `CONTROL_ACTION_${action}`,
    controlSeq,
    utteranceId,
  });

/** What a call is refused with: gRPC's code and ours. */
async function refusal(call: Promise<unknown>): Promise<{ code: number; antiphon: unknown }> {
  const error = (await call.then(
    () => ({ code: status.OK, metadata: { get: () => [] } }),
    (reason: unknown) => reason,
  )) as { code: number; metadata: { get(key: string): unknown[] } };
  return { code: error.code, antiphon: error.metadata.get("antiphon-code")[0] };
}

/** Wherever the frames came from: 1,920 bytes, counted from 0 without a gap. */
function expectWhole(frames: readonly Frame[]): void {
  const audio = sounds(frames);
  expect(new Set(audio.map(({ pcm }) => pcm.length))).toEqual(new Set([1_920]));
  expect(audio.map(({ seq }) => seq)).toEqual([...audio.keys()]);
}

describe("any gRPC client", () => {
  it("finds the worker serving, and is told what it does not know", async () => {
    for (const service of ["", TTS, MODELS]) {
      expect(await caller.call(HEALTH, "check", { service }, "")).toEqual({ status: "SERVING" });
    }
    expect((await refusal(caller.call(HEALTH, "check", { service: "nobody" }))).code).toBe(
      status.NOT_FOUND,
    );
  });

  it.each(["", "wrong", `${WORKER_SECRET} `])("is refused with the secret %j", async (secret) => {
    const refused = await refusal(caller.call(MODELS, "listModels", {}, secret));
    expect(refused).toEqual({ code: status.UNAUTHENTICATED, antiphon: "unauthenticated" });
  });

  it("lists the models, ready and measured", async () => {
    const { models } = (await caller.call(MODELS, "listModels", {})) as unknown as {
      models: Array<Record<string, unknown>>;
    };
    expect(models.map(({ model, state, isDefault }) => [model, state, isDefault])).toEqual([
      ["tone", "MODEL_STATE_READY", true],
      ["flite", "MODEL_STATE_READY", false],
    ]);
    expect(models[1]?.["voices"]).toEqual(["slt", "rms", "awb"]);
    expect(models[1]?.["firstAudioLatencyMs"]).toBeGreaterThan(0);
  });

  it("hears a sentence in whole frames, with the times of its words", async () => {
    const { call } = await opened("flite");
    call.say("u", "Hello there, how are you?");
    const frames = await call.until(isEnd);
    expectWhole(frames);
    expect(kinds(frames)).toEqual(["started", "wordTimings", "done"]);
    const samples = sounds(frames).length * 960;
    expect(frames.at(-1)?.done?.samples).toBe(samples);
    expect(samples).toBeGreaterThan(48_000);
    const words = frames.flatMap(({ wordTimings }) => wordTimings?.words ?? []);
    expect(words.map(({ text }) => text)).toEqual(["Hello", "there,", "how", "are", "you?"]);
    const times = words.flatMap(({ startSample, endSample }) => [startSample, endSample]);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times.at(-1)).toBeLessThanOrEqual(samples);
    // Heard at once: the voice's own 200 ms of silence are gone.
    expect(words[0]?.startSample).toBeLessThan(48 * 40);
    call.cancel();
  });

  it("ends utterances without anything to say with 0 samples, and ends its stream in order", async () => {
    const { call } = await opened("flite");
    for (const [index, text] of ["", " \n", "🙂", "…"].entries()) {
      call.say(`u${index}`, text);
      const frames = await call.until(isEnd);
      expect(frames.at(-1)?.done).toEqual({ samples: 0 });
      expect(sounds(frames)).toEqual([]);
    }
    call.end();
    let frame = await call.next();
    while (frame?.kind === "progress") frame = await call.next();
    expect(frame).toBeUndefined();
  });

  it("pauses, resumes at the same frame, and is told on the way that the worker lives", async () => {
    const { id, call } = await opened("tone");
    call.say("u", "word ".repeat(600));
    const before = await call.until((frame) => frame.audio?.seq === 20);
    expect(await control(id, "PAUSE", 1)).toMatchObject({
      outcome: "CONTROL_OUTCOME_APPLIED",
      paused: true,
    });
    // What had left the gate before still comes; from the first paused progress on nothing does.
    const leftover = await call.until((frame) => frame.progress?.paused === true);
    const held = await call.until((frame) => frame.progress?.paused === true);
    const longer = await call.until((frame) => frame.progress?.paused === true);
    expect(sounds([...held, ...longer])).toEqual([]);
    expect(await control(id, "PAUSE", 1)).toMatchObject({ appliedSeq: 1, paused: true });
    expect(await control(id, "RESUME", 2)).toMatchObject({ paused: false });
    expect(await control(id, "PAUSE", 1)).toMatchObject({ outcome: "CONTROL_OUTCOME_STALE" });
    const rest = await call.until(isEnd);
    const all = [...before, ...leftover, ...rest];
    expectWhole(all);
    // 600 words of 300 ms, and 50 ms of tail more than the last one has silence.
    expect(sounds(all).length).toBeGreaterThanOrEqual(600 * 15);
    expect(sounds(leftover).length).toBeLessThan(2_000);
    call.cancel();
  });

  it("stops what is spoken; nothing of it comes after its end, and the next utterance is whole", async () => {
    const { id, call } = await opened("tone");
    call.say("u", "word ".repeat(600));
    await call.until((frame) => frame.audio?.seq === 20);
    expect(await control(id, "STOP", 1)).toMatchObject({ outcome: "CONTROL_OUTCOME_APPLIED" });
    const stopped = await call.until(isEnd);
    expect(stopped.at(-1)?.kind).toBe("cancelled");
    expect(stopped.at(-1)?.cancelled?.samples).toBe((sounds(stopped).length + 21) * 960);
    expect(sounds(stopped).length).toBeLessThan(9_000 - 21);
    call.say("v", "one two");
    const next = await call.until(isEnd);
    expectWhole(next);
    expect(next.every((frame) => frame.utteranceId !== "u")).toBe(true);
    expect(next.at(-1)?.kind).toBe("done");
    call.cancel();
  });

  it("is refused what the contract refuses, with our code beside gRPC's", async () => {
    expect(await refusal(control("nobody", "PAUSE", 1))).toEqual({
      code: status.NOT_FOUND,
      antiphon: "not_found",
    });
    const start = (request: object) =>
      caller.call(TTS, "startSession", { sessionId: "x", ...request });
    expect((await refusal(start({ model: "flite", voice: "kal" }))).code).toBe(status.NOT_FOUND);
    expect((await refusal(start({ model: "tone", voice: "tone-9" }))).code).toBe(status.NOT_FOUND);
    expect((await refusal(start({ language: "fi" }))).code).toBe(status.UNIMPLEMENTED);
    const early = caller.synthesize("never-started");
    early.say("u", "hello");
    expect(await refusal(early.until(isEnd))).toEqual({
      code: status.FAILED_PRECONDITION,
      antiphon: "failed_precondition",
    });
    const { call } = await opened("tone");
    call.send({ utteranceId: "u", text: { text: "x".repeat(300 * 1024) } });
    expect(await refusal(call.until(isEnd))).toEqual({
      code: status.RESOURCE_EXHAUSTED,
      antiphon: "too_large",
    });
  });

  it("cannot unload a model that a session claims; unloaded its process is gone, loaded again it serves", async () => {
    const { id } = await opened("flite");
    expect((await refusal(caller.call(MODELS, "unloadModel", { model: "flite" }))).code).toBe(
      status.FAILED_PRECONDITION,
    );
    // Every session of this file that speaks with it ends.
    for (let session = 1; session <= sessions; session++) {
      await caller.call(TTS, "endSession", { sessionId: `session-${session}` });
    }
    expect(id).toBe(`session-${sessions}`);
    const before = familyOf(worker.process.pid ?? 0).length;
    await caller.call(MODELS, "unloadModel", { model: "flite" });
    expect(familyOf(worker.process.pid ?? 0).length).toBe(before - 1);
    expect(await caller.call(MODELS, "loadModel", { model: "flite" })).toMatchObject({
      model: { state: "MODEL_STATE_READY" },
    });
    worker.family.push(...familyOf(worker.process.pid ?? 0));
  });
});

describe("an inference child", () => {
  /** Found by its argument: the model's name. */
  function childOf(model: string): number {
    const family = familyOf(worker.process.pid ?? 0).slice(1);
    const found = family.find((pid) => argumentsOf(pid).includes(model));
    if (found === undefined) throw new Error(`no child for ${model}`);
    worker.family.push(found);
    return found;
  }

  it("that hangs in mid-speech is killed; its utterance may be tried again, others do not notice", async () => {
    const tone = await opened("tone");
    const flite = await opened("flite");
    const hanging = childOf("tone");
    tone.call.say("u", "word ".repeat(600));
    await tone.call.until((frame) => frame.audio !== undefined);
    process.kill(hanging, "SIGSTOP");
    flite.call.say("v", "I do not notice.");
    expect((await flite.call.until(isEnd)).at(-1)?.kind).toBe("done");
    const lost = (await tone.call.until(isEnd)).at(-1);
    expect(lost?.error).toMatchObject({ code: "deadline_exceeded", retryable: true });
    tone.call.say("u2", "one");
    expect((await tone.call.until(isEnd)).at(-1)?.kind).toBe("done");
    expect(childOf("tone")).not.toBe(hanging);
    tone.call.cancel();
    flite.call.cancel();
  });

  it("that is killed in mid-speech fails its utterance as unavailable, and the next one is spoken", async () => {
    const { call } = await opened("tone");
    call.say("u", "word ".repeat(600));
    await call.until((frame) => frame.audio !== undefined);
    process.kill(childOf("tone"), "SIGKILL");
    const lost = (await call.until(isEnd)).at(-1);
    expect(lost?.error).toMatchObject({ code: "unavailable", retryable: true });
    call.say("u2", "one");
    expect((await call.until(isEnd)).at(-1)?.kind).toBe("done");
    call.cancel();
  });
});

describe("a worker that leaves", () => {
  it("on SIGTERM finishes what it speaks, takes nothing new, and leaves nothing behind", async () => {
    const leaving = await startWorker("tone");
    const other = createGrpcCaller(leaving.address, WORKER_SECRET);
    await other.call(TTS, "startSession", { sessionId: "s" });
    const call = other.synthesize("s");
    // Paused, so that it is certainly under way when the signal comes.
    await other.call(TTS, "control", {
      sessionId: "s",
      action: "CONTROL_ACTION_PAUSE",
      controlSeq: 1,
    });
    call.say("u", "one two three");
    await call.until((frame) => frame.kind === "started");
    leaving.process.kill("SIGTERM");
    for (;;) {
      const { status: serving } = await other.call(HEALTH, "check", { service: "" });
      if (serving === "NOT_SERVING") break;
    }
    call.say("late", "not here");
    const refused = await call.until(isEnd);
    expect(refused.at(-1)).toMatchObject({ utteranceId: "late", error: { code: "unavailable" } });
    await other.call(TTS, "control", {
      sessionId: "s",
      action: "CONTROL_ACTION_RESUME",
      controlSeq: 2,
    });
    const spoken = await call.until(isEnd);
    expect(spoken.at(-1)?.kind).toBe("done");
    expectWhole(spoken);
    expect((await refusal(call.until(isEnd))).antiphon).toBe("unavailable");
    expect(await leaving.exited).toBe(0);
    await gone(leaving.family);
    other.close();
  });

  it.each(["the launcher's channel closes", "it is killed"])(
    "leaves no child when %s",
    async (how) => {
      const leaving = await startWorker("tone,flite");
      expect(leaving.family.length).toBe(3);
      const folders = leaving.family.slice(1).map((pid) => scratchOf(pid));
      expect(folders.every(existsSync)).toBe(true);
      if (how === "it is killed") leaving.process.kill("SIGKILL");
      else leaving.process.disconnect();
      await leaving.exited;
      await gone(leaving.family);
    },
  );
});

describe("a worker with bad settings", () => {
  it("names them all and leaves with 2", async () => {
    const bad = { WORKER_PORT: "x", REGISTRY_URL: "redis://r" };
    const failure = await startWorker("tenor", bad).catch((reason: unknown) => String(reason));
    expect(failure).toContain("left with 2");
    for (const key of ["WORKER_PORT", "REGISTRY_URL", "MODELS"]) expect(failure).toContain(key);
  });
});
