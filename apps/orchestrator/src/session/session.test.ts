import { AntiphonError } from "@antiphon/protocol";
import { settle } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import { ConversationFixture, type Script } from "./testing/conversation-fixture.ts";
import { SILENT_FRAME, WORD_FRAMES } from "./testing/scripted-ports.ts";

describe("a spoken turn", () => {
  it("is transcribed, answered and played, frame by frame without a gap", async () => {
    const call = await ConversationFixture.started({
      hears: ["What time is it?"],
      answers: ["It is noon. Time for lunch."],
    });
    await call.speak(1_000);
    await call.silence(4_000);
    expect(call.transport.all("transcript").filter((each) => each.final)).toEqual([
      { type: "transcript", turn: 1, final: true, text: "What time is it?" },
    ]);
    expect(call.llm.requests[0]?.history).toEqual([{ role: "user", text: "What time is it?" }]);
    expect(call.transport.frames.map((frame) => frame.seq)).toEqual(
      Array.from({ length: 6 * WORD_FRAMES }, (_, seq) => seq),
    );
    expect(call.transport.all("reply").at(-1)).toMatchObject({
      text: "It is noon. Time for lunch.",
      done: true,
      interrupted: false,
    });
    expect(call.transport.states()).toEqual(["listening", "thinking", "speaking", "listening"]);
    expect(call.errors).toEqual([]);
  });

  it("sends at most the lead ahead of what is heard", async () => {
    const call = await ConversationFixture.started({
      hears: ["Go on"],
      answers: ["one two three four five six."],
    });
    await call.speak(500);
    await call.silence(2_500);
    const first = call.transport.frames[0]?.atMs ?? 0;
    for (const frame of call.transport.frames) {
      expect(frame.seq * 20 - (frame.atMs - first)).toBeLessThanOrEqual(200);
    }
  });

  it("with a pause inside stays one turn", async () => {
    const call = await ConversationFixture.started({
      hears: ["I would like", "a coffee"],
      answers: ["Sure."],
    });
    await call.speak(600);
    await call.silence(400);
    await call.speak(600);
    await call.silence(1_500);
    expect(call.llm.requests.map((each) => each.history)).toEqual([
      [{ role: "user", text: "I would like a coffee" }],
    ]);
  });

  it("goes on when speech resumes before its transcript is there", async () => {
    const call = await ConversationFixture.started({
      hears: ["I would like", "a coffee"],
      answers: ["Sure."],
      transcriptionMs: 900,
    });
    await call.speak(600);
    await call.silence(700);
    await call.speak(600);
    await call.silence(3_000);
    expect(call.llm.requests).toHaveLength(1);
    expect(call.llm.requests[0]?.history).toEqual([
      { role: "user", text: "I would like a coffee" },
    ]);
  });

  it("without words is no turn", async () => {
    const call = await ConversationFixture.started({ hears: [""] });
    await call.speak(200);
    await call.silence(1_500);
    expect(call.llm.requests).toEqual([]);
    expect(call.transport.all("transcript").filter((each) => each.final)).toEqual([]);
  });

  it("ends even when the microphone's frames stop coming", async () => {
    const call = await ConversationFixture.started({ hears: ["Hello"], answers: ["Hi."] });
    await call.speak(600);
    await call.wait(3_000);
    expect(call.transport.all("reply").at(-1)).toMatchObject({ text: "Hi.", done: true });
  });

  it("is told as failed when its recogniser is lost, and the session goes on", async () => {
    const lost = new AntiphonError("unavailable", "No recogniser could be reached.");
    const call = await ConversationFixture.started({ hears: [lost, "Again"], answers: ["Yes."] });
    await call.speak(600);
    await call.silence(1_000);
    expect(call.transport.all("error").map((each) => each.code)).toEqual(["unavailable"]);
    await call.speak(600);
    await call.silence(2_500);
    expect(call.transport.all("reply").at(-1)).toMatchObject({ text: "Yes.", done: true });
  });
});

