import { ModelKind, ModelState } from "@antiphon/protocol/worker";
import { createLog } from "@antiphon/runtime/log";
import { FakeClock } from "@antiphon/runtime/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ToChild } from "../inference/child-message.ts";
import { RECOGNISER, ScriptedChild, VOICE } from "../testing/scripted-child.ts";
import { quiet } from "../testing/speech-caller.ts";
import { ModelManager } from "./model-manager.ts";

/** Speaks 100 ms at a level for each job, at once. */
class SpeakingChild extends ScriptedChild {
  amplitude = 3_277;

  override send(message: ToChild): void {
    super.send(message);
    if (message.type !== "speak") return;
    const { job, request } = message;
    queueMicrotask(() => {
      if (request.voice === "nobody") {
        this.say({ type: "failed", job, code: "not_found", message: "no voice", retryable: false });
        return;
      }
      const samples = new Int16Array(1_600).fill(this.amplitude);
      this.say({ type: "samples", job, samples, sampleRateHz: 16_000 });
      this.say({ type: "ended", job });
    });
  }
}

let clock: FakeClock;
let children: Map<string, SpeakingChild[]>;
let models: ModelManager;

beforeEach(() => {
  clock = new FakeClock();
  children = new Map();
  models = new ModelManager({
    models: ["tone", "moonshine", "flite"],
    spawn: (model) => {
      const child = new SpeakingChild();
      children.set(model, [...(children.get(model) ?? []), child]);
      return child;
    },
    clock,
    log: createLog({ name: "test", level: "silent" }),
  });
});

afterEach(async () => {
  await models.stop();
  expect(clock.pendingTimers).toBe(0);
});

const child = (model: string) => children.get(model)?.at(-1) as SpeakingChild;
const stateOf = (name: string) => models.list().find(({ model }) => model === name)?.state;

async function started(): Promise<void> {
  const settled = models.start();
  child("tone").ready({ ...VOICE, languages: ["en"] } as never);
  child("flite").ready({ ...VOICE, languages: ["de"] } as never);
  child("moonshine").ready(RECOGNISER);
  await settled;
}

describe("a voice that is the default only where it is fast", () => {
  function begun(): Promise<void> {
    models = new ModelManager({
      models: ["flite", "moonshine"],
      modelIfFast: "kokoro",
      spawn: (model) => {
        const child = new SpeakingChild();
        children.set(model, [...(children.get(model) ?? []), child]);
        return child;
      },
      clock,
      log: createLog({ name: "test", level: "silent" }),
    });
    const settled = models.start();
    child("flite").ready();
    child("moonshine").ready(RECOGNISER);
    return settled;
  }
  const defaults = () => models.list().flatMap(({ model, isDefault }) => (isDefault ? model : []));

  it("comes first where it was fast at the start, and stays there", async () => {
    const settled = begun();
    expect(defaults()).toEqual(["flite", "moonshine"]);
    child("kokoro").ready(VOICE, 690);
    await settled;
    expect(defaults()).toEqual(["kokoro", "moonshine"]);
    expect((await models.acquire("tts", "", "")).model).toBe("kokoro");
    for (let job = 0; job < 20; job++) clock.advance(10_000);
    expect(defaults()).toEqual(["kokoro", "moonshine"]);
  });

  it("can be asked for where it was slow", async () => {
    const settled = begun();
    child("kokoro").ready(VOICE, 2_000);
    await settled;
    expect(defaults()).toEqual(["flite", "moonshine"]);
    expect((await models.acquire("tts", "kokoro", "")).model).toBe("kokoro");
  });

  it("leaves everything as it is where it cannot be loaded", async () => {
    const settled = begun();
    child("kokoro").say({ type: "load-failed", message: "its files are missing" });
    child("kokoro").exit("code 1");
    await settled;
    expect(defaults()).toEqual(["flite", "moonshine"]);
    expect(stateOf("kokoro")).toBe(ModelState.FAILED);
  });
});

