import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AdapterWord, SpeechRequest } from "./adapter.ts";
import { describeSpeechAdapter } from "./adapter-contract.ts";
import { createKokoroAdapter } from "./kokoro.ts";
import { KokoroVoices, openKokoroFiles } from "./kokoro-files.ts";

const modelDirectory = join(env["ANTIPHON_MODELS_DIR"] ?? "", "kokoro-82m");
const missing = whatIsMissing();
if (missing !== undefined) console.warn(`Kokoro is not tested: ${missing}`);

function whatIsMissing(): string | undefined {
  if (!existsSync(join(modelDirectory, "config.json"))) {
    return "its files are not in ANTIPHON_MODELS_DIR/kokoro-82m.";
  }
  try {
    createRequire(import.meta.url).resolve("phonemizer");
  } catch {
    return "the package phonemizer is not installed.";
  }
  return undefined;
}

describe.skipIf(missing !== undefined)("with Kokoro's files", () => {
  describeSpeechAdapter({
    name: "kokoro",
    create: () => createKokoroAdapter({ modelDirectory, threads: 2 }),
    voices: ["af_heart", "am_michael"],
    measuredTimings: false,
    timeoutMs: 120_000,
  });

  describe("a text of several clauses", { timeout: 120_000 }, () => {
    const adapter = createKokoroAdapter({ modelDirectory, threads: 2 });
    beforeAll(() => adapter.load(), 60_000);
    const request = (changes: Partial<SpeechRequest>): SpeechRequest => ({
      text: "My mother moved here a long time ago, and she brought three suitcases.",
      voice: "af_heart",
      language: "en-US",
      speed: 1,
      ...changes,
    });

    it("comes clause by clause, each with its words behind its first second", async () => {
      const kinds: string[] = [];
      const words: AdapterWord[] = [];
      let seconds = 0;
      for await (const output of adapter.synthesize(request({}), new AbortController().signal)) {
        kinds.push(output.kind);
        if (output.kind === "samples") seconds += output.samples.length / output.sampleRateHz;
        else {
          words.push(...output.words);
        }
      }
      expect(kinds).toEqual(["samples", "words", "samples", "samples", "words", "samples"]);
      expect(words.at(-1)?.endSeconds).toBeLessThanOrEqual(seconds);
      expect(words.map(({ text }) => text)).toEqual(request({}).text.split(" "));
      expect((words[8]?.startSeconds ?? 0) - (words[7]?.endSeconds ?? 0)).toBeGreaterThan(0.15);
    });

    it("that is one long number is said, in several runs", async () => {
      let seconds = 0;
      const text = "7".repeat(24);
      for await (const output of adapter.synthesize(
        request({ text }),
        new AbortController().signal,
      )) {
        if (output.kind === "samples") seconds += output.samples.length / output.sampleRateHz;
      }
      expect(seconds).toBeGreaterThan(6);
    });

    it.runIf(existsSync(join(modelDirectory, "voices", "ff_siwis.bin")))(
      "is refused with unimplemented in a voice of another language",
      async () => {
        expect(adapter.capabilities.voices).not.toContain("ff_siwis");
        const outputs = adapter.synthesize(
          request({ voice: "ff_siwis" }),
          new AbortController().signal,
        );
        await expect(outputs[Symbol.asyncIterator]().next()).rejects.toMatchObject({
          code: "unimplemented",
          message: expect.stringContaining("French phonemiser"),
        });
      },
    );
  });
});

describe("Kokoro's files", () => {
  const directory = mkdtempSync(join(tmpdir(), "antiphon-kokoro-test-"));
  mkdirSync(join(directory, "voices"));
  afterAll(() => rmSync(directory, { recursive: true }));

  it("that are missing are named, with what to do", () => {
    expect(() => openKokoroFiles(directory)).toThrow(
      /kokoro-v1\.0\.int8w\.onnx.*ANTIPHON_MODELS_DIR/,
    );
    writeFileSync(join(directory, "kokoro-v1.0.int8.onnx"), "");
    writeFileSync(join(directory, "config.json"), '{"vocab":{" ":16,"a":43}}');
    expect(() => openKokoroFiles(directory)).toThrow(/an English voice/);
  });

  it("hold the voices that are there; the American ones with an American accent", () => {
    for (const name of ["bf_emma", "am_adam", "zf_xiaobei", "xx_nobody"]) {
      writeFileSync(join(directory, "voices", `${name}.bin`), new Uint8Array(510 * 256 * 4));
    }
    const { graphPath, symbols, voices } = openKokoroFiles(directory);
    expect(graphPath).toBe(join(directory, "kokoro-v1.0.int8.onnx"));
    expect(symbols.get("a")).toBe(43);
    expect(voices.spoken).toEqual(["am_adam", "bf_emma"]);
    expect(voices.default).toBe("am_adam");
    expect(["am_adam", "bf_emma"].map((voice) => voices.accentOf(voice))).toEqual([
      "en-us",
      "en-gb",
    ]);
    expect(voices.styleOf("bf_emma", 600).length).toBe(256);
  });

  it("refuse a voice of another language, and one that is not there or is no name", () => {
    const voices = new KokoroVoices(join(directory, "voices"));
    const code = (voice: string) => {
      try {
        return voices.accentOf(voice);
      } catch (reason) {
        return (reason as { code: string }).code;
      }
    };
    expect(code("zf_xiaobei")).toBe("unimplemented");
    expect(code("xx_nobody")).toBe("unimplemented");
    expect(code("af_heart")).toBe("not_found");
    expect(code("../voices/bf_emma")).toBe("not_found");
  });

  it("with a damaged voice are refused when it is to speak", () => {
    writeFileSync(join(directory, "voices", "af_half.bin"), new Uint8Array(1_000));
    const voices = new KokoroVoices(join(directory, "voices"));
    expect(() => voices.styleOf("af_half", 10)).toThrow(/1000 bytes/);
  });
});
