import { AntiphonError, FRAME_SAMPLES } from "@antiphon/protocol";
import { delay } from "@antiphon/runtime";
import { FakeClock, settle } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import type { EndpointingOptions } from "./endpointing.ts";
import type { VadWindow } from "./ports.ts";
import { LoudnessDetector } from "./testing/scripted-ports.ts";
import type { PausedTurn } from "./turn-cutter.ts";
import { UserTurn, type UserTurnOptions } from "./user-turn.ts";
import type { FinishedTurn } from "./waiting-turns.ts";

const AT_600_MS: EndpointingOptions = {
  mode: "auto",
  minDelayMs: 600,
  maxDelayMs: 600,
  language: "en",
};
const MANUAL: EndpointingOptions = { ...AT_600_MS, mode: "manual" };
const ADAPTIVE: EndpointingOptions = { ...AT_600_MS, minDelayMs: 500, maxDelayMs: 2_000 };
const NEVER = new AbortController().signal;

type Heard = string | Error | Promise<string>;

/** A microphone whose frames are numbered, a detector that may lag, a recogniser that answers as told. */
function listening(
  options: Partial<UserTurnOptions> & {
    hears?: Heard[];
    judges?: boolean;
    /** Times the pace of speech. */
    pace?: number;
    transcriptionMs?: number;
  } = {},
) {
  const clock = new FakeClock();
  const hears = [...(options.hears ?? [])];
  const segments: number[][] = [];
  const turns: FinishedTurn[] = [];
  const pauses: Array<PausedTurn | undefined> = [];
  const partials: string[] = [];
  const errors: unknown[] = [];
  const faults: unknown[] = [];
  const withheld: VadWindow[] = [];
  let judges = options.judges ?? true;
  let onWindow: (window: VadWindow) => void = () => {};
  const loudness = new LoudnessDetector();
  let number = 0;
  const turn = new UserTurn({
    clock,
    detector: {
      open: (listener) => {
        onWindow = listener;
        return loudness.open((window) => (judges ? listener(window) : withheld.push(window)));
      },
    },
    transcription: {
      begin: () => {
        const frames: number[] = [];
        segments.push(frames);
        return {
          push: (pcm) => frames.push(new Int16Array(pcm.buffer, pcm.byteOffset, 2)[1] ?? -1),
          finish: async () => {
            const text = await (hears.shift() ?? "");
            const { transcriptionMs } = options;
            if (transcriptionMs !== undefined) await delay(clock, transcriptionMs, NEVER);
            if (text instanceof Error) throw text;
            return { text, computeMs: 1, confidence: 1 };
          },
          flush: () => {},
          cancel: () => {},
        };
      },
      close: () => {},
    },
    endpointing: AT_600_MS,
    inputClock: "samples",
    onSpeechStarted: () => {},
    onSpeechEnded: () => {},
    onWindow: ({ probability }) => probability,
    onPartial: (text) => partials.push(text),
    onPause: (paused) => pauses.push(paused),
    onTurnEnded: (ended) => turns.push(ended),
    onError: (reason) => errors.push(reason),
    onFault: (reason) => faults.push(reason),
    ...options,
  });
  /** 20 ms each; the second sample is the frame's number, from 1. */
  const say = async (ms: number, loud: boolean) => {
    for (let doneMs = 0; doneMs < ms; doneMs += 20) {
      const frame = new Int16Array(FRAME_SAMPLES).fill(loud ? 8_000 : 0);
      frame[1] = ++number;
      turn.push(frame);
      clock.advance(20 / (options.pace ?? 1));
      turn.tick(clock.nowMs());
      if (options.transcriptionMs !== undefined) await settle();
    }
    await settle();
  };
  return {
    clock,
    turn,
    segments,
    turns,
    pauses,
    partials,
    errors,
    faults,
    speak: (ms: number) => say(ms, true),
    silence: (ms: number) => say(ms, false),
    /** The detector falls behind, or catches up. */
    judge: async (on: boolean) => {
      // In order: what it is given meanwhile is judged after what it had in hand.
      if (on) for (let next = withheld.shift(); next; next = withheld.shift()) onWindow(next);
      judges = on;
      await settle();
    },
    /** What the detector had in hand never comes. */
    forget: () => withheld.splice(0),
    texts: () => turns.map(({ text, committed }) => (committed ? `${text}!` : text)),
  };
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe("a commit", () => {
  it("while the turn that silence ended waits for its words is answered with that turn", async () => {
    const late = Promise.withResolvers<string>();
    const { turn, texts, speak, silence } = listening({ hears: [late.promise] });
    await speak(600);
    await silence(1_000);
    turn.commit();
    await settle();
    expect(texts()).toEqual([]);
    late.resolve("Hello");
    await settle();
    expect(texts()).toEqual(["Hello!"]);
  });

  it("is answered once each, though two come at once", async () => {
    const { turn, texts, speak } = listening({ hears: ["Hello"], endpointing: MANUAL });
    await speak(600);
    turn.commit();
    turn.commit();
    await settle();
    expect(texts()).toEqual(["Hello!", "!"]);
  });

  it("ends its turn: what is said before its words are there belongs to the next, pauses included", async () => {
    const late = Promise.withResolvers<string>();
    const { turn, texts, partials, speak, silence } = listening({
      hears: [late.promise, "Second", "turn"],
      endpointing: MANUAL,
    });
    await speak(600);
    turn.commit();
    await speak(600);
    await silence(2_000);
    late.resolve("First");
    await settle();
    expect(texts()).toEqual(["First!"]);
    await speak(600);
    turn.commit();
    await settle();
    expect(texts()).toEqual(["First!", "Second turn!"]);
    expect(partials).not.toContain("First Second");
  });

  it("while muted ends what was said before", async () => {
    const { turn, texts, speak } = listening({ hears: ["Hello"] });
    await speak(600);
    turn.mute(true);
    turn.commit();
    await settle();
    expect(texts()).toEqual(["Hello!"]);
  });

  it("after the turn was over is answered with nothing", async () => {
    const { turn, texts, speak, silence } = listening({ hears: ["Hello"] });
    await speak(600);
    await silence(1_000);
    turn.commit();
    await settle();
    expect(texts()).toEqual(["Hello", "!"]);
  });

  it("too many of which wait is refused", async () => {
    const { turn, speak } = listening({ hears: [new Promise(() => {})], endpointing: MANUAL });
    await speak(600);
    for (let commit = 0; commit < 8; commit++) turn.commit();
    expect(() => turn.commit()).toThrow("Too many input_commit");
  });

  it("drops nothing of what still waits for the detector", async () => {
    const { turn, segments, judge, speak } = listening({ hears: ["Hello"], judges: false });
    await speak(2_000);
    turn.commit();
    await judge(true);
    expect(turn.droppedSamples).toBe(0);
    expect(segments[0]?.filter((number) => number > 0)).toEqual(range(1, 100));
  });

  it("leaves the client its two seconds: what is said after it waits too, and is the next turn's", async () => {
    const { turn, segments, texts, judge, speak, silence } = listening({
      hears: ["First", "second"],
      judges: false,
    });
    await speak(1_200);
    turn.commit();
    await speak(800);
    expect(turn.droppedSamples).toBe(0);
    await judge(true);
    await silence(1_000);
    expect(segments[0]?.filter((number) => number > 0)).toEqual(range(1, 60));
    expect(segments[1]).toEqual(expect.arrayContaining(range(61, 100)));
    expect(texts()).toEqual(["First!", "second"]);
  });

  it("costs a client that is late with nothing more than the frame that is too many, the oldest it has waiting", async () => {
    const { turn, segments, judge, speak } = listening({ hears: ["First", ""], judges: false });
    await speak(1_200);
    turn.commit();
    await speak(820);
    expect(turn.droppedSamples).toBe(FRAME_SAMPLES);
    await judge(true);
    expect(segments[0]?.filter((number) => number > 0)).toEqual([
      ...range(1, 25),
      ...range(27, 60),
    ]);
  });
});

describe("silence", () => {
  it("with clicks in it ends a turn all the same", async () => {
    const { texts, speak, silence } = listening({ hears: ["Hello"] });
    await speak(600);
    for (let click = 0; click < 3; click++) {
      await silence(300);
      await speak(40);
    }
    expect(texts()).toEqual(["Hello"]);
  });

  it("that speech ends before the words are there does not end the turn", async () => {
    const late = Promise.withResolvers<string>();
    const { texts, speak, silence } = listening({
      hears: [late.promise, "two"],
      inputClock: "realtime",
    });
    await speak(600);
    await silence(800);
    await speak(600);
    late.resolve("One");
    await silence(1_000);
    expect(texts()).toEqual(["One two"]);
  });

  it("is put where a live microphone's frames stop, and only while a turn is open", async () => {
    const { turn, clock, texts, speak } = listening({ hears: ["Hello"], inputClock: "realtime" });
    const wait = async (ms: number) => {
      for (let doneMs = 0; doneMs < ms; doneMs += 20) {
        clock.advance(20);
        turn.tick(clock.nowMs());
      }
      await settle();
    };
    await speak(600);
    await wait(2_000);
    expect(texts()).toEqual(["Hello"]);
    expect(turn.takenSamples).toBe(30 * FRAME_SAMPLES);
    await wait(2_000);
    await speak(600);
    expect(turn.takenSamples).toBe(60 * FRAME_SAMPLES);
  });
});

describe("a recording with pauses", () => {
  it.each([1, 8, 40])("at %i times its pace is cut into the same turns", async (pace) => {
    const { turn, clock, texts, speak, silence } = listening({
      endpointing: ADAPTIVE,
      hears: ["I would like", "two tickets.", "Next", "Tuesday.", "And", "bye."],
      pace,
      transcriptionMs: 120,
    });
    for (const pauseMs of [1_200, 700, 700, 900, 2_400, 100]) {
      await speak(600);
      await silence(pauseMs);
    }
    turn.commit();
    await clock.advanceAsync(500);
    expect(texts()).toEqual(["I would like two tickets.", "Next Tuesday.", "And", "bye.!"]);
  });
});

describe("the words of a pause", () => {
  it("are told before the turn is over, and are its words", async () => {
    const { pauses, turns, speak, silence } = listening({
      endpointing: ADAPTIVE,
      hears: ["Two tickets,", "please."],
    });
    await speak(600);
    await silence(400);
    expect(pauses).toMatchObject([{ text: "Two tickets." }]);
    await speak(600);
    await silence(400);
    expect(turns).toEqual([]);
    expect(pauses.slice(1)).toMatchObject([undefined, { text: "Two tickets, please." }]);
    await silence(200);
    expect(turns).toMatchObject([{ text: "Two tickets, please." }]);
  });
});

describe("a turn that its recogniser left in mid-sentence", () => {
  it("ends in a full stop; commas inside it stay", async () => {
    const { texts, speak, silence } = listening({ hears: ["If you please,", "turn it on,"] });
    await speak(600);
    await silence(400);
    await speak(600);
    await silence(1_000);
    expect(texts()).toEqual(["If you please, turn it on."]);
  });
});

describe("a live microphone's frames that come late and all at once", () => {
  it.each([
    ["because the network or the client held them up", 20],
    ["because this process stood still", 2_000],
  ])("%s stay together", async (_, tickMs) => {
    const { turn, clock, segments, speak } = listening({ inputClock: "realtime" });
    await speak(600);
    for (let lateMs = 0; lateMs < Math.max(tickMs, 360); lateMs += tickMs) {
      clock.advance(tickMs);
      turn.tick(clock.nowMs());
    }
    await speak(600);
    turn.commit();
    await settle();
    expect(segments.map((frames) => frames.filter((number) => number > 0))).toEqual([range(1, 60)]);
  });
});

describe("what a recogniser is given", () => {
  it("begins a quarter of a second before the speech and ends 150 ms after it", async () => {
    const { segments, speak, silence } = listening();
    await silence(1_000);
    await speak(600);
    await silence(1_000);
    const frames = segments[0] ?? [];
    expect(frames).toEqual(range(frames[0] ?? 0, frames.at(-1) ?? 0));
    // Speech is frames 51 to 80; windows are 32 ms.
    expect(frames[0]).toBeGreaterThanOrEqual(51 - 15);
    expect(frames[0]).toBeLessThanOrEqual(51 - 12);
    expect(frames.at(-1)).toBeGreaterThanOrEqual(80 + 5);
    expect(frames.at(-1)).toBeLessThanOrEqual(80 + 9);
  });

  it("holds each frame once where a segment is split", async () => {
    const { segments, speak, silence } = listening();
    await speak(40_000);
    await silence(1_000);
    expect(segments.length).toBe(3);
    const frames = segments.flat();
    expect(frames).toEqual(range(1, frames.length));
    expect(frames.length).toBeGreaterThanOrEqual(2_000);
    for (const segment of segments) expect(segment.length).toBeLessThanOrEqual(15_100 / 20);
  });

  it("holds no frame twice where two segments lie close", async () => {
    const { segments, speak, silence } = listening();
    await speak(600);
    await silence(280);
    await speak(600);
    await silence(1_000);
    expect(segments).toHaveLength(2);
    const frames = segments.flat();
    expect(new Set(frames).size).toBe(frames.length);
  });

  it("makes a turn of half an hour at most, though nobody pauses", async () => {
    const hears = Array.from({ length: 8 }, () => "word ".repeat(1_000));
    const { turns, speak } = listening({ hears });
    for (let cut = 0; cut < 9; cut++) await speak(15_000);
    expect(turns.length).toBeGreaterThan(0);
    for (const turn of turns) expect(turn.text.length).toBeLessThan(30_000);
  });

  it("and cannot hear leaves the rest of the turn", async () => {
    const lost = new AntiphonError("unavailable", "lost");
    const { texts, errors, speak, silence } = listening({ hears: [lost, "but this"] });
    await speak(600);
    await silence(300);
    await speak(600);
    await silence(1_000);
    expect(texts()).toEqual(["but this"]);
    expect(errors).toEqual([lost]);
  });
});

describe("while the detector is behind", () => {
  it("two seconds wait, the oldest beyond are dropped and said, and both add up to what came", async () => {
    const { turn, judge, speak } = listening({ judges: false });
    await speak(2_500);
    expect(turn.droppedSamples).toBe(25 * FRAME_SAMPLES);
    await judge(true);
    expect(turn.takenSamples + turn.droppedSamples).toBe(125 * FRAME_SAMPLES);
  });

  it("what it lost does not hold up what comes after it", async () => {
    const { turn, clock, texts, judge, forget, speak, silence } = listening({
      hears: ["Hello"],
      judges: false,
    });
    await silence(1_000);
    forget();
    clock.advance(3_000);
    await judge(true);
    turn.tick(clock.nowMs());
    await speak(600);
    await silence(1_000);
    expect(texts()).toEqual(["Hello"]);
  });
});

describe("a client's own losses", () => {
  it("take no room from what did come, however many they are", async () => {
    const { turn, judge, speak } = listening({ judges: false });
    await speak(2_000);
    for (let loss = 0; loss < 10; loss++) turn.skip(50);
    expect(turn.droppedSamples).toBe(0);
    expect(turn.endSample).toBe(200 * FRAME_SAMPLES);
    await judge(true);
    expect(turn.takenSamples).toBe(100 * FRAME_SAMPLES);
  });

  it("pass as silence, and are not acknowledged: they never came", async () => {
    const { turn, texts, speak } = listening({ hears: ["Hello"] });
    await speak(600);
    turn.skip(50);
    await settle();
    expect(texts()).toEqual(["Hello"]);
    expect(turn.takenSamples).toBe(30 * FRAME_SAMPLES);
  });
});

describe("owed transcripts", () => {
  it("hold back a recording but not a microphone", async () => {
    for (const inputClock of ["samples", "realtime"] as const) {
      const never = Array.from({ length: 5 }, () => new Promise<string>(() => {}));
      const { turn, speak, silence } = listening({ hears: never, inputClock });
      for (let segment = 0; segment < 5; segment++) {
        await speak(300);
        await silence(300);
      }
      expect(turn.backlogged).toBe(inputClock === "samples");
    }
  });

  it("of a closed session are not waited for", async () => {
    const late = Promise.withResolvers<string>();
    const { turn, turns, partials, faults, speak, silence } = listening({ hears: [late.promise] });
    await speak(600);
    await silence(1_000);
    turn.close();
    late.resolve("Hello");
    await settle();
    expect([turns, partials, faults]).toEqual([[], [], []]);
  });
});

describe("a callback that throws", () => {
  it("is a fault that is told, wherever it was called from", async () => {
    const fault = new Error("bug");
    const { faults, speak, silence } = listening({
      hears: ["Hello"],
      onTurnEnded: () => {
        throw fault;
      },
    });
    await speak(600);
    await silence(1_000);
    expect(faults).toEqual([fault]);
  });
});