describe("while a reply is playing", () => {
  async function interrupted() {
    const call = await ConversationFixture.started({
      hears: ["Tell me a story", "Stop please"],
      answers: ["Once upon a time there was a king.", "All right."],
    });
    await call.speak(600);
    await call.silence(1_600);
    return call;
  }

  it("speech stops it: no later frame is of the old epoch, and only what was heard is remembered", async () => {
    const call = await interrupted();
    expect(call.session.state.kind).toBe("speaking");
    const before = call.transport.frames.length;
    await call.speak(800);
    const cleared = call.transport.all("clear")[0];
    expect(cleared).toBeDefined();
    const atClear = call.transport.frames.filter((frame) => frame.epoch < (cleared?.epoch ?? 0));
    expect(atClear.length).toBeGreaterThanOrEqual(before);
    await call.silence(2_500);
    expect(
      call.transport.frames.filter((frame) => frame.epoch < (cleared?.epoch ?? 0)),
    ).toHaveLength(atClear.length);
    const done = call.transport.all("reply").find((each) => each.done);
    expect(done?.interrupted).toBe(true);
    expect("Once upon a time there was a king.".startsWith(done?.text ?? "?")).toBe(true);
    expect(call.llm.requests[1]?.history).toEqual([
      { role: "user", text: "Tell me a story" },
      { role: "assistant", text: done?.text },
      { role: "user", text: "Stop please" },
    ]);
    expect(call.transport.states()).toEqual([
      "listening",
      "thinking",
      "speaking",
      "barged-in",
      "listening",
      "thinking",
      "speaking",
      "listening",
    ]);
  });

  it("`interrupt` stops it without a new turn", async () => {
    const call = await interrupted();
    call.send({ type: "interrupt" });
    await call.silence(1_000);
    expect(call.session.state).toMatchObject({ kind: "listening", thinking: false });
    expect(call.llm.requests).toHaveLength(1);
  });

  it("what is called off while its buffers empty is not answered after all", async () => {
    const call = await ConversationFixture.started({
      hears: ["Tell me a story", ""],
      answers: ["Once upon a time there was a king.", "All right."],
    });
    await call.speak(600);
    await call.silence(1_600);
    call.reports = false;
    call.send({ type: "text", text: "Never mind" });
    call.send({ type: "interrupt" });
    await call.wait(300);
    call.reports = true;
    expect(call.session.state).toMatchObject({ kind: "listening", thinking: false });
    await call.speak(200);
    await call.silence(1_500);
    expect(call.llm.requests).toHaveLength(1);
  });

  it("typed text stops it and is answered", async () => {
    const call = await interrupted();
    call.send({ type: "text", text: "Never mind" });
    await call.wait(2_000);
    expect(call.llm.requests[1]?.history.at(-1)).toEqual({ role: "user", text: "Never mind" });
    expect(call.transport.all("reply").at(-1)).toMatchObject({ text: "All right.", done: true });
  });

  it("goes on to the next turn when the listener never says that its buffers are empty", async () => {
    const call = await interrupted();
    call.reports = false;
    call.send({ type: "interrupt" });
    await call.wait(150);
    expect(call.session.state.kind).toBe("barged-in");
    await call.wait(100);
    expect(call.session.state.kind).toBe("listening");
  });
});