describe("the models of a worker", () => {
  it("are known before they are loaded", () => {
    expect(
      models.list().map(({ model, kind, state, isDefault }) => [model, kind, state, isDefault]),
    ).toEqual([
      ["tone", ModelKind.TTS, ModelState.UNLOADED, true],
      ["moonshine", ModelKind.ASR, ModelState.UNLOADED, true],
      ["flite", ModelKind.TTS, ModelState.UNLOADED, false],
    ]);
  });

  it("serve although one of them cannot be loaded", async () => {
    const settled = models.start();
    child("moonshine").say({ type: "load-failed", message: "no such file" });
    child("moonshine").exit("code 1");
    child("flite").ready();
    expect(stateOf("tone")).toBe(ModelState.LOADING);
    child("tone").ready();
    await settled;
    expect(models.list().map(({ state, failure }) => [state, failure])).toEqual([
      [ModelState.READY, ""],
      [ModelState.FAILED, "no such file"],
      [ModelState.READY, ""],
    ]);
    const lease = models.acquire("asr", "", "");
    await quiet();
    child("moonshine").ready(RECOGNISER);
    expect((await lease).model).toBe("moonshine");
    (await lease).release();
  });

  it("are loaded once, however many ask", async () => {
    const loads = [models.load("tone"), models.load("tone"), models.acquire("tts", "tone", "")];
    await quiet();
    child("tone").ready();
    const [status] = await Promise.all(loads);
    expect(children.get("tone")?.length).toBe(1);
    expect(status).toMatchObject({ state: ModelState.READY, voices: ["anna"], slots: 2 });
    await models.load("tone");
    expect(children.get("tone")?.length).toBe(1);
  });

  it("are unloaded only when nobody holds them; then their process is gone", async () => {
    await started();
    const lease = await models.acquire("tts", "tone", "");
    await expect(models.unload("tone")).rejects.toMatchObject({ code: "failed_precondition" });
    lease.release();
    lease.release();
    expect((await models.unload("tone")).state).toBe(ModelState.UNLOADED);
    expect(child("tone").killed).toBe(true);
  });

  it("are not unloaded while they load", async () => {
    const loading = models.load("tone");
    await expect(models.unload("tone")).rejects.toMatchObject({ code: "failed_precondition" });
    child("tone").ready();
    await loading;
  });

  it("that nobody has heard of are not_found", async () => {
    await expect(models.load("kokoro")).rejects.toMatchObject({ code: "not_found" });
    await expect(models.acquire("tts", "constructor", "")).rejects.toMatchObject({
      code: "not_found",
    });
    await expect(models.acquire("asr", "tone", "")).rejects.toMatchObject({ code: "not_found" });
  });

  it("are chosen by kind and language when none is named, the first one before the others", async () => {
    await started();
    const chosen = async (language: string) => (await models.acquire("tts", "", language)).model;
    expect([await chosen(""), await chosen("en-GB"), await chosen("de")]).toEqual([
      "tone",
      "tone",
      "flite",
    ]);
    await expect(chosen("fr")).rejects.toMatchObject({ code: "unimplemented" });
  });

  it("come back by themselves when their process is lost", async () => {
    await started();
    child("tone").exit("SIGSEGV");
    expect(stateOf("tone")).toBe(ModelState.LOADING);
    child("tone").ready();
    expect(stateOf("tone")).toBe(ModelState.READY);
  });
});

describe("a voice's gain", () => {
  const gainOf = async (voice: string) => (await models.acquire("tts", "tone", "")).gainDb(voice);
  const spoken = () => child("tone").jobs.length;

  it("brings what it says to −20 dBFS, and is measured once", async () => {
    await started();
    expect(spoken()).toBe(1);
    // 3277 of 32768 is −20 dBFS.
    expect(await gainOf("anna")).toBeCloseTo(0, 1);
    expect(spoken()).toBe(1);
    child("tone").amplitude = 1_642;
    expect(await gainOf("other")).toBeCloseTo(6, 1);
    expect(await gainOf("other")).toBeCloseTo(6, 1);
    expect(spoken()).toBe(2);
  });

  it("has a limit, and is 0 for a voice that says nothing", async () => {
    await started();
    child("tone").amplitude = 200;
    expect(await gainOf("faint")).toBe(15);
    child("tone").amplitude = 0;
    expect(await gainOf("silent")).toBe(0);
  });

  it("that could not be measured is the model's error, and is tried again", async () => {
    await started();
    await expect(gainOf("nobody")).rejects.toMatchObject({ code: "not_found" });
    await expect(gainOf("nobody")).rejects.toMatchObject({ code: "not_found" });
    expect(spoken()).toBe(3);
  });
});
