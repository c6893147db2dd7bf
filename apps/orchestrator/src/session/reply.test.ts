import { AntiphonError } from "@antiphon/protocol";
import { FakeClock, settle } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import { FrameRing } from "./frame-ring.ts";
import type { LanguageModel, SpeechEvent, SynthesisStream } from "./ports.ts";
import { Reply } from "./reply.ts";
import { SILENT_FRAME, WORD_FRAMES } from "./testing/scripted-ports.ts";
import { TurnMetrics } from "./turn-metrics.ts";

const PCM = new Uint8Array(SILENT_FRAME.buffer);

/** A reply whose model and voice are written in the test: `voice` gives the number of frames, or throws after them. */
function replying(script: {
  tokens: Array<string | Error>;
  voice?: (text: string) => { frames: number; error?: Error };
}) {
  const clock = new FakeClock();
  const ring = new FrameRing(75);
  const told: string[] = [];
  const model = { tokens: 0, stopped: false };
  const voice = { begun: [] as string[], open: new Set<string>(), given: 0 };
  const llm: LanguageModel = {
    responder: { kind: "llm" },
    notice: undefined,
    async *answer(_, signal) {
      try {
        for (const token of script.tokens) {
          await Promise.resolve();
          if (signal.aborted) return;
          if (token instanceof Error) throw token;
          model.tokens++;
          yield token;
        }
      } finally {
        model.stopped = true;
      }
    },
  };
  const synthesis: SynthesisStream = {
    voice: "v",
    wholeUtterance: false,
    speak: ({ text }, signal) => {
      voice.begun.push(text);
      voice.open.add(text);
      signal.addEventListener("abort", () => voice.open.delete(text));
      return speak(text);
    },
    setPaused: () => {},
    close: () => {},
  };
  async function* speak(text: string): AsyncIterable<SpeechEvent> {
    const { frames, error } = script.voice?.(text) ?? { frames: 5 };
    for (let frame = 0; frame < frames; frame++) {
      voice.given++;
      yield { kind: "audio", pcm: PCM };
    }
    if (error !== undefined) throw error;
    voice.open.delete(text);
    yield { kind: "done", samples: frames * 960 };
  }
  const reply = new Reply(
    {
      epoch: 1,
      replyId: "1-1",
      turn: 1,
      request: { kind: "answer" },
      answer: { instructions: "", language: "en", history: [{ role: "user", text: "Go" }] },
      prepared: undefined,
      llm,
      synthesis: Promise.resolve(synthesis),
      ring,
      clock,
      metrics: new TurnMetrics(undefined, false),
      reported: false,
    },
    {
      send: (frame) => told.push(`frame ${frame.utterance}`),
      onText: (text) => told.push(text),
      onWritten: () => {},
      onWords: () => told.push("words"),
      onFirstFrame: () => told.push("first"),
      onUtterance: (utterance) => told.push(`utterance ${utterance}`),
      onError: (error) => told.push(`error ${error.code}`),
      onEnded: () => told.push("ended"),
      onReaderLost: () => told.push("reader lost"),
    },
  );
  const play = async (ms: number) => {
    for (let doneMs = 0; doneMs < ms; doneMs += 20) {
      clock.advance(20);
      reply.pacer.tick(clock.nowMs());
      await settle();
    }
  };
  return { reply, ring, told, model, voice, play };
}

const lost = new AntiphonError("unavailable", "lost");

describe("a reply", () => {
  it("is spoken utterance by utterance, the next begun while one is taken", async () => {
    const { reply, told, voice, play } = replying({
      tokens: ["First of all. ", "And then. "],
      voice: () => ({ frames: 100 }),
    });
    reply.start();
    await settle();
    expect(voice.begun).toEqual(["First of all.", "And then."]);
    expect(voice.given).toBeLessThan(100);
    await play(5_000);
    expect(told.filter((each) => each.startsWith("utterance"))).toEqual([
      "utterance 0",
      "utterance 1",
    ]);
    expect(told.at(-1)).toBe("ended");
    expect(reply.spoken.heard(reply.pacer.releasedSamples)).toBe("First of all. And then.");
  });

  it("looks no further ahead than its ring", async () => {
    const { reply, ring, voice } = replying({
      tokens: ["First of all."],
      voice: () => ({ frames: 1_000 }),
    });
    reply.start();
    for (let turn = 0; turn < 50; turn++) await settle();
    expect(ring.full).toBe(true);
    expect(voice.given).toBe(76);
  });

  it("that its model never ends is cut off once 512 utterances wait", async () => {
    const { reply, model, told } = replying({
      tokens: Array.from({ length: 2_000 }, () => "One more thing. "),
      voice: () => ({ frames: 1_000 }),
    });
    reply.start();
    for (let turn = 0; turn < 1_000 && !model.stopped; turn++) await settle();
    expect(model.stopped).toBe(true);
    expect(model.tokens).toBeLessThan(520);
    expect(told.filter((each) => each.startsWith("error"))).toEqual([]);
  });
});

describe("a reply that fails", () => {
  it("in its voice: what there is plays, the model and the next utterance are stopped", async () => {
    const { reply, told, model, voice, play } = replying({
      tokens: ["First of all. ", "And then. ", ...Array.from({ length: 500 }, () => "So on. ")],
      voice: (text) =>
        text === "First of all." ? { frames: WORD_FRAMES, error: lost } : { frames: 100 },
    });
    reply.start();
    await play(1_000);
    expect(model).toMatchObject({ stopped: true });
    expect(model.tokens).toBeLessThan(502);
    expect([...voice.open]).toEqual([]);
    expect(told.filter((each) => each === "frame 0")).toHaveLength(WORD_FRAMES);
    expect(told.filter((each) => each.startsWith("error"))).toEqual(["error unavailable"]);
    expect(told.at(-1)).toBe("ended");
  });

  it("in its model: what was written is spoken to its end", async () => {
    const { reply, told, play } = replying({ tokens: ["First of all. ", "And th", lost] });
    reply.start();
    await play(1_000);
    expect(told.filter((each) => each === "frame 0")).toHaveLength(5);
    expect(told).toContain("error unavailable");
    expect(told.at(-1)).toBe("ended");
    expect(reply.spoken.written).toBe("First of all.");
  });
});

describe("after stop", () => {
  it("nothing is told, written, spoken or kept any more", async () => {
    const { reply, ring, told, model, voice, play } = replying({
      tokens: Array.from({ length: 500 }, () => "One more thing. "),
      voice: () => ({ frames: 100 }),
    });
    reply.start();
    await play(300);
    reply.stop();
    const before = told.length;
    await play(3_000);
    expect(told).toHaveLength(before);
    expect(ring.length).toBe(0);
    expect(model.stopped).toBe(true);
    expect([...voice.open]).toEqual([]);
  });
});
