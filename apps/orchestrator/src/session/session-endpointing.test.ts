import { describe, expect, it } from "vitest";
import { ConversationFixture, type Script } from "./testing/conversation-fixture.ts";

/** Half a second to two, and a recogniser that takes as long as a small one does. */
function calling(script: Script) {
  return ConversationFixture.started({
    transcriptionMs: 120,
    ...script,
    defaults: {
      endpointing: { minDelayMs: 500, maxDelayMs: 2_000 },
      preemptiveGeneration: true,
      ...script.defaults,
    },
  });
}

const counters = (call: ConversationFixture) => call.records.written.at(-1)?.metrics.counters;

describe("a turn that sounds complete", () => {
  it("is answered after half a second of silence, by an answer that was begun before", async () => {
    const call = await calling({ hears: ["What time is it?"], answers: ["It is noon."] });
    await call.speak(1_000);
    await call.silence(2_500);
    const [metrics] = call.transport.all("metrics");
    expect(metrics).toMatchObject({ preemptive: true, transcriptionMs: 0, llmFirstTokenMs: 0 });
    expect(metrics?.endpointingMs).toBeLessThan(560);
    expect(call.llm.requests).toHaveLength(1);
    expect(call.transport.all("reply").at(-1)).toMatchObject({ text: "It is noon.", done: true });
    expect(counters(call)).toMatchObject({ preemptiveUsed: 1 });
  });

  it("tells what each stage took, and they add up to the whole", async () => {
    const call = await calling({ hears: ["What time is it?"], answers: ["It is noon."] });
    await call.speak(1_000);
    await call.silence(2_500);
    const stages = call.transport.all("metrics")[0];
    if (stages === undefined) throw new Error("no metrics");
    const sum =
      (stages.endpointingMs ?? Number.NaN) +
      (stages.transcriptionMs ?? Number.NaN) +
      (stages.llmRequestMs ?? Number.NaN) +
      (stages.llmFirstTokenMs ?? Number.NaN) +
      (stages.firstTextMs ?? Number.NaN) +
      (stages.firstAudioLatencyMs ?? Number.NaN) +
      (stages.firstFrameMs ?? Number.NaN);
    expect(sum).toBeCloseTo(stages.endOfSpeechToFirstAudioMs ?? 0, 0);
    expect(stages.endpointToFirstAudioMs).toBeCloseTo(sum - (stages.endpointingMs ?? 0), 0);
  });
});

describe("a person who goes on", () => {
  it("after “I would like” is not answered too early, and nothing is begun for it", async () => {
    const call = await calling({
      hears: ["I would like.", "two tickets."],
      answers: ["Two tickets."],
    });
    await call.speak(800);
    await call.silence(1_500);
    expect(call.llm.requests).toEqual([]);
    await call.speak(800);
    await call.silence(2_000);
    expect(call.llm.requests.map((each) => each.history)).toEqual([
      [{ role: "user", text: "I would like. two tickets." }],
    ]);
    expect(counters(call)).toMatchObject({ preemptiveUsed: 1 });
  });

  it("after an answer was begun never hears of it", async () => {
    const call = await calling({
      hears: ["Two tickets,", "please."],
      answers: ["Wrong.", "Two tickets."],
    });
    await call.speak(800);
    await call.silence(700);
    expect(call.llm.requests).toHaveLength(1);
    await call.speak(800);
    await call.silence(2_000);
    expect(call.llm.requests.map((each) => each.history.at(-1)?.text)).toEqual([
      "Two tickets.",
      "Two tickets, please.",
    ]);
    expect(call.synthesizer.spoken).toEqual(["Two tickets."]);
    expect(call.transport.all("reply").every((each) => !each.text.includes("Wrong"))).toBe(true);
    expect(counters(call)).toMatchObject({ preemptiveWasted: 1, preemptiveUsed: 1 });
  });
});

describe("nothing is begun early", () => {
  it.each<[string, Script]>([
    ["where the operator says so", { defaults: { preemptiveGeneration: false } }],
    ["where the session says so", { options: { preemptiveGeneration: false } }],
    ["where only a commit ends turns", { options: { endpointing: "manual" } }],
    ["where nothing is answered", { options: { respond: false } }],
  ])("%s", async (_, script) => {
    const call = await calling({ hears: ["Two tickets,"], answers: ["Sure."], ...script });
    await call.speak(800);
    await call.silence(700);
    expect(call.llm.requests).toEqual([]);
  });

  it("while a reply sounds: what the model is to see holds what was heard of it", async () => {
    const call = await calling({
      hears: ["Tell me a story.", "Stop, please"],
      answers: ["Once upon a time there was a king who had three daughters.", "All right."],
    });
    await call.speak(800);
    await call.silence(1_200);
    expect(call.session.state.kind).toBe("speaking");
    await call.speak(900);
    await call.silence(2_500);
    const heard = call.transport.all("reply").find((each) => each.done)?.text ?? "?";
    expect(call.llm.requests.at(-1)?.history).toEqual([
      { role: "user", text: "Tell me a story." },
      { role: "assistant", text: heard },
      { role: "user", text: "Stop, please" },
    ]);
  });
});

describe("what was begun for a spoken turn", () => {
  it("is thrown away when something else is typed", async () => {
    const call = await calling({ hears: ["Two tickets,"], answers: ["Wrong.", "Bye."] });
    await call.speak(800);
    await call.silence(700);
    call.send({ type: "text", text: "Never mind" });
    await call.wait(300);
    expect(call.synthesizer.spoken).toEqual(["Bye."]);
    expect(counters(call)).toMatchObject({ preemptiveWasted: 1 });
  });
});

describe("a session's own bounds", () => {
  it("go before the operator's", async () => {
    const call = await calling({
      hears: ["I would like"],
      answers: ["What?"],
      options: { endpointingMinDelayMs: 300, endpointingMaxDelayMs: 900 },
    });
    await call.speak(800);
    await call.silence(2_000);
    const [metrics] = call.transport.all("metrics");
    expect(metrics?.endpointingMs).toBeGreaterThanOrEqual(900);
    expect(metrics?.endpointingMs).toBeLessThan(960);
  });
});
