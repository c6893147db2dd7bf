import { FakeClock, SeededRandom } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import type { EndpointingOptions } from "./endpointing.ts";
import type { SpeechPart } from "./speech-segments.ts";
import { type PausedTurn, TurnCutter } from "./turn-cutter.ts";
import type { FinishedTurn } from "./waiting-turns.ts";

const ADAPTIVE: EndpointingOptions = {
  mode: "auto",
  minDelayMs: 500,
  maxDelayMs: 2_000,
  language: "en",
};
/** The detector's. */
const WINDOW_MS = 32;

/** A person who speaks and is silent, whose words come when the test says. */
function talking(options: Partial<EndpointingOptions> = {}, inputClock?: "samples") {
  const clock = new FakeClock();
  const turns: Array<FinishedTurn & { atMs: number }> = [];
  const pauses: Array<PausedTurn | undefined> = [];
  const cutter = new TurnCutter({
    clock,
    endpointing: { ...ADAPTIVE, ...options },
    inputClock: inputClock ?? "realtime",
    onPause: (paused) => pauses.push(paused),
    onTurnEnded: (turn) => turns.push({ ...turn, atMs: clock.nowMs() }),
  });
  let speaking = false;
  let silentSinceMs = 0;
  /** `text` undefined: its words come later, by `hear`. */
  const say = (text: string | undefined, audioMs = 1_000) => {
    cutter.speechStarted();
    speaking = true;
    clock.advance(audioMs);
    const part: SpeechPart = { text, fromSample: 0, audioMs };
    silentSinceMs = clock.nowMs();
    cutter.speechEnded(silentSinceMs);
    cutter.add(part);
    speaking = false;
    if (text !== undefined) cutter.wordsCame(speaking);
    return part;
  };
  const hear = (part: SpeechPart, text: string) => {
    part.text = text;
    cutter.wordsCame(speaking);
  };
  /** Until somebody speaks, or `untilMs` of it. */
  const silence = (untilMs: number) => {
    while (clock.nowMs() - silentSinceMs < untilMs) {
      clock.advance(WINDOW_MS);
      cutter.silence(clock.nowMs() - silentSinceMs);
    }
  };
  return {
    clock,
    cutter,
    turns,
    pauses,
    say,
    hear,
    silence,
    texts: () => turns.map((t) => t.text),
  };
}

describe("somebody who asks", () => {
  it("“What time is it?” waits half a second", () => {
    const { turns, say, silence } = talking();
    say("What time is it?");
    silence(2_500);
    expect(turns).toMatchObject([
      { text: "What time is it?", endpointingMs: 512, transcriptionMs: 0 },
    ]);
  });

  it("“I would like … and … um … two tickets” may think for nearly two seconds each time", () => {
    const { texts, say, silence } = talking();
    say("I would like.");
    silence(1_900);
    say("And.");
    silence(1_700);
    say("Um,");
    silence(1_900);
    say("two tickets.");
    silence(480);
    expect(texts()).toEqual([]);
    silence(512);
    expect(texts()).toEqual(["I would like. And. Um, two tickets."]);
  });

  it("a number in groups is one turn", () => {
    const { texts, say, silence } = talking();
    say("My number is five five five.");
    silence(1_200);
    say("one two");
    silence(1_200);
    say("three four.");
    silence(2_000);
    expect(texts()).toEqual(["My number is five five five. one two three four."]);
  });

  it("and never ends the sentence is answered after two seconds all the same", () => {
    const { turns, say, silence } = talking();
    say("I would like to");
    silence(1_950);
    expect(turns).toEqual([]);
    silence(2_050);
    expect(turns).toMatchObject([{ text: "I would like to", endpointingMs: 2_016 }]);
  });

  it("in a language whose words are not judged waits for what the punctuation says", () => {
    const { turns, say, silence } = talking({ language: "de" });
    say("Ich hätte gern zwei Karten.");
    silence(2_000);
    say("und");
    silence(2_000);
    expect(turns.map((turn) => turn.endpointingMs)).toEqual([512, 896]);
  });
});

describe("words that come later than the silence they ask for", () => {
  it("end the turn at once, and the time they took is told as theirs", () => {
    const { turns, say, hear, silence } = talking();
    const part = say(undefined);
    silence(1_216);
    expect(turns).toEqual([]);
    hear(part, "What time is it?");
    expect(turns).toMatchObject([{ endpointingMs: 500, transcriptionMs: 716 }]);
  });

  it("may still ask for more", () => {
    const { texts, say, hear, silence } = talking();
    const part = say(undefined);
    silence(1_216);
    hear(part, "And");
    silence(1_900);
    expect(texts()).toEqual([]);
    say("two tickets.");
    silence(600);
    expect(texts()).toEqual(["And two tickets."]);
  });

  it("and than the longest silence, are waited for", () => {
    const { turns, say, hear, silence } = talking();
    const part = say(undefined);
    silence(4_000);
    expect(turns).toEqual([]);
    hear(part, "And");
    expect(turns).toMatchObject([{ text: "And", endpointingMs: 2_016, transcriptionMs: 1_984 }]);
  });

  it("are no end while the person speaks again", () => {
    const { cutter, texts, say, hear, silence } = talking();
    const first = say(undefined);
    silence(1_200);
    cutter.speechStarted();
    first.text = "Two tickets.";
    cutter.wordsCame(true);
    expect(texts()).toEqual([]);
    hear(say(undefined), "No, three.");
    silence(600);
    expect(texts()).toEqual(["Two tickets. No, three."]);
  });
});