describe("words that come while something sounds", () => {
  it("are answered after it in the history, where a program spoke over the wait for their transcript", async () => {
    const call = await ConversationFixture.started({
      hears: ["What time is it?"],
      answers: ["Noon."],
      transcriptionMs: 900,
    });
    await call.speak(600);
    await call.silence(900);
    call.send({ type: "say", text: "One moment please, I am looking." });
    await call.silence(3_000);
    const history = call.llm.requests[0]?.history ?? [];
    expect(history.map((entry) => entry.role)).toEqual(["assistant", "user"]);
  });

  it("wait until the listener has said how far the stopped reply was played", async () => {
    const call = await ConversationFixture.started({ answers: ["one two three four.", "Yes."] });
    call.send({ type: "text", text: "Count" });
    await call.wait(400);
    call.reports = false;
    await call.wait(300);
    call.send({ type: "text", text: "Stop" });
    const epoch = call.transport.all("clear")[0]?.epoch ?? 0;
    // As a client answers a clear: where it was, then that it is empty.
    call.send({
      ...call.transport.playback(),
      epoch: epoch - 1,
      replyId: "1-1",
      positionSamples: 29_000,
    });
    call.send({ type: "playback", epoch, replyId: null, positionSamples: 0, empty: true });
    await call.wait(100);
    expect(call.llm.requests[1]?.history).toEqual([
      { role: "user", text: "Count" },
      { role: "assistant", text: "one two three" },
      { role: "user", text: "Stop" },
    ]);
  });

  it("and goes on, since the person speaks again, come after it in the history and are answered then", async () => {
    const call = await ConversationFixture.started({
      hears: ["What time is it?", ""],
      answers: ["Noon."],
      options: { endpointing: "manual" },
      transcriptionMs: 600,
    });
    await call.speak(600);
    call.send({ type: "input_commit" });
    await call.speak(300);
    call.send({ type: "say", text: "One moment." });
    await call.speak(350);
    expect(call.transport.all("input_committed")).toHaveLength(1);
    expect(call.session.state.kind).toBe("speaking");
    expect(call.records.written.at(-1)?.history.map((each) => each.text)).toEqual([
      "What time is it?",
    ]);
    await call.speak(1_000);
    expect(call.session.state).toMatchObject({ kind: "listening", thinking: false });
    await call.silence(2_500);
    expect(call.llm.requests.map((each) => each.history)).toEqual([
      [
        { role: "assistant", text: "One moment." },
        { role: "user", text: "What time is it?" },
      ],
    ]);
    expect(call.transport.all("reply").at(-1)).toMatchObject({ text: "Noon.", done: true });
  });

  it("are answered once the person has only coughed over it", async () => {
    const call = await ConversationFixture.started({
      hears: ["What time is it?", ""],
      answers: ["Noon."],
      options: { endpointing: "manual" },
      transcriptionMs: 900,
    });
    await call.speak(600);
    call.send({ type: "input_commit" });
    await call.silence(100);
    call.send({ type: "say", text: "One moment please, I am looking for it at this moment." });
    await call.silence(560);
    await call.speak(260);
    expect(call.transport.all("input_committed")).toHaveLength(1);
    expect(call.session.state).toMatchObject({ kind: "speaking" });
    expect(call.llm.requests).toEqual([]);
    await call.silence(3_000);
    expect(call.transport.all("reply").at(-1)).toMatchObject({ text: "Noon.", done: true });
  });

  it("are not lost where it never comes to sound", async () => {
    const call = await ConversationFixture.started({
      hears: ["What time is it?", "Hello?"],
      answers: ["Noon."],
      options: { endpointing: "manual" },
      transcriptionMs: 600,
    });
    call.synthesizer.hangs = { text: "One moment.", afterFrames: 0 };
    await call.speak(600);
    call.send({ type: "input_commit" });
    await call.speak(300);
    call.send({ type: "say", text: "One moment." });
    await call.speak(700);
    expect(call.transport.all("input_committed")).toHaveLength(1);
    call.send({ type: "input_commit" });
    await call.silence(2_500);
    expect(call.llm.requests.map((each) => each.history)).toEqual([
      [{ role: "user", text: "What time is it? Hello?" }],
    ]);
  });

  it("are not talked over: an answer that falls due while the person speaks again is given after that", async () => {
    const call = await ConversationFixture.started({
      hears: ["First", "second"],
      answers: ["Both."],
      options: { endpointing: "manual" },
      transcriptionMs: 500,
    });
    await call.speak(600);
    call.send({ type: "input_commit" });
    await call.speak(1_500);
    expect(call.transport.all("input_committed")).toHaveLength(1);
    expect(call.llm.requests).toEqual([]);
    call.send({ type: "input_commit" });
    await call.wait(2_000);
    expect(call.llm.requests.map((each) => each.history)).toEqual([
      [{ role: "user", text: "First second" }],
    ]);
    expect(call.transport.all("reply").at(-1)).toMatchObject({ text: "Both.", done: true });
  });
});

