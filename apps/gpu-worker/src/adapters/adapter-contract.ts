/** What every speech adapter must do, as one suite of tests. Each adapter's test file runs it; nothing else imports it. */
import { peakDbfs } from "@antiphon/audio";
import { AntiphonError } from "@antiphon/protocol";
import { beforeAll, describe, expect, it } from "vitest";
import type { AdapterWord, SpeechAdapter, SpeechRequest } from "./adapter.ts";

export interface AdapterContractOptions {
  name: string;
  create: () => SpeechAdapter;
  /** Two voices that sound different. */
  voices: readonly [string, string];
  /** The model's timings are its own. */
  measuredTimings: boolean;
  /** For a test, where the usual time is too short for a model on a busy machine. */
  timeoutMs?: number;
}

export function describeSpeechAdapter(options: AdapterContractOptions): void {
  const [voice, otherVoice] = options.voices;
  const request = (changes: Partial<SpeechRequest>): SpeechRequest => ({
    text: SENTENCE,
    voice,
    language: "en",
    speed: 1,
    ...changes,
  });

  // The runner's own limit where none is given.
  const limit = options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs };
  describe(`the speech adapter ${options.name}`, limit, () => {
    let adapter: SpeechAdapter;
    beforeAll(async () => {
      adapter = options.create();
      await adapter.load();
    }, 60_000);

    it("declares a default voice among its voices, languages, a licence and at least one slot", () => {
      const { capabilities } = adapter;
      expect(capabilities.voices).toContain(capabilities.defaultVoice);
      expect(capabilities.languages.length).toBeGreaterThan(0);
      expect(capabilities.licence).not.toBe("");
      expect(capabilities.slots).toBeGreaterThanOrEqual(1);
    });

    it.each([
      ["empty", ""],
      ["blank", " \n\t "],
      ["emoji", "🙂 👍🏽"],
      ["punctuation", "… — !?"],
    ])("yields nothing for %s text", async (_, text) => {
      expect(await spoken(adapter, request({ text }))).toEqual({
        samples: [],
        rateHz: 0,
        words: [],
      });
    });

    it("speaks a sentence at one rate, and it can be heard", async () => {
      const { samples, rateHz } = await spoken(adapter, request({}));
      const seconds = samples.length / rateHz;
      expect(seconds).toBeGreaterThan(1);
      expect(seconds).toBeLessThan(10);
      expect(peakDbfs(Int16Array.from(samples))).toBeGreaterThan(-30);
    });

    it("places every word of the text, with its punctuation, one after another inside the audio", async () => {
      const { samples, rateHz, words } = await spoken(adapter, request({}));
      expect(words.map((word) => word.text)).toEqual(SENTENCE.split(" "));
      let endSeconds = 0;
      for (const word of words) {
        expect(word.startSeconds).toBeGreaterThanOrEqual(endSeconds - 1e-6);
        expect(word.endSeconds).toBeGreaterThan(word.startSeconds);
        endSeconds = word.endSeconds;
      }
      expect(endSeconds).toBeLessThanOrEqual(samples.length / rateHz);
      expect(words.every((word) => word.measured)).toBe(options.measuredTimings);
    });

    it("gives the times of words before a listener can have heard them", async () => {
      let givenSeconds = 0;
      const text = `${SENTENCE.slice(0, -1)}, and ${SENTENCE.toLowerCase()}`;
      for await (const output of adapter.synthesize(request({ text }), NEVER)) {
        if (output.kind === "samples") givenSeconds += output.samples.length / output.sampleRateHz;
        else {
          for (const { startSeconds } of output.words) {
            expect(givenSeconds - startSeconds).toBeLessThanOrEqual(1);
          }
        }
      }
      expect(givenSeconds).toBeGreaterThan(2);
    });

    it("is shorter when asked to be faster, longer when slower", async () => {
      const durations: number[] = [];
      for (const speed of [1.6, 1, 0.6]) {
        const { samples, rateHz } = await spoken(adapter, request({ speed }));
        durations.push(samples.length / rateHz);
      }
      expect(durations).toEqual([...durations].sort((a, b) => a - b));
      expect(durations[2]).toBeGreaterThan(1.3 * (durations[0] ?? 0));
    });

    it("ends soon after a cancel, without an error", async () => {
      const controller = new AbortController();
      let after = 0;
      const text = `${SENTENCE} `.repeat(5);
      for await (const _ of adapter.synthesize(request({ text }), controller.signal)) {
        if (controller.signal.aborted) after++;
        controller.abort();
      }
      expect(after).toBe(0);
    });

    it("yields nothing when it was cancelled before it began", async () => {
      const output: unknown[] = [];
      for await (const part of adapter.synthesize(request({}), AbortSignal.abort()))
        output.push(part);
      expect(output).toEqual([]);
    });

    it("refuses a voice it does not have with not_found", async () => {
      const refused = spoken(adapter, request({ voice: "nobody" }));
      await expect(refused).rejects.toBeInstanceOf(AntiphonError);
      await expect(refused).rejects.toMatchObject({ code: "not_found" });
    });

    it("does not mix two texts spoken at once in two voices", async () => {
      const first = request({});
      const second = request({ text: "Something else entirely.", voice: otherVoice });
      const alone = [await spoken(adapter, first), await spoken(adapter, second)];
      const together = await Promise.all([spoken(adapter, first), spoken(adapter, second)]);
      expect(together).toEqual(alone);
    });
  });
}

/** Everything a request yields, put together. */
async function spoken(
  adapter: SpeechAdapter,
  request: SpeechRequest,
): Promise<{ samples: number[]; rateHz: number; words: AdapterWord[] }> {
  const samples: number[] = [];
  const words: AdapterWord[] = [];
  let rateHz = 0;
  for await (const output of adapter.synthesize(request, NEVER)) {
    if (output.kind === "words") {
      words.push(...output.words);
      continue;
    }
    expect(output.samples.length).toBeGreaterThan(0);
    if (rateHz !== 0) expect(output.sampleRateHz).toBe(rateHz);
    rateHz = output.sampleRateHz;
    for (const sample of output.samples) samples.push(sample);
  }
  return { samples, rateHz, words };
}

const NEVER = new AbortController().signal;
const SENTENCE = "Well, the quick brown fox jumps over the lazy dog.";