describe("a commit that is on its way", () => {
  it("ends the turn itself: silence does not come before it", () => {
    const { cutter, turns, say, silence } = talking();
    say("Two tickets.");
    cutter.expectCommit();
    silence(2_500);
    cutter.commit();
    expect(turns).toMatchObject([{ text: "Two tickets.", committed: true }]);
  });
});

describe("a noise where only a commit ends turns", () => {
  it("is a turn of no words as soon as it is known to be one", () => {
    const { turns, say, hear, silence } = talking({ mode: "manual" });
    const cough = say(undefined);
    silence(3_000);
    expect(turns).toEqual([]);
    hear(cough, "");
    expect(turns).toMatchObject([{ text: "", committed: false }]);
  });

  it("belongs to the words before it, which wait for their commit", () => {
    const { cutter, turns, say, silence } = talking({ mode: "manual" });
    say("Two tickets.");
    say("");
    silence(3_000);
    expect(turns).toEqual([]);
    cutter.expectCommit();
    cutter.commit();
    expect(turns).toMatchObject([{ text: "Two tickets.", committed: true }]);
  });

  it("is left to a commit that is on its way", () => {
    const { cutter, turns, say, hear } = talking({ mode: "manual" });
    const cough = say(undefined);
    cutter.expectCommit();
    hear(cough, "");
    expect(turns).toEqual([]);
    cutter.commit();
    expect(turns).toMatchObject([{ text: "", committed: true }]);
  });
});

describe("a recording", () => {
  const PAUSES_MS = [300, 700, 1_200, 2_500];
  const TEXTS = ["Two tickets.", "and", "next Tuesday", "", "one two", "What is it?", "I would"];

  /** Its words come with each segment, after as many further segments as `lag` says, or all at the end. */
  function cut(seed: number, lag: (random: SeededRandom) => number) {
    const story = new SeededRandom(seed);
    const late = new SeededRandom(seed + 1);
    const { texts, say, hear, silence } = talking({}, "samples");
    const owed: Array<{ part: SpeechPart; text: string; due: number }> = [];
    for (let segment = 0; segment < 12; segment++) {
      owed.push({ part: say(undefined), text: story.pick(TEXTS), due: segment + lag(late) });
      const pauseMs = story.pick(PAUSES_MS);
      for (const atMs of [pauseMs / 2, pauseMs]) {
        silence(atMs);
        for (const each of [...owed]) {
          if (each.due > segment) break;
          owed.shift();
          hear(each.part, each.text);
        }
      }
    }
    silence(3_000);
    for (const each of owed) hear(each.part, each.text);
    return texts();
  }

  it("is cut alike whenever its words come", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const atOnce = cut(seed, () => 0);
      expect(atOnce.length).toBeGreaterThan(1);
      expect(cut(seed, (random) => random.below(4))).toEqual(atOnce);
      expect(cut(seed, () => 99)).toEqual(atOnce);
    }
  });
});

describe("a pause", () => {
  it("is told once all words are known, and taken back when the person goes on", () => {
    const { pauses, say, hear, silence } = talking();
    const part = say(undefined);
    silence(320);
    expect(pauses).toEqual([]);
    hear(part, "Two tickets,");
    expect(pauses).toEqual([{ text: "Two tickets.", spokenMs: 1_000 }]);
    say("please.");
    expect(pauses.slice(1)).toEqual([undefined, { text: "Two tickets, please.", spokenMs: 2_000 }]);
  });

  it("tells the very words that the turn then ends with", () => {
    const { pauses, texts, say, silence } = talking();
    say("Two tickets,");
    silence(1_000);
    expect(texts()).toEqual([pauses[0]?.text]);
  });

  it.each([
    ["after words that ask for more", {}, "I would like"],
    ["without any words", {}, ""],
    ["where only a commit ends turns", { mode: "manual" as const }, "Two tickets."],
  ])("%s is not told", (_, options, text) => {
    const { pauses, say, silence } = talking(options);
    say(text);
    silence(400);
    expect(pauses).toEqual([]);
  });
});

it("whatever is said and whenever its words come, the longest silence ends every turn, and none shorter than the shortest", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed);
    const minDelayMs = 200 + random.below(800);
    const maxDelayMs = minDelayMs + random.below(2_000);
    const { turns, say, hear, silence } = talking({ minDelayMs, maxDelayMs });
    const texts = ["Yes.", "and", "um", "next week", "five five", "", "So,"];
    const said: string[] = [];
    for (let segment = 0; segment < 10; segment++) {
      const text = random.pick(texts);
      if (text !== "") said.push(text);
      const before = turns.length;
      const part = say(random.chance(0.5) ? text : undefined);
      const pauseMs = random.below(2 * maxDelayMs);
      if (part.text === undefined) {
        silence(random.below(pauseMs + 1));
        hear(part, text);
      }
      silence(pauseMs);
      const ended = turns.length - before;
      expect(ended).toBeLessThanOrEqual(1);
      if (pauseMs >= maxDelayMs) expect(ended).toBe(1);
      if (pauseMs + WINDOW_MS < minDelayMs) expect(ended).toBe(0);
    }
    silence(maxDelayMs);
    expect(
      turns
        .map((turn) => turn.text)
        .join(" ")
        .replace(/[\s.,]+/g, " ")
        .trim(),
    ).toBe(
      said
        .join(" ")
        .replace(/[\s.,]+/g, " ")
        .trim(),
    );
    for (const { endpointingMs } of turns) {
      expect(endpointingMs).toBeGreaterThanOrEqual(minDelayMs);
      expect(endpointingMs).toBeLessThanOrEqual(maxDelayMs + WINDOW_MS);
    }
  }
});
