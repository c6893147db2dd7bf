import { Waiter } from "@antiphon/runtime";
import { describe, expect, it } from "vitest";
import { ConversationFixture } from "./testing/conversation-fixture.ts";
import { WORD_FRAMES } from "./testing/scripted-ports.ts";

const ANSWER = "One two three four five six seven eight nine ten.";

describe("a language model that stops in mid-answer", () => {
  it("is given up, and what it wrote is spoken", async () => {
    const call = await ConversationFixture.started({ hears: ["Count."] });
    call.llm.answer = async function* () {
      yield `${ANSWER} `;
      await new Promise(() => {});
    };
    await ask(call);
    await call.silence(12_000);
    expect(errors(call)).toEqual(["deadline_exceeded"]);
    expect(call.transport.all("reply").at(-1)).toMatchObject({ text: ANSWER, interrupted: false });
    expect(call.session.state.kind).toBe("listening");
    expect(counters(call)).toMatchObject({ watchdogLlm: 1 });
  });

  it("before its first word leaves nothing but the reason", async () => {
    const call = await ConversationFixture.started({ hears: ["Count.", "Still there?"] });
    const { answer } = call.llm;
    call.llm.answer = (_, signal) => silent(signal);
    await ask(call);
    await call.silence(11_000);
    expect(errors(call)).toEqual(["deadline_exceeded"]);
    expect(call.session.state).toMatchObject({ kind: "listening", thinking: false });
    call.llm.answer = answer;
    await ask(call);
    expect(call.llm.requests.at(-1)?.history.at(-1)?.text).toContain("Still there?");
    expect(counters(call)).toMatchObject({ watchdogLlm: 1 });
  });
});

describe("a voice that stops in mid-sentence", () => {
  it("ends the reply with the words that were heard", async () => {
    const call = await ConversationFixture.started({ hears: ["Count."], answers: [ANSWER] });
    call.synthesizer.hangs = { text: ANSWER, afterFrames: 3 * WORD_FRAMES };
    await ask(call);
    await call.silence(11_000);
    expect([errors(call), call.session.state.kind]).toEqual([[], "speaking"]);
    await call.silence(2_500);
    expect(errors(call)).toEqual(["deadline_exceeded"]);
    expect(call.transport.all("reply").at(-1)).toMatchObject({
      text: "One two three",
      done: true,
      interrupted: true,
    });
    expect(call.session.state.kind).toBe("listening");
    expect(counters(call)).toMatchObject({ watchdogSilentReply: 1 });
  });
});

describe("a player that reports and does not move", () => {
  it.each([
    ["one two three", ANSWER],
    ["of a reply shorter than what may be on its way", "Yes."],
  ])("ends the reply with the words that it played: %s", async (_, answer) => {
    const call = await ConversationFixture.started({ hears: ["Count."], answers: [answer] });
    const { playback } = call.transport;
    call.transport.playback = () => ({
      ...playback.call(call.transport),
      ...(call.session.state.kind === "speaking" ? { positionSamples: 0, empty: false } : {}),
    });
    await ask(call);
    await call.silence(4_000);
    expect([errors(call), call.session.state.kind]).toEqual([[], "speaking"]);
    await call.silence(2_000);
    expect(errors(call)).toEqual(["failed_precondition"]);
    expect(call.transport.all("reply").at(-1)).toMatchObject({ text: "", interrupted: true });
    expect(counters(call)).toMatchObject({ watchdogStuckPlayer: 1 });
    // Of what nobody heard there is no entry.
    expect(call.records.written.at(-1)?.history.map((entry) => entry.text)).toEqual(["Count."]);
  });
});

describe("sound that does not end", () => {
  it("is waited for 30 s by an answer that is owed, and told of once", async () => {
    const call = await ConversationFixture.started({ hears: ["Count."], answers: [ANSWER] });
    const { answer } = call.llm;
    let asked = 0;
    call.llm.answer = (request, signal) =>
      asked++ === 0 ? silent(signal) : answer.call(call.llm, request, signal);
    await call.speak(600);
    await call.silence(900);
    expect(call.session.state).toMatchObject({ kind: "listening", thinking: true });
    await call.speak(29_500);
    expect([errors(call), asked]).toEqual([[], 1]);
    expect(call.session.state).toMatchObject({ kind: "listening", thinking: false });
    await call.speak(1_500);
    expect(errors(call)).toEqual(["deadline_exceeded"]);
    expect(call.transport.all("state").at(-1)).toMatchObject({
      state: "speaking",
      userSpeaking: false,
    });
    await call.speak(60_000);
    expect(errors(call)).toEqual(["deadline_exceeded"]);
    expect(call.transport.all("reply").at(-1)).toMatchObject({ text: ANSWER, interrupted: false });
    // The sound that went on is nobody's: the next one is.
    await call.silence(3_000);
    await call.speak(200);
    expect(call.transport.all("state").at(-1)).toMatchObject({ userSpeaking: true });
    expect(counters(call)).toMatchObject({ watchdogEndlessSpeech: 3 });
  });

  it("does not keep the words before it from being answered", async () => {
    const call = await ConversationFixture.started({ hears: ["Count.", ""], answers: [ANSWER] });
    await call.speak(50_000);
    expect(call.transport.all("transcript").at(-1)).toMatchObject({ text: "Count.", final: true });
    expect(call.transport.all("reply").at(-1)).toMatchObject({ text: ANSWER, done: true });
    expect(counters(call)).toMatchObject({ watchdogEndlessSpeech: 1 });
  });

  it("and is full of words is answered after two minutes", async () => {
    const hears = Array.from({ length: 20 }, (_, part) => `Part ${part}.`);
    const call = await ConversationFixture.started({ hears, answers: [ANSWER] });
    await call.speak(119_000);
    expect([errors(call), call.llm.requests.length]).toEqual([[], 0]);
    await call.speak(2_000);
    expect(errors(call)).toEqual(["deadline_exceeded"]);
    expect(call.llm.requests[0]?.history.at(-1)?.text).toMatch(/^Part 0\. .* Part [78]\.$/);
    expect(call.session.state.kind).toBe("speaking");
    expect(counters(call)).toMatchObject({ watchdogLongTurn: 1 });
  });

  it.each([
    ["a button", { endpointing: "manual" }],
    ["a recording", { inputClock: "samples" }],
  ] as const)("is for %s to end", async (_, options) => {
    const call = await ConversationFixture.started({ options, hears: Array(20).fill("Part.") });
    await call.speak(125_000);
    expect([errors(call), call.session.state.kind]).toEqual([[], "listening"]);
  });
});

describe("a recogniser that is replaced in mid-word", () => {
  it("is counted", async () => {
    const call = await ConversationFixture.started({ hears: ["Count."], answers: [ANSWER] });
    await call.speak(300);
    call.transcriber.replace();
    await call.speak(300);
    await call.silence(1_300);
    expect(counters(call)).toMatchObject({ recogniserReplaced: 1 });
  });
});

async function ask(call: ConversationFixture): Promise<void> {
  await call.speak(600);
  await call.silence(1_300);
}

function errors(call: ConversationFixture): string[] {
  return call.transport.all("error").map(({ code }) => code);
}

/** Begins, and says nothing until it is not wanted any more. */
async function* silent(signal: AbortSignal): AsyncIterable<string> {
  await new Waiter().wait(signal);
  yield "";
}

/** As the record has them in the end. */
function counters(call: ConversationFixture): Readonly<Record<string, number>> {
  call.session.end({ kind: "normal" });
  return call.records.written.at(-1)?.metrics.counters ?? {};
}
