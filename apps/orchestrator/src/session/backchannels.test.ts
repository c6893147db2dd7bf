import { describe, expect, it } from "vitest";
import { Backchannels } from "./backchannels.ts";

describe("backchannels", () => {
  it.each(["Mm-hm.", "Yeah, yeah, yeah", "Okay.", "Right?", "Uh-huh", "Oh, I see.", "mmm", ""])(
    'nothing is left of "%s"',
    (text) => {
      expect(new Backchannels("en-GB").meaningful(text)).toEqual([]);
    },
  );

  it.each([
    ["Okay, but wait.", ["but", "wait"]],
    ["Thank you.", ["thank", "you"]],
    ["No.", ["no"]],
    ["I see the train", ["the", "train"]],
    ["Don’t.", ["don't"]],
  ])('of "%s" the words that mean something are left', (text, left) => {
    expect(new Backchannels("en").meaningful(text)).toEqual(left);
  });

  it("each language has its own, and sounds are everybody's", () => {
    expect(new Backchannels("de").meaningful("Mhm, ja, genau.")).toEqual([]);
    expect(new Backchannels("fr-FR").meaningful("Ouais, d’accord.")).toEqual([]);
    expect(new Backchannels("xx").meaningful("Hm. Ja.")).toEqual(["ja"]);
  });

  it("a session may name its own", () => {
    expect(new Backchannels("en", ["sure thing"]).meaningful("Sure thing, yeah")).toEqual(["yeah"]);
  });
});
