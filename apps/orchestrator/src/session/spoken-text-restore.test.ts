import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SpokenText } from "./spoken-text.ts";

const SECOND = 48_000;

interface Said {
  words: string[];
  lengths: number[];
  timed: boolean;
}

/** Utterances in sequence; of the last `unbegun` no audio has come, and the one before them may still be under way. */
function spokenOf(said: readonly Said[], unbegun: number, underWay: boolean): SpokenText {
  const text = new SpokenText();
  let at = 0;
  for (const [number, { words, lengths, timed }] of said.entries()) {
    text.add(words.join(" "));
    if (number >= said.length - unbegun) continue;
    text.begin(number, at);
    let end = 0;
    const times = words.map((word, index) => {
      const startSample = end;
      end += lengths[index % lengths.length] ?? 1;
      const spelled = word.replace(/[,.]$/u, "");
      return { text: spelled, startSample, endSample: end, measured: true };
    });
    text.addAudio(number, end);
    if (timed) text.addWords(number, times);
    if (!underWay || number < said.length - unbegun - 1) text.end(number);
    at += end;
  }
  return text;
}

const said = fc.record({
  words: fc.array(fc.constantFrom("the", "a", "well,", "tea.", "don't", "the,", "more"), {
    minLength: 1,
    maxLength: 8,
  }),
  lengths: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
  timed: fc.boolean(),
});

describe("a reply that is taken over", () => {
  it("has each of its words before the place or after it, wherever that is", () => {
    fc.assert(
      fc.property(
        fc.array(said, { minLength: 1, maxLength: 4 }),
        fc.nat({ max: 2 }),
        fc.boolean(),
        fc.nat({ max: 400 }),
        (utterances, unbegun, underWay, recorded) => {
          const text = spokenOf(utterances, unbegun, underWay);
          for (let from = recorded; from <= recorded + 400; from++) {
            const { spoken, rest } = SpokenText.restore(text.snapshot(recorded), from);
            expect(plain(spoken.heard(from))).toEqual(plain(text.heard(from)));
            const all = [spoken.written, ...rest].filter((part) => part !== "").join(" ");
            expect(all).toBe(text.written);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("goes on with the word whose middle was not played, its comma left behind", () => {
    const text = spokenOf(
      [{ words: ["Well,", "my", "friend."], lengths: [SECOND], timed: true }],
      0,
      false,
    );
    const { spoken, rest } = SpokenText.restore(text.snapshot(0), 1.4 * SECOND);
    expect(spoken.written).toBe("Well,");
    expect(rest).toEqual(["my friend."]);
  });

  it("takes what is said after it as more of the same", () => {
    const text = spokenOf(
      [{ words: ["Well,", "my", "friend."], lengths: [SECOND], timed: true }],
      0,
      false,
    );
    const from = 1.6 * SECOND;
    const { spoken, rest } = SpokenText.restore(text.snapshot(0), from);
    const more = spoken.add(rest[0] ?? "");
    spoken.begin(more, from);
    spoken.addAudio(more, SECOND);
    spoken.end(more);
    expect(spoken.heard(from)).toBe("Well, my");
    expect(spoken.heard(from + SECOND)).toBe("Well, my friend.");
  });

  it("of words that the voice names otherwise divides the written ones in proportion", () => {
    const text = new SpokenText();
    text.add("It costs 42 pounds.");
    text.begin(0, 0);
    text.addAudio(0, 5 * SECOND);
    text.addWords(
      0,
      ["it", "costs", "forty", "two", "pounds"].map((word, index) => ({
        text: word,
        startSample: index * SECOND,
        endSample: (index + 1) * SECOND,
        measured: true,
      })),
    );
    text.end(0);
    const { spoken, rest } = SpokenText.restore(text.snapshot(0), 2 * SECOND);
    expect([spoken.written, ...rest]).toEqual(["It costs", "42 pounds."]);
  });
});

function plain(text: string): string[] {
  return text.split(/\s+/u).map((word) => word.replace(/[,.]$/u, ""));
}
