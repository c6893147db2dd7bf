import { describe, expect, it } from "vitest";
import { kokoroWordsOf } from "./kokoro-words.ts";

const shown = (text: string) => kokoroWordsOf(text).map((word) => word.text);
const spoken = (text: string) => kokoroWordsOf(text).map((word) => word.spoken);

describe("the words of a text", () => {
  it("are its tokens with their punctuation; marks that stand alone belong to the word before", () => {
    const text = "“Dr. Smith” paid $12.50 — 50% off 🙂 at Zoë's café.";
    expect(shown(text)).toEqual([
      "“Dr.",
      "Smith”",
      "paid",
      "$12.50 —",
      "50%",
      "off 🙂",
      "at",
      "Zoë's",
      "café.",
    ]);
  });

  it.each(["", " \n", "… — !?", "🙂 👍🏽", "( ) [ ]", "你好。"])("are none in %j", (text) => {
    expect(kokoroWordsOf(text)).toEqual([]);
  });

  it("are shown together with what no voice here can say", () => {
    expect(kokoroWordsOf("你好 world 🙂")).toEqual([
      { text: "你好 world 🙂", spoken: "world", before: "", after: "" },
    ]);
  });

  it("keep their pauses, and nothing else, as marks", () => {
    const marks = kokoroWordsOf('Well, (quite) "sure"!! -- no... Why?! 1,000 3.14').map(
      ({ before, after }) => [before, after].join("|"),
    );
    expect(marks).toEqual(["|,", "|", "|!—", "|…", "|?!", "|", "|"]);
  });

  it("keep the full stop of an abbreviation for whoever pronounces it", () => {
    const words = kokoroWordsOf("Dr. Lee, e.g. at 5 p.m., said etc.");
    expect(words.map((word) => word.spoken + word.after)).toEqual([
      "Dr.",
      "Lee,",
      "e.g.",
      "at",
      "5",
      "p.m.,",
      "said",
      "etc.",
    ]);
  });

  it.each([
    ["$5", "5 dollars"],
    ["$1", "1 dollar"],
    ["£12.50", "12 pounds 50"],
    ["€1,000.00", "1,000 euros"],
    ["1994", "19 94"],
    ["1905", "19 oh 5"],
    ["1900", "19 hundred"],
    ["1990s", "19 nineties"],
    ["2005", "2005"],
    ["2026", "20 26"],
    ["3:05", "3 oh 5"],
    ["12:30", "12 30"],
    ["9:00", "9 o'clock"],
    ["10-12", "10 to 12"],
    ["0123456789", "0 1 2 3 4 5 6 7 8 9"],
    ["=", "="],
    ["vs.", "versus"],
    ["sure—but", "sure but"],
    ["don’t", "don't"],
  ])("are said as people say them: %s as %s", (text, expected) => {
    expect(spoken(text)).toEqual([expected]);
    expect(shown(text)).toEqual([text]);
  });
});
