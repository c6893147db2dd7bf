import { describe, expect, it } from "vitest";
import { placeTokens } from "./flite-words.ts";

/** 100 ms a phone. */
function phones(names: string) {
  return names.split(" ").map((name, index) => ({
    name,
    startSeconds: index / 10,
    endSeconds: (index + 1) / 10,
  }));
}

const token = (text: string, names = "") => ({
  text,
  phones: names === "" ? [] : names.split(" "),
});

describe("tokens on an utterance's phones", () => {
  it("take their own phones, without the silence around them", () => {
    const words = placeTokens(
      [token("Yes,", "y eh s"), token("no.", "n ow")],
      phones("pau y eh s pau n ow pau"),
    );
    expect(words).toEqual([
      { text: "Yes,", startSeconds: 0.1, endSeconds: 0.4, measured: true },
      { text: "no.", startSeconds: 0.5, endSeconds: 0.7, measured: true },
    ]);
  });

  it("stay measured when a vowel is reduced in context", () => {
    const words = placeTokens(
      [token("the", "dh iy"), token("fox", "f aa k s")],
      phones("dh ax f aa k s"),
    );
    expect(words.map((word) => [word.endSeconds, word.measured])).toEqual([
      [0.2, true],
      [0.6, true],
    ]);
  });

  it("are estimated between measured neighbours when they are read otherwise", () => {
    const words = placeTokens(
      [token("there", "dh eh r"), token("Dr.", "d r ay v"), token("Smith", "s m ih th")],
      phones("dh eh r d aa k t er s m ih th"),
    );
    expect(words.map((word) => word.measured)).toEqual([true, false, true]);
    expect(words[1]).toMatchObject({ startSeconds: 0.3, endSeconds: 0.8 });
  });

  it("share what is left by their letters when nothing is known of them", () => {
    const words = placeTokens([token("ab"), token("cdef")], phones("p q r s t u"));
    expect(words).toEqual([
      { text: "ab", startSeconds: 0, endSeconds: 0.2, measured: false },
      { text: "cdef", startSeconds: 0.2, endSeconds: 0.6, measured: false },
    ]);
  });

  it("that were swallowed lie where the word before them ends", () => {
    const words = placeTokens(
      [token("a", "ey"), token("b", "b"), token("c", "s iy")],
      phones("ey s iy"),
    );
    expect(words[1]).toEqual({ text: "b", startSeconds: 0.1, endSeconds: 0.1, measured: false });
  });

  it("never run backwards, whatever was spoken", () => {
    const words = placeTokens(
      [token("one", "w ah n"), token("two", "t uw"), token("three", "th r iy")],
      phones("th r iy pau t uw pau w ah n"),
    );
    let endSeconds = 0;
    for (const word of words) {
      expect(word.startSeconds).toBeGreaterThanOrEqual(endSeconds);
      expect(word.endSeconds).toBeGreaterThanOrEqual(word.startSeconds);
      endSeconds = word.endSeconds;
    }
  });
});
