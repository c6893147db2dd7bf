import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SentenceChunker } from "./sentence-chunker.ts";

const chunk = (...pieces: string[]) => {
  const chunker = new SentenceChunker();
  return [...pieces.flatMap((piece) => chunker.push(piece)), ...chunker.end()];
};

describe("the first utterance", () => {
  it("ends at the first comma once it has three words", () => {
    expect(chunk("Well, that depends on you, I would say. It does.")).toEqual([
      "Well, that depends on you,",
      "I would say.",
      "It does.",
    ]);
  });

  it("is given as soon as the space after it has arrived, not later", () => {
    const chunker = new SentenceChunker();
    expect(chunker.push("Sure")).toEqual([]);
    expect(chunker.push("!")).toEqual([]);
    expect(chunker.push(" ")).toEqual(["Sure!"]);
  });

  it("ends before a joining word when six words brought no comma", () => {
    expect(
      chunk("The train to the coast leaves at noon and the next one at three, as always."),
    ).toEqual(["The train to the coast leaves at noon", "and the next one at three, as always."]);
  });

  it("keeps a short opening with what follows", () => {
    expect(chunk('You said: "hello there"')).toEqual(['You said: "hello there"']);
  });
});

describe("later utterances", () => {
  const after = (text: string) => chunk("Right.\n\n", text).slice(1);

  it("are whole sentences, commas and all", () => {
    expect(after("First this, then that; then more. Next!")).toEqual([
      "First this, then that; then more.",
      "Next!",
    ]);
  });

  it.each([
    ["Dr. Smith met Mrs. Jones. They spoke.", ["Dr. Smith met Mrs. Jones.", "They spoke."]],
    ["Fruit, e.g. apples, i.e. food. Good.", ["Fruit, e.g. apples, i.e. food.", "Good."]],
    ["He lives in the U.S. The rest do not.", ["He lives in the U.S.", "The rest do not."]],
    ["The U.S. economy grew. It did.", ["The U.S. economy grew.", "It did."]],
    ["Come at 5 p.m. today. Bye.", ["Come at 5 p.m. today.", "Bye."]],
    ["Books by J. K. Rowling sell. Yes.", ["Books by J. K. Rowling sell.", "Yes."]],
    ["Pi is 3.14159. Or so.", ["Pi is 3.14159.", "Or so."]],
    ["It costs $12.50 in total. Fine.", ["It costs $12.50 in total.", "Fine."]],
    ["Hmm... let me think... Done now.", ["Hmm... let me think...", "Done now."]],
    ["Wait… what? No!", ["Wait… what?", "No!"]],
    ['He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]],
    ["(It was late.) We went.", ["(It was late.)", "We went."]],
    [
      "See https://example.com/a.b?c=d. Then ask.",
      ["See https://example.com/a.b?c=d.", "Then ask."],
    ],
    ["Really?! Yes.", ["Really?!", "Yes."]],
    ["No. I do not.", ["No.", "I do not."]],
    ["今日は。元気ですか？はい", ["今日は。", "元気ですか？", "はい"]],
  ])("%s", (text, expected) => {
    expect(after(text)).toEqual(expected);
  });

  it("end with each item of a list, and with a paragraph", () => {
    expect(after("Three things:\n- apples\n- two pears\n\nThat is all\nfor today.")).toEqual([
      "Three things:",
      "apples",
      "two pears",
      "That is all for today.",
    ]);
    expect(after("Steps\n1. Wake up\n2. Get up\n")).toEqual(["Steps", "1. Wake up", "2. Get up"]);
  });

  it("leave out what only an eye understands", () => {
    expect(after("## Title\nThis is **very bold** and *soft*, see `npm start`.")).toEqual([
      "Title",
      "This is very bold and soft, see npm start.",
    ]);
    expect(after("Read [the long manual](https://example.com/x), or [this](y).")).toEqual([
      "Read the long manual, or this.",
    ]);
    expect(after("```js\nlet a\n```\n---\nKeep snake_case and 2*3.")).toEqual([
      "let a",
      "Keep snake_case and 2*3.",
    ]);
  });

  it("stay under the limit, cut at a clause where there is one", () => {
    const long = `${"word ".repeat(30)}end, ${"more ".repeat(40)}stop.`;
    const texts = after(long);
    expect(texts[0]?.endsWith("end,")).toBe(true);
    expect(texts.every((text) => text.length <= 250)).toBe(true);
    expect(after("x".repeat(1_000)).join("")).toBe("x".repeat(1_000));
  });
});

describe("whatever the text", () => {
  const pieces = fc.array(
    fc.oneof(
      fc.constantFrom(
        ..."Dr.|e.g.|U.S.|3.14|...|…|,|;|:|—|!|?|.|\n|\n\n| |  |- |1. |# |**|*|_|`|```|[a](b)|[|](x)|(|)|\"|'|”|and|The|I|今日|。|🙂|etc.".split(
          "|",
        ),
      ),
      fc.string({ maxLength: 12 }),
      fc.lorem({ maxCount: 5 }),
    ),
    { maxLength: 60 },
  );

  it("is cut in the same places however it arrives", () => {
    fc.assert(
      fc.property(pieces, fc.array(fc.nat({ max: 400 }), { maxLength: 20 }), (parts, cuts) => {
        const text = parts.join("");
        const at = [0, ...cuts.map((cut) => Math.min(cut, text.length)), text.length].sort(
          (a, b) => a - b,
        );
        // Code points arrive whole: a language model's tokens are decoded text.
        const arriving = at.slice(1).map((end, index) => text.slice(at[index], end));
        fc.pre(arriving.every((piece) => piece.isWellFormed()) || !text.isWellFormed());
        if (text.isWellFormed()) expect(chunk(...arriving)).toEqual(chunk(text));
      }),
    );
  });

  it("comes out in pieces that are never blank and never too long", () => {
    fc.assert(
      fc.property(pieces, (parts) => {
        for (const text of chunk(parts.join(""))) {
          expect(text.trim()).toBe(text);
          expect(text.length).toBeGreaterThan(0);
          expect(text.length).toBeLessThanOrEqual(250);
        }
      }),
    );
  });

  it("loses and repeats nothing that is to be spoken", () => {
    const word = fc.oneof(
      fc.stringMatching(/^[A-Za-z]{1,12}[.,;:!?…]{0,2}$/),
      fc.constantFrom(
        "Dr.",
        "U.S.",
        "3.14",
        "...",
        '"Hi."',
        "(so)",
        "etc.",
        "J.",
        "今日。はい",
        "🙂",
      ),
      fc.stringMatching(/^[a-z]{200,600}$/),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 80 }), (words) => {
        const text = words.join(" ");
        expect(chunk(text).join("").replace(/\s/g, "")).toBe(text.replace(/\s/g, ""));
      }),
    );
  });

  it("takes time in proportion to its length", () => {
    const steps = (length: number) => {
      const chunker = new SentenceChunker();
      let out = 0;
      for (let index = 0; index < length; index++) out += chunker.push("x").length;
      return out + chunker.end().length;
    };
    expect(steps(25_000)).toBe(Math.ceil(25_000 / 249));
  });
});
