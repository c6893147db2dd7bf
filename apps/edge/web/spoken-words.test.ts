import { describe, expect, it } from "vitest";
import type { ReplyEntry } from "./conversation.ts";
import { spokenWords } from "./spoken-words.ts";

const WORD = 1_000;

/** Its captions are the given words, a thousand samples each. */
function reply(text: string, captions: string[], part: Partial<ReplyEntry> = {}): ReplyEntry {
  return {
    kind: "reply",
    id: "r1",
    turn: 1,
    text,
    words: captions.map((word, index) => ({
      text: word,
      startSample: index * WORD,
      endSample: (index + 1) * WORD,
      measured: true,
      utterance: 0,
    })),
    done: false,
    interrupted: false,
    heardText: undefined,
    answeredInMs: undefined,
    spokenOver: undefined,
    interruption: undefined,
    ...part,
  };
}

const marks = (entry: ReplyEntry, position: number | undefined): string =>
  spokenWords(entry, position)
    .map(({ text, mark }) => `${text}:${mark}`)
    .join(" ");

describe("while a reply is playing", () => {
  it("lights the word at the playback position", () => {
    const entry = reply("Here it stands.", ["Here", "it", "stands."]);
    expect(marks(entry, undefined)).toBe("Here:ahead it:ahead stands.:ahead");
    expect(marks(entry, 1_500)).toBe("Here:heard it:now stands.:ahead");
    expect(marks(entry, 3_000)).toBe("Here:heard it:heard stands.:heard");
  });

  it("keeps a word lit over the gap after it, where a pause may fall", () => {
    const entry = reply("One. Two.", ["One.", "Two."]);
    const [one, two] = entry.words;
    if (one === undefined || two === undefined) throw new Error("two words have two times");
    const words = [one, { ...two, startSample: 3_000, endSample: 4_000 }];
    expect(marks({ ...entry, words }, 2_500)).toBe("One.:now Two.:ahead");
    expect(marks({ ...entry, words }, 3_000)).toBe("One.:heard Two.:now");
    expect(marks({ ...entry, words }, 4_000)).toBe("One.:heard Two.:heard");
  });

  it("lights one word at a time where estimated times overlap", () => {
    const entry = reply("One two", ["One", "two"]);
    const [one, two] = entry.words;
    if (one === undefined || two === undefined) throw new Error("two words have two times");
    const words = [{ ...one, endSample: 1_300 }, two];
    expect(marks({ ...entry, words }, 1_100)).toBe("One:heard two:now");
  });

  it("shows words that are written and not yet timed as ahead", () => {
    expect(marks(reply("Here it stands.", ["Here"]), 5_000)).toBe(
      "Here:heard it:ahead stands.:ahead",
    );
  });

  it("lets a token that is not spoken sound with the next word", () => {
    const entry = reply("Yes — 🙂 of course", ["yes", "of", "course"]);
    expect(marks(entry, 1_500)).toBe("Yes:heard —:now 🙂:now of:now course:ahead");
  });

  it("finds its way back after a token that was said in several words", () => {
    const entry = reply("It costs $5 now", ["it", "costs", "five", "dollars", "now"]);
    expect(marks(entry, 4_500)).toBe("It:heard costs:heard $5:heard now:now");
  });
});

describe("when a reply is over", () => {
  it("was heard whole, whatever its captions say", () => {
    expect(
      marks(reply("One 2 three", ["one"], { done: true, heardText: "One two three" }), 0),
    ).toBe("One:heard 2:heard three:heard");
  });

  it("strikes what was not heard of an interrupted one", () => {
    const entry = reply("Here it stands on wood", [], {
      done: true,
      interrupted: true,
      heardText: "Here it",
    });
    expect(marks(entry, undefined)).toBe("Here:heard it:heard stands:cut on:cut wood:cut");
  });

  it("strikes everything when nothing was heard, and not more than a line or two", () => {
    const text = Array.from({ length: 40 }, (_, index) => `w${index}`).join(" ");
    const words = spokenWords(reply(text, [], { done: true, interrupted: true, heardText: "" }), 0);
    expect(words).toHaveLength(15);
    expect(words.every(({ mark }) => mark === "cut")).toBe(true);
    expect(words.at(-1)?.text).toBe("…");
  });
});
