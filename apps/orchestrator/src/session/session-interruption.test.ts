import { describe, expect, it } from "vitest";
import { ConversationFixture, type Script } from "./testing/conversation-fixture.ts";
import { WORD_FRAMES } from "./testing/scripted-ports.ts";

const ANSWER = "One two three four five six seven eight nine ten.";

describe("somebody speaks over a reply", () => {
  async function speaking(hears: string[], script: Script = {}) {
    const call = await ConversationFixture.started({
      hears: ["Count to ten.", ...hears],
      answers: [ANSWER, "Fine."],
      ...script,
    });
    await call.speak(600);
    await call.silence(1_300);
    expect(call.transport.states().at(-1)).toBe("speaking");
    return call;
  }

  function decisions(call: ConversationFixture): string[] {
    return call.transport
      .all("interruption")
      .map(({ decision, reason }) => `${decision}: ${reason}`);
  }

  it("and is paused at once: nothing is sent while it is held", async () => {
    const call = await speaking(["Yeah."]);
    await call.speak(180);
    expect(call.transport.all("hold")).toEqual([
      { type: "hold", replyId: expect.any(String), pauseSeq: 1 },
    ]);
    expect(call.transport.all("state").at(-1)).toMatchObject({ state: "speaking", held: true });
    expect(call.synthesizer.paused).toEqual([true]);
    const sent = call.transport.frames.length;
    await call.speak(40);
    expect(call.transport.frames.length).toBe(sent);
  });

  it("with a backchannel: it goes on at the next frame, and nothing was said", async () => {
    const call = await speaking(["Yeah."]);
    await call.speak(300);
    await call.silence(3_000);
    expect(decisions(call)).toEqual(["pause: speech", "resume: backchannel"]);
    expect(call.transport.all("release").map((each) => each.resumeSeq)).toEqual([1]);
    expect(call.transport.frames.map((frame) => frame.seq)).toEqual(
      Array.from({ length: 10 * WORD_FRAMES }, (_, seq) => seq),
    );
    expect(call.transport.all("reply").at(-1)).toMatchObject({ text: ANSWER, interrupted: false });
    expect(call.records.written.at(-1)?.history.map((entry) => entry.text)).toEqual([
      "Count to ten.",
      ANSWER,
    ]);
    const second = call.transport.all("transcript").filter((each) => each.turn === 2);
    expect(second.at(-1)).toMatchObject({ final: true, text: "" });
    expect(call.records.written.at(-1)?.metrics.counters).toMatchObject({ falseInterruptions: 1 });
  });

  it("with a cough: it goes on when the cough is over", async () => {
    const call = await speaking([""]);
    await call.speak(200);
    await call.silence(300);
    expect(decisions(call)).toEqual(["pause: speech", "resume: no-words"]);
    expect(call.synthesizer.paused).toEqual([true, false]);
  });

  it("with words: it stops where it was held, and the words are a turn of their own", async () => {
    const call = await speaking(["Stop, that is enough."]);
    const before = call.transport.frames.length;
    await call.speak(500);
    expect(decisions(call)).toEqual(["pause: speech", "stop: words"]);
    expect(call.transport.frames.length).toBeLessThanOrEqual(before + 8);
    await call.silence(2_000);
    const history = call.llm.requests.at(-1)?.history ?? [];
    expect(history.at(-1)).toEqual({ role: "user", text: "Stop, that is enough." });
    expect(ANSWER.startsWith(history.at(-2)?.text ?? "?")).toBe(true);
    expect(history.at(-2)?.text.length).toBeLessThan(ANSWER.length);
    // The gate at the worker is open again: the next reply sounds.
    expect(call.synthesizer.paused).toEqual([true, false]);
    expect(call.transport.all("reply").at(-1)?.text).toBe("Fine.");
  });

  it("for long, in a language that nobody understands: it stops", async () => {
    const call = await speaking([""]);
    await call.speak(800);
    expect(decisions(call)).toEqual(["pause: speech", "stop: sustained-speech"]);
  });

  it("and a client whose clock stands for the listener hears of a word only what was not held", async () => {
    const call = await speaking(["Yeah."], { options: { playback: "none" } });
    call.reports = false;
    await call.speak(180);
    const heldAt = call.transport.frames.length;
    await call.silence(64);
    call.send({ type: "interrupt" });
    await call.silence(600);
    const heard = call.records.written.at(-1)?.history.at(-1)?.text.split(" ").length ?? 0;
    expect(heard * WORD_FRAMES).toBeLessThanOrEqual(heldAt);
  });

  it("the client's own `interrupt` is told as such", async () => {
    const call = await speaking([]);
    call.send({ type: "interrupt" });
    expect(decisions(call)).toEqual(["stop: requested"]);
  });

  it("where interruption is off: nothing stops it, and nothing was said", async () => {
    const call = await speaking(["Stop it now."], {
      options: { interruption: { enabled: false } },
    });
    await call.speak(800);
    await call.silence(3_000);
    expect(decisions(call)).toEqual([]);
    expect(call.records.written.at(-1)?.history).toHaveLength(2);
  });

  it("when the microphone falls silent altogether, the reply goes on", async () => {
    const call = await speaking(["Yeah."], {
      options: { inputClock: "samples" },
    });
    await call.speak(160);
    expect(call.transport.all("state").at(-1)).toMatchObject({ held: true });
    await call.wait(1_700);
    expect(decisions(call)).toEqual(["pause: speech", "resume: timeout"]);
  });
});
