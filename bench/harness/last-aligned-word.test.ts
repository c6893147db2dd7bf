import { describe, expect, it } from "vitest";
import { lastAlignedWord } from "./last-aligned-word.ts";

const text = "the harbor was quiet in the morning".split(" ");

describe("the last word heard of a text", () => {
  it.each([
    ["that was understood whole", "the harbor was quiet", 3],
    ["with a word misheard in the middle", "the arbor was quiet", 3],
    ["with its last word misheard", "the harbor was quite", 3],
    ["with a word missed", "the was quiet in", 4],
    ["with a word too many", "the old harbor was quiet", 3],
    ["that was heard to its end", "the harbor was quiet in the morning", 6],
  ])("%s", (_, heard, expected) => {
    expect(lastAlignedWord(text, heard.split(" "))).toBe(expected);
  });

  it("is not known when nothing of it was understood", () => {
    expect(lastAlignedWord(text, ["zebra", "crossing"])).toBe(undefined);
    expect(lastAlignedWord(text, [])).toBe(undefined);
  });
});
