import { describe, expect, it } from "vitest";
import { describeSpeechAdapter } from "./adapter-contract.ts";
import { createToneAdapter } from "./tone.ts";

describeSpeechAdapter({
  name: "tone",
  create: createToneAdapter,
  voices: ["tone", "tone-880"],
  measuredTimings: true,
});

describe("a tone voice", () => {
  it.each(["tone-99", "tone-4001", "tone-440.5", "tone-", "tone-0440 "])(
    "refuses the frequency of %s",
    async (voice) => {
      const request = { text: "a", voice, language: "", speed: 1 };
      const outputs = createToneAdapter().synthesize(request, new AbortController().signal);
      await expect(outputs[Symbol.asyncIterator]().next()).rejects.toMatchObject({
        code: "not_found",
      });
    },
  );

  it("sounds at its frequency", async () => {
    const request = { text: "word", voice: "tone-1000", language: "", speed: 1 };
    for await (const output of createToneAdapter().synthesize(
      request,
      new AbortController().signal,
    )) {
      if (output.kind !== "samples") continue;
      let crossings = 0;
      for (let index = 1; index < 4_800; index++) {
        if (output.samples[index - 1] < 0 && output.samples[index] >= 0) crossings++;
      }
      // 200 ms of 1,000 Hz, the ramp's first cycle perhaps not counted.
      expect(Math.abs(crossings - 200)).toBeLessThanOrEqual(1);
    }
  });
});
