import { INTERRUPTION_REASONS } from "@antiphon/protocol";
import { describe, expect, it } from "vitest";
import { type Interruption, interruptionWords } from "./interruption-words.ts";

const words = (part: Partial<Interruption>): string => {
  const { title, reason } = interruptionWords({
    replyId: "r1",
    epoch: 1,
    decision: "stop",
    reason: "words",
    speechMs: 0,
    speechProbability: 1,
    echoMatch: 0,
    text: "",
    inputSamples: 0,
    decisionMs: 0,
    ...part,
  });
  return `${title}: ${reason}`;
};

describe("the words about an interruption", () => {
  it("say what was done and why", () => {
    expect(words({ decision: "pause", reason: "speech" })).toBe("Paused: I heard you");
    expect(words({ reason: "words", text: "Wait." })).toBe("Interrupted: you said “Wait”");
    expect(words({ decision: "resume", reason: "backchannel", text: "mm-hm" })).toBe(
      "Went on: “mm-hm” means go on",
    );
    expect(words({ decision: "resume", reason: "no-words" })).toBe("Went on: a noise, not words");
  });

  it("do without what was not understood", () => {
    expect(words({ reason: "sustained-speech", text: " " })).toBe("Interrupted: you kept talking");
    for (const reason of INTERRUPTION_REASONS)
      expect(words({ reason })).not.toMatch(/“”|undefined/);
  });

  it("quote the beginning of what was long, to a word's end", () => {
    expect(words({ text: "wait a moment please, I meant the other lamp" })).toBe(
      "Interrupted: you said “wait a moment please, I…”",
    );
    expect(words({ text: "a".repeat(60) })).toContain(`“${"a".repeat(28)}…”`);
  });
});
