import { describe, expect, it } from "vitest";
import type { TimedWord } from "./ports.ts";
import { SpokenText } from "./spoken-text.ts";

const SECOND = 48_000;

function words(...texts: string[]): TimedWord[] {
  return texts.map((text, index) => ({
    text,
    startSample: index * SECOND,
    endSample: (index + 1) * SECOND,
    measured: true,
  }));
}

function spoken(): SpokenText {
  const text = new SpokenText();
  for (const [utterance, written] of ["Well, my friend.", "See you!"].entries()) {
    text.add(written);
    text.begin(utterance, utterance * 3 * SECOND);
    text.addAudio(utterance, (utterance === 0 ? 3 : 2) * SECOND);
    text.end(utterance);
  }
  return text;
}

describe("what was heard", () => {
  it("is each word whose middle was played, written as it was written", () => {
    const text = spoken();
    text.addWords(0, words("Well", "my", "friend"));
    text.addWords(1, words("See", "you"));
    expect(text.heard(0)).toBe("");
    expect(text.heard(0.4 * SECOND)).toBe("");
    expect(text.heard(1.6 * SECOND)).toBe("Well, my");
    expect(text.heard(3 * SECOND)).toBe("Well, my friend.");
    expect(text.heard(3.6 * SECOND)).toBe("Well, my friend. See");
    expect(text.heard(5 * SECOND)).toBe("Well, my friend. See you!");
  });

  it("without timings is estimated by letters", () => {
    const text = spoken();
    expect(text.heard(1.4 * SECOND)).toBe("Well, my");
    expect(text.heard(5 * SECOND)).toBe("Well, my friend. See you!");
  });

  it("is the model's own words where it names them otherwise than they are written", () => {
    const text = new SpokenText();
    text.add("It costs $5 today");
    text.begin(0, 0);
    text.addAudio(0, 4 * SECOND);
    text.addWords(0, words("It", "costs", "five", "dollars", "today"));
    expect(text.heard(3 * SECOND)).toBe("It costs five");
  });

  it("holds nothing of an utterance that never sounded", () => {
    const text = new SpokenText();
    text.add("Never.");
    expect(text.heard(SECOND)).toBe("");
    text.begin(0, 0);
    expect(text.heard(0)).toBe("");
  });

  it("holds nothing of an utterance that no voice could pronounce, also once the next one sounds", () => {
    const text = new SpokenText();
    for (const [utterance, written] of ["Look:", "(^_^)", "nice."].entries()) {
      text.add(written);
      text.begin(utterance, utterance === 0 ? 0 : SECOND);
      if (utterance !== 1) text.addAudio(utterance, SECOND);
      text.end(utterance);
    }
    expect(text.heard(2 * SECOND)).toBe("Look: nice.");
    expect(text.wordsBetween(0, 2 * SECOND)).toEqual(["Look:", "nice."]);
  });
});

describe("words as they come", () => {
  it("are all that was heard of an utterance whose other words are still to come", () => {
    const text = new SpokenText();
    text.add("Well, my friend, see you!");
    text.begin(0, 0);
    text.addAudio(0, 3 * SECOND);
    text.addWords(0, words("Well,", "my", "friend,"));
    expect(text.heard(3 * SECOND)).toBe("Well, my friend,");
  });

  it("are placed in the reply", () => {
    const text = spoken();
    expect(text.addWords(1, words("See"))[0]).toMatchObject({ startSample: 3 * SECOND });
    expect(text.utteranceAt(3.5 * SECOND)).toBe(1);
    expect(text.utteranceAt(SECOND)).toBe(0);
  });
});

describe("of a voice without timings", () => {
  function speaking(samples: number, ended: boolean) {
    const spoken = new SpokenText();
    spoken.add("one two three four five six seven eight");
    spoken.begin(0, 0);
    spoken.addAudio(0, samples);
    if (ended) spoken.end(0);
    return spoken;
  }

  it("words are spread over all of an utterance that is complete", () => {
    expect(speaking(48_000, true).heard(24_000)).toBe("one two three four");
  });

  it("no more is taken as heard than can have been said, while the rest is still coming or will never come", () => {
    expect(speaking(48_000, false).heard(48_000)).toBe("one two three");
    expect(speaking(200_000, false).heard(200_000)).toBe("one two three four five six seven eight");
  });
});