describe("a noise into an open microphone, where only a commit ends turns,", () => {
  const options = { endpointing: "manual" } as const;

  it("does not cost the answer that was being thought of", async () => {
    const call = await ConversationFixture.started({
      hears: ["Tell me.", ""],
      answers: ["Slowly.", "Here you are."],
      options,
    });
    call.synthesizer.hangs = { text: "Slowly.", afterFrames: 0 };
    await call.speak(600);
    call.send({ type: "input_commit" });
    await call.silence(600);
    expect(call.session.state).toMatchObject({ thinking: true });
    await call.speak(140);
    expect(call.session.state).toMatchObject({ thinking: false });
    await call.silence(2_000);
    expect(call.transport.all("reply").at(-1)).toMatchObject({ text: "Here you are.", done: true });
  });

  it("does not cost the answer to words that were still awaited", async () => {
    const call = await ConversationFixture.started({
      hears: ["Tell me.", ""],
      answers: ["Here you are."],
      options,
      transcriptionMs: 500,
    });
    await call.speak(600);
    call.send({ type: "input_commit" });
    await call.speak(700);
    expect(call.transport.all("input_committed")).toHaveLength(1);
    expect(call.llm.requests).toEqual([]);
    await call.silence(2_500);
    expect(call.transport.all("reply").at(-1)).toMatchObject({ text: "Here you are.", done: true });
  });
});

describe("before the voice is there", () => {
  function opening(script: Script) {
    const voice = Promise.withResolvers<void>();
    const call = new ConversationFixture(script);
    call.synthesizer.opening = voice.promise;
    call.send({ type: "session_start", options: script.options ?? {} });
    return { call, voice };
  }

  it("what is asked is answered after `ready`, and no greeting comes over it", async () => {
    const { call, voice } = opening({ answers: ["Yes."], options: { greeting: "Welcome." } });
    call.send({ type: "text", text: "Are you there?" });
    await call.wait(300);
    expect(call.transport.all("reply")).toEqual([]);
    voice.resolve();
    await call.wait(1_000);
    const types = call.transport.messages.map((each) => each.type);
    expect(types.indexOf("ready")).toBeLessThan(types.indexOf("reply"));
    expect(call.synthesizer.spoken).toEqual(["Yes."]);
  });

  it("somebody who has begun to speak is not greeted", async () => {
    const { call, voice } = opening({
      hears: ["Hello"],
      answers: ["Hi."],
      options: { greeting: "Welcome." },
    });
    await call.speak(600);
    voice.resolve();
    await call.speak(200);
    await call.silence(2_000);
    expect(call.synthesizer.spoken).toEqual(["Hi."]);
  });

  it("it ends with `unavailable` when none comes in time, and gives a late one back", async () => {
    const { call, voice } = opening({});
    await call.wait(5_100);
    expect(call.transport.end).toMatchObject({ error: { code: "unavailable" } });
    expect(call.clock.pendingTimers).toBe(0);
    voice.resolve();
    await settle();
    expect(call.synthesizer.closed).toEqual([true]);
  });

  it("it can end at once", async () => {
    const { call, voice } = opening({});
    call.send({ type: "text", text: "Hello" });
    call.send({ type: "session_end" });
    voice.resolve();
    await settle();
    expect(call.transport.all("ready")).toEqual([]);
    expect(call.synthesizer.closed).toEqual([true]);
    expect(call.clock.pendingTimers).toBe(0);
  });
});

describe("while an answer is being thought of", () => {
  it("more speech drops it, and both turns are answered as one", async () => {
    const call = await ConversationFixture.started({
      hears: ["One", "and two"],
      answers: ["", "Both."],
    });
    await call.speak(600);
    await call.silence(700);
    await call.speak(600);
    await call.silence(2_000);
    expect(call.llm.requests.at(-1)?.history).toEqual([{ role: "user", text: "One and two" }]);
  });
});

