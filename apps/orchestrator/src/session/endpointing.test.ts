import { SeededRandom } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import {
  type Ending,
  type EndpointingOptions,
  endingOf,
  endpointingBounds,
  endpointingDelayMs,
} from "./endpointing.ts";

const OPTIONS: EndpointingOptions = {
  mode: "auto",
  minDelayMs: 500,
  maxDelayMs: 2_000,
  language: "en",
};

describe("what was said last", () => {
  it.each<[string, Ending]>([
    ["What time is it?", "complete"],
    ["Where are you from?", "complete"],
    ["Where are you from.", "complete"],
    ["Two tickets, please.", "complete"],
    ["Stop!", "complete"],
    ["Hello", "complete"],
    ["thank you", "complete"],
    ["Mm-hmm.", "complete"],
    ["He said “no.”", "complete"],
    ["If it rains, we stay at home.", "complete"],
    ["It was in 1999.", "complete"],
    ["next Tuesday", "undecided"],
    ["Two tickets,", "undecided"],
    ["Hello,", "undecided"],
    ["I think so.", "undecided"],
    ["Yes, it is.", "undecided"],
    ["Turn it on.", "undecided"],
    ["If you want to see me.", "undecided"],
    ["one zero zero", "dictating"],
    ["My number is five five five.", "dictating"],
    ["What zero zero zero one?", "dictating"],
    ["555-1234", "dictating"],
    ["123456.", "dictating"],
    ["It is spelled S M I", "dictating"],
    ["I would like", "unfinished"],
    ["I would like.", "unfinished"],
    ["Yes, I'd like.", "unfinished"],
    ["I would like to.", "unfinished"],
    ["Two tickets and", "unfinished"],
    ["Two tickets. And.", "unfinished"],
    ["I need two tickets, um,", "unfinished"],
    ["I don’t know, I’m", "unfinished"],
    ["So.", "unfinished"],
    ["Well,", "unfinished"],
    ["Can you tell me the?", "unfinished"],
    ["If you please,", "unfinished"],
    ["My number is:", "unfinished"],
    ["I thought that...", "unfinished"],
    ["Please call Dr.", "unfinished"],
  ])("%s (%s)", (text, ending) => {
    expect(endingOf(text, "en-GB")).toBe(ending);
  });

  it("counts for more than what stood before it", () => {
    expect(endingOf("I would like and um two tickets.", "en")).toBe("complete");
    expect(endingOf("That is all. Or", "en")).toBe("unfinished");
  });

  it.each<[string, Ending]>([
    ["Wie spät ist es?", "complete"],
    ["Ich hätte gern zwei und.", "complete"],
    ["Ich hätte gern,", "undecided"],
    ["Ich hätte gern", "undecided"],
    ["Ich weiß nicht …", "unfinished"],
    ["今何時ですか。", "complete"],
    ["", "complete"],
  ])("in a language whose words are not judged, by punctuation alone: %s (%s)", (text, ending) => {
    expect([endingOf(text, "de"), endingOf(text, undefined)]).toEqual([ending, ending]);
  });
});

describe("the silence that ends a turn", () => {
  it.each([
    ["What time is it?", 500],
    ["next Tuesday", 875],
    ["one zero zero", 1_400],
    ["I would like", 2_000],
  ])("after “%s” is %i ms by default", (text, delayMs) => {
    expect(endpointingDelayMs(text, OPTIONS)).toBe(delayMs);
  });

  it("is between the bounds whatever was said", () => {
    const random = new SeededRandom(7);
    const words = [
      "and",
      "um",
      "two",
      "I",
      "tickets",
      "5",
      ",",
      ".",
      "?",
      "…",
      "-",
      "’",
      "é",
      "。",
      " ",
    ];
    for (let round = 0; round < 5_000; round++) {
      const minDelayMs = 100 + random.below(2_000);
      const maxDelayMs = minDelayMs + random.below(3_000);
      const language = random.pick(["en", "EN-us", "de", ""]);
      const text = Array.from({ length: random.below(8) }, () => random.pick(words)).join(
        random.pick([" ", ""]),
      );
      const delayMs = endpointingDelayMs(text, { mode: "auto", minDelayMs, maxDelayMs, language });
      expect(delayMs).toBeGreaterThanOrEqual(minDelayMs);
      expect(delayMs).toBeLessThanOrEqual(maxDelayMs);
    }
  });
});

describe("bounds", () => {
  const defaults = { minDelayMs: 500, maxDelayMs: 2_000 };
  it.each([
    ["nothing asked", {}, 500, 2_000],
    ["both asked", { endpointingMinDelayMs: 300, endpointingMaxDelayMs: 900 }, 300, 900],
    [
      "a shortest silence above the operator's longest",
      { endpointingMinDelayMs: 3_000 },
      3_000,
      3_000,
    ],
    ["a longest silence below the operator's shortest", { endpointingMaxDelayMs: 200 }, 200, 200],
    ["crossed", { endpointingMinDelayMs: 900, endpointingMaxDelayMs: 300 }, 900, 900],
  ])("%s", (_, options, minDelayMs, maxDelayMs) => {
    expect(endpointingBounds(defaults, options)).toEqual({ minDelayMs, maxDelayMs });
  });
});
