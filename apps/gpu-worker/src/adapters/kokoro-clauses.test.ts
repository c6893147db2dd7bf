import { describe, expect, it } from "vitest";
import { cutClauses } from "./kokoro-clauses.ts";
import { kokoroWordsOf } from "./kokoro-words.ts";

const clauses = (text: string) =>
  cutClauses(kokoroWordsOf(text)).map((words) => words.map((word) => word.text).join(" "));

describe("a sentence", () => {
  it.each([
    "Yes, of course.",
    "Hello, how are you today?",
    "Sure, I can help you with that today.",
    "Mount Everest is the highest mountain in the world.",
  ])("that is short stays whole: %s", (text) => {
    expect(clauses(text)).toEqual([text]);
  });

  it("begins with a short clause, cut at a mark", () => {
    expect(
      clauses(
        "If you want to learn the guitar, start with a few simple chords and practise every day.",
      ),
    ).toEqual([
      "If you want to learn the guitar,",
      "start with a few simple chords and practise every day.",
    ]);
  });

  it("is cut before a joining word where it has no mark", () => {
    expect(
      clauses("The museum opens at ten in the morning and closes at six in the evening."),
    ).toEqual(["The museum opens at ten in the morning", "and closes at six in the evening."]);
  });

  it("leaves no preposition hanging, and takes no pair of names apart", () => {
    expect(
      clauses("Photosynthesis is the process by which plants turn sunlight into energy."),
    ).toEqual(["Photosynthesis is the process", "by which plants turn sunlight into energy."]);
    expect(clauses("Spanish and Portuguese are closely related languages.").length).toBe(1);
  });

  it("gives clauses that grow, each computed while the one before it is spoken", () => {
    const lengths = clauses(
      "In 1969, Neil Armstrong and Buzz Aldrin walked on the Moon while Michael Collins stayed in orbit above them, and about six hundred million people watched it live on television around the whole world that night.",
    ).map((clause) => clause.length);
    expect(lengths.length).toBeGreaterThan(3);
    expect(lengths[0]).toBeLessThan(15);
    for (const length of lengths) expect(length).toBeLessThan(90);
  });

  it.each([
    ["a sentence without a breath", "word ".repeat(60)],
    ["numbers", "1994 ".repeat(40)],
    ["one endless word", "a".repeat(240)],
    ["commas only", "no, ".repeat(60)],
  ])("comes out whole, in order: %s", (_, text) => {
    const words = kokoroWordsOf(text);
    expect(cutClauses(words).flat()).toEqual(words);
    expect(cutClauses(words).every((clause) => clause.length > 0)).toBe(true);
  });

  it("of nothing has no clauses", () => {
    expect(cutClauses([])).toEqual([]);
  });
});