describe("a process that stood still", () => {
  it("for ten seconds lets no reply go on whose interruption it has not judged yet", async () => {
    const call = await ConversationFixture.started({
      hears: ["Count to ten.", "Stop it now."],
      answers: ["One two three four five six seven eight nine ten.", "Fine."],
    });
    await call.speak(600);
    await call.silence(1_300);
    await call.speak(180);
    expect(call.session.state).toMatchObject({ kind: "speaking", held: true });
    call.clock.stall(10_000);
    await call.wait(20);
    expect(call.session.state).toMatchObject({ kind: "speaking", held: true });
    await call.speak(800);
    await call.silence(2_500);
    expect(call.transport.all("release")).toEqual([]);
    expect(call.transport.end).toBeUndefined();
    expect(call.transport.all("reply").at(-1)).toMatchObject({ text: "Fine.", done: true });
  });
});

describe("a cough", () => {
  it("before the greeting's first sound only delays it", async () => {
    const call = new ConversationFixture({ hears: [""] });
    call.synthesizer.hangs = { text: "Welcome.", afterFrames: 0 };
    call.send({ type: "session_start", options: { greeting: "Welcome." } });
    await call.silence(200);
    expect(call.session.state).toMatchObject({ thinking: true });
    call.synthesizer.hangs = undefined;
    await call.speak(200);
    expect(call.session.state).toMatchObject({ thinking: false });
    await call.silence(2_000);
    expect(call.transport.all("reply").at(-1)).toMatchObject({ text: "Welcome.", done: true });
  });

  it("while the reply before a `say` is being silenced only delays what is to be said", async () => {
    const call = await ConversationFixture.started({ hears: [""], answers: ["One two three."] });
    call.send({ type: "text", text: "Count" });
    await call.wait(500);
    call.reports = false;
    await call.speak(60);
    call.send({ type: "say", text: "Please hold the line." });
    await call.speak(120);
    call.reports = true;
    expect(call.session.state).toMatchObject({ kind: "barged-in", next: undefined });
    await call.silence(3_000);
    expect(call.transport.all("reply").at(-1)).toMatchObject({
      text: "Please hold the line.",
      done: true,
      interrupted: false,
    });
  });

  it("after words that overtook a `say` does not bring it back", async () => {
    const call = await ConversationFixture.started({
      hears: ["What time is it?", ""],
      answers: ["Noon."],
    });
    await call.speak(400);
    call.send({ type: "say", text: "Please hold the line." });
    await call.speak(400);
    await call.silence(2_500);
    await call.speak(200);
    await call.silence(2_500);
    expect(call.synthesizer.spoken).toEqual(["Please hold the line.", "Noon."]);
  });
});

describe("a reply that fails", () => {
  it("in the language model: the error is said and the session listens", async () => {
    const call = await ConversationFixture.started({
      answers: [new AntiphonError("unavailable", "The language model does not answer.")],
    });
    call.send({ type: "text", text: "Hello" });
    await call.wait(300);
    expect(call.transport.all("error").map((each) => each.code)).toEqual(["unavailable"]);
    expect(call.session.state).toMatchObject({ kind: "listening", thinking: false });
  });

  it("in mid-speech: what was delivered is played and remembered", async () => {
    const call = await ConversationFixture.started({ answers: ["One two three four five six."] });
    call.synthesizer.fails = {
      text: "One two three four five six.",
      afterFrames: 2 * WORD_FRAMES,
      error: new AntiphonError("unavailable", "The voice was lost.", {
        details: { audioSent: true },
      }),
    };
    call.send({ type: "text", text: "Count" });
    await call.wait(2_000);
    expect(call.transport.frames).toHaveLength(2 * WORD_FRAMES);
    expect(call.transport.all("reply").at(-1)).toMatchObject({ text: "One two", done: true });
    expect(call.transport.all("error")[0]?.code).toBe("unavailable");
  });

  it("in mid-speech is remembered as cut short, and is not made again by a noise", async () => {
    const call = await ConversationFixture.started({
      hears: [""],
      answers: ["One two three four five six."],
    });
    call.synthesizer.fails = {
      text: "One two three four five six.",
      afterFrames: 2 * WORD_FRAMES,
      error: new AntiphonError("unavailable", "The voice was lost."),
    };
    call.send({ type: "text", text: "Count" });
    await call.wait(2_000);
    expect(call.transport.all("reply").at(-1)).toMatchObject({ done: true, interrupted: true });
    expect(call.records.written.at(-1)?.history.at(-1)).toEqual({
      role: "assistant",
      text: "One two",
      interrupted: true,
    });
    await call.speak(300);
    await call.silence(1_500);
    expect(call.llm.requests).toHaveLength(1);
  });

  it("is not asked for again by each noise", async () => {
    const call = await ConversationFixture.started({
      hears: ["", ""],
      answers: [new AntiphonError("unavailable", "The language model does not answer.")],
    });
    call.send({ type: "text", text: "Hello" });
    await call.wait(300);
    await call.speak(300);
    await call.silence(1_500);
    expect(call.llm.requests).toHaveLength(1);
  });

  it("in its voice: the model's further words are not told after its end", async () => {
    const call = await ConversationFixture.started({
      answers: ["First of all. Then some more. And more."],
    });
    call.synthesizer.fails = {
      text: "First of all.",
      afterFrames: 5,
      error: new AntiphonError("unavailable", "The voice was lost."),
    };
    call.send({ type: "text", text: "Talk" });
    await call.wait(2_000);
    const replies = call.transport.all("reply");
    expect(replies.filter((each) => each.done)).toEqual([replies.at(-1)]);
  });

  it("by having nothing to say: listens again", async () => {
    const call = await ConversationFixture.started({ answers: ["🙂"] });
    call.send({ type: "text", text: "Smile" });
    await call.wait(300);
    expect(call.transport.frames).toEqual([]);
    expect(call.session.state).toMatchObject({ kind: "listening", thinking: false });
  });
});

