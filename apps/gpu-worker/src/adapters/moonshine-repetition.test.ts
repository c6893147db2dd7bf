import { describe, expect, it } from "vitest";
import { cutRepetition } from "./moonshine-repetition.ts";

describe("a decoder that talks in circles", () => {
  it("is cut to one round of its phrase", () => {
    const phrase = [5, 6, 7, 8];
    expect(cutRepetition([1, 2, ...phrase, ...phrase, ...phrase, ...phrase])).toEqual([
      1, 2, 5, 6, 7, 8,
    ]);
  });

  it("is cut to one token when it is stuck on one", () => {
    expect(cutRepetition([3, ...Array<number>(16).fill(9)])).toEqual([3, 9]);
  });

  it("is noticed at the token that completes the circle, not before", () => {
    const tokens = Array.from({ length: 19 }, (_, index) => 10 + (index % 5));
    expect(cutRepetition(tokens)).toBeUndefined();
    expect(cutRepetition([...tokens, 14])).toEqual([10, 11, 12, 13, 14]);
  });
});

describe("speech that repeats itself", () => {
  it("is left alone: four times no, a phrase three times, six digits alike", () => {
    const no = [20, 21];
    const phrase = [5, 6, 7, 8];
    expect(cutRepetition([...no, ...no, ...no, ...no])).toBeUndefined();
    expect(cutRepetition([...phrase, ...phrase, ...phrase])).toBeUndefined();
    expect(cutRepetition([4, 4, 4, 4, 4, 4])).toBeUndefined();
    expect(cutRepetition([])).toBeUndefined();
  });
});
