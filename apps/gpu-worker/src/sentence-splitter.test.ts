import { SeededRandom } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import { SentenceSplitter } from "./sentence-splitter.ts";

function split(chunks: readonly string[], language = "en"): string[] {
  const splitter = new SentenceSplitter(language);
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.flush()];
}

describe("the pieces of an utterance", () => {
  it("are its sentences", () => {
    expect(split(["One. Two? Three!"])).toEqual(["One. ", "Two? ", "Three!"]);
  });

  it("come as soon as the next sentence has begun", () => {
    const splitter = new SentenceSplitter("en");
    expect(splitter.push("One. T")).toEqual(["One. "]);
    expect(splitter.push("wo. ")).toEqual([]);
    expect(splitter.push("Three.")).toEqual(["Two. "]);
    expect(splitter.flush()).toEqual(["Three."]);
  });

  it("do not end in a title or an initial", () => {
    expect(split(["I met Dr. Smith and J. Doe. They left."])).toEqual([
      "I met Dr. Smith and J. Doe. ",
      "They left.",
    ]);
  });

  it("are cut at a clause when too long, else at a space, else anywhere but within a character", () => {
    const clause = `${"word ".repeat(40)}end, `;
    const [first] = split([clause + "more ".repeat(30)]);
    expect(first).toBe(clause);
    const [spaced] = split(["word ".repeat(100)]);
    expect(spaced).toMatch(/^(word ){40,48}$/);
    for (const piece of split([`a${"🙂".repeat(400)}`])) {
      expect(piece).toMatch(/^a?(🙂)+$/u);
    }
  });

  it("take no language by its name alone", () => {
    expect(split(["One. Two."], "no such tag!")).toEqual(["One. ", "Two."]);
    expect(split(["こんにちは。元気？"], "ja")).toEqual(["こんにちは。", "元気？"]);
  });

  it("are the text when joined, and never longer than 240 characters, however it arrives", () => {
    const random = new SeededRandom(11);
    const bits = [
      "Hello ",
      "there. ",
      "Dr. ",
      "Who, ",
      "x".repeat(90),
      "🙂",
      "\n\n",
      "3.14 ",
      "? ",
      "—",
    ];
    for (let round = 0; round < 100; round++) {
      const chunks = Array.from({ length: 1 + random.below(60) }, () => random.pick(bits));
      const pieces = split(chunks);
      expect(pieces.join("")).toBe(chunks.join(""));
      expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThanOrEqual(240);
    }
  });
});
