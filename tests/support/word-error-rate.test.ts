import { describe, expect, it } from "vitest";
import { foldWords, wordErrorRate } from "./word-error-rate.ts";

describe("folding", () => {
  it.each([
    ["And so, my fellow-Americans!", "and so my fellow americans"],
    ["It’s the dog's", "its the dogs"],
    ["1-0-0-0-1", "1 0 0 0 1"],
    ["one zero oh nine", "1 0 0 9"],
    ["twenty-three and 23", "2 3 and 2 3"],
    ["nineteen ninety four", "1 9 9 4"],
    ["two hundred and five", "2 0 5"],
    ["three thousand two hundred", "3 2 0 0"],
    ["3,200 of 12.50", "3 2 0 0 of 1 2 5 0"],
    ["hundreds of things, one by one", "hundreds of things 1 by 1"],
    ["Was der Mensch sät", "was der mensch sät"],
    ["— …", ""],
  ])("%s", (text, folded) => {
    expect(foldWords(text).join(" ")).toBe(folded);
  });
});

describe("word errors", () => {
  it.each([
    ["the cat sat", "The cat sat.", 0, 0],
    ["the cat sat", "the hat sat", 1, 0],
    ["the cat sat", "the sat", 1, 1],
    ["the cat sat", "the fat cat sat down", 2, 2],
    ["the cat sat", "the hat sat sat", 2, 1],
    ["the cat sat", "", 3, 3],
  ])("%s | %s", (reference, hypothesis, errors, lostOrAdded) => {
    expect(wordErrorRate(reference, hypothesis)).toEqual({ errors, words: 3, lostOrAdded });
  });

  it("counts words that nobody said", () => {
    expect(wordErrorRate("", "hello there")).toEqual({ errors: 2, words: 0, lostOrAdded: 2 });
  });
});
