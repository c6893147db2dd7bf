import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AdapterWord } from "./adapter.ts";
import { describeSpeechAdapter } from "./adapter-contract.ts";
import { createFliteAdapter } from "./flite.ts";

const scratchDirectory = mkdtempSync(join(tmpdir(), "antiphon-flite-test-"));
afterAll(() => rmSync(scratchDirectory, { recursive: true }));

describeSpeechAdapter({
  name: "flite",
  create: () => createFliteAdapter({ scratchDirectory }),
  voices: ["slt", "rms"],
  measuredTimings: true,
});

describe("the words of a Flite utterance", () => {
  const adapter = createFliteAdapter({ scratchDirectory });
  beforeAll(() => adapter.load(), 60_000);

  async function wordsOf(text: string): Promise<AdapterWord[]> {
    const request = { text, voice: "slt", language: "en", speed: 1 };
    const words: AdapterWord[] = [];
    for await (const output of adapter.synthesize(request, new AbortController().signal)) {
      if (output.kind === "words") words.push(...output.words);
    }
    return words;
  }

  it("are the text's own tokens, where numbers, abbreviations and marks are spoken otherwise", async () => {
    const words = await wordsOf("“Dr. Smith” paid $12.50 — 50% off 🙂 at Zoë's café.");
    expect(words.map((word) => word.text)).toEqual([
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

  it("are marked estimated only where a token is read otherwise than on its own", async () => {
    const words = await wordsOf("Hello there, Dr. Smith paid $12.50 for it.");
    expect(words.filter((word) => !word.measured).map((word) => word.text)).toEqual(["Dr."]);
    const [, there, doctor, smith] = words;
    // Its neighbours are measured, so its place is known all the same.
    expect(doctor?.startSeconds).toBeGreaterThanOrEqual(there?.endSeconds ?? Number.NaN);
    expect(doctor?.endSeconds).toBeLessThanOrEqual(smith?.startSeconds ?? Number.NaN);
  });

  it("leave the pause at a comma to nobody", async () => {
    const [before, after] = await wordsOf("Yes, no.");
    expect((after?.startSeconds ?? 0) - (before?.endSeconds ?? 0)).toBeGreaterThan(0.05);
  });

  it("need no more than three files, whatever is said", () => {
    expect(readdirSync(scratchDirectory).sort()).toEqual(["speech.wav", "stderr", "stdout"]);
  });
});