describe("what a client says", () => {
  it("before session_start is refused, and a second session_start too", async () => {
    const call = new ConversationFixture();
    expect(() => call.send({ type: "interrupt" })).toThrow("session_start");
    expect(() => call.session.receiveMicrophone(0, SILENT_FRAME)).toThrow("session_start");
    call.send({ type: "session_start" });
    expect(() => call.send({ type: "session_start" })).toThrow("already");
    await settle();
  });

  it("`say` is spoken without the model; the greeting too", async () => {
    const call = await ConversationFixture.started({ options: { greeting: "Welcome." } });
    await call.wait(1_000);
    call.send({ type: "say", text: "Please hold the line." });
    await call.wait(2_000);
    expect(call.synthesizer.spoken).toEqual(["Welcome.", "Please hold the line."]);
    expect(call.llm.requests).toEqual([]);
  });

  it("manual endpointing: silence ends nothing, `input_commit` does, once, even with nothing said", async () => {
    const call = await ConversationFixture.started({
      hears: ["Push to talk"],
      answers: ["Heard."],
      options: { endpointing: "manual" },
    });
    await call.speak(600);
    await call.silence(2_000);
    expect(call.llm.requests).toEqual([]);
    call.send({ type: "input_commit" });
    await call.silence(2_000);
    expect(call.transport.all("input_committed")).toEqual([
      { type: "input_committed", turn: 1, text: "Push to talk" },
    ]);
    expect(call.llm.requests).toHaveLength(1);
    call.send({ type: "input_commit" });
    await call.silence(200);
    expect(call.transport.all("input_committed").at(-1)).toEqual({
      type: "input_committed",
      turn: 1,
      text: "",
    });
  });

  it("with respond: false only transcripts come back, at any pace", async () => {
    const call = await ConversationFixture.started({
      hears: ["First part.", "Second part."],
      options: { respond: false, inputClock: "samples" },
    });
    await call.speak(1_000);
    await call.silence(1_000);
    await call.wait(5_000);
    await call.speak(1_000);
    call.send({ type: "input_commit" });
    await call.wait(200);
    expect(
      call.transport
        .all("transcript")
        .filter((each) => each.final)
        .map((each) => each.text),
    ).toEqual(["First part.", "Second part."]);
    expect(call.transport.frames).toEqual([]);
    expect(() => call.send({ type: "say", text: "no" })).toThrow("respond");
  });

  it("acknowledges input once a second", async () => {
    const call = await ConversationFixture.started();
    await call.silence(3_100);
    const acks = call.transport.all("input_ack");
    expect(acks).toHaveLength(3);
    expect(acks.at(-1)?.samples).toBeGreaterThan(2.9 * 48_000);
  });
});

describe("the end", () => {
  it("leaves no timer, closes the voice and writes the record", async () => {
    const call = await ConversationFixture.started({
      answers: ["A long answer that goes on and on."],
    });
    call.send({ type: "text", text: "Talk" });
    await call.wait(500);
    call.send({ type: "session_end" });
    await settle();
    expect(call.ended).toBe(1);
    expect(call.transport.end).toEqual({ kind: "normal" });
    expect(call.synthesizer.closed).toEqual([true]);
    expect(call.clock.pendingTimers).toBe(0);
    expect(call.records.written.at(-1)).toMatchObject({ state: "terminated", turnNumber: 1 });
    expect(call.records.written.at(-1)?.history.at(-1)).toMatchObject({
      role: "assistant",
      interrupted: true,
    });
  });

  it("comes by itself after ten silent minutes", async () => {
    const call = await ConversationFixture.started();
    call.reports = false;
    call.clock.advance(601_000);
    await settle();
    expect(call.transport.end).toMatchObject({
      kind: "error",
      error: { code: "deadline_exceeded" },
    });
  });

  it("comes by itself to a client that never starts its session", async () => {
    const call = new ConversationFixture();
    call.clock.advance(601_000);
    await settle();
    expect(call.ended).toBe(1);
    expect(call.clock.pendingTimers).toBe(0);
  });

  it("does not come to somebody who listens", async () => {
    const call = await ConversationFixture.started({
      answers: [`${"word ".repeat(20)}.`],
      options: { playback: "none" },
      defaults: { idleTimeoutMs: 2_000 },
    });
    call.reports = false;
    call.send({ type: "text", text: "Talk" });
    await call.wait(4_000);
    expect(call.session.state.kind).toBe("speaking");
    await call.wait(2_500);
    expect(call.ended).toBe(1);
  });

  it("is final: what still arrives changes nothing", async () => {
    const call = await ConversationFixture.started({ hears: ["Hello"] });
    await call.speak(600);
    call.send({ type: "session_end" });
    const before = [call.transport.messages.length, call.records.written.length];
    call.send({ type: "text", text: "One more thing" });
    call.send({ type: "input_commit" });
    call.session.receiveMicrophone(0, SILENT_FRAME);
    await call.wait(2_000);
    expect([call.transport.messages.length, call.records.written.length]).toEqual(before);
    expect(call.clock.pendingTimers).toBe(0);
  });

  it("comes with 4429 when a listener that reports acknowledges nothing for ten seconds", async () => {
    const call = await ConversationFixture.started({ answers: [`${"word ".repeat(80)}.`] });
    call.reports = false;
    call.send({ type: "text", text: "Talk" });
    await call.wait(13_000);
    expect(call.transport.end).toMatchObject({ kind: "error", error: { code: "overloaded" } });
    expect(call.transport.frames.length).toBeLessThanOrEqual(25);
  });

  it("a successor goes on with the history", async () => {
    const call = await ConversationFixture.started({
      answers: ["Yes."],
      identity: {
        leaseEpoch: 2,
        turnNumber: 3,
        history: [
          { role: "user", text: "Hello", interrupted: false },
          { role: "assistant", text: "Hi", interrupted: false },
        ],
      },
    });
    call.send({ type: "text", text: "Still there?" });
    await call.wait(500);
    expect(call.llm.requests[0]?.history).toHaveLength(3);
    expect(call.transport.all("reply")[0]?.turn).toBe(4);
  });

  it("a successor does not greet whom the one before it has greeted", async () => {
    const call = await ConversationFixture.started({
      options: { greeting: "Welcome." },
      identity: {
        leaseEpoch: 2,
        history: [{ role: "assistant", text: "Welcome.", interrupted: false }],
      },
    });
    await call.wait(1_000);
    expect(call.synthesizer.spoken).toEqual([]);
  });
});
