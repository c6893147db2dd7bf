import { decodePcm, FRAME_BYTES } from "@antiphon/audio";
import { describe, expect, it } from "vitest";
import type { SpeechOutput, SpeechRequest } from "./adapters/adapter.ts";
import { type SpeechPart, speak, type TimedWord } from "./synthesis.ts";
import { ScriptedVoice, spoken } from "./testing/scripted-voice.ts";

interface Spoken {
  frames: Int16Array[];
  words: TimedWord[];
  kinds: string[];
}

async function synthesized(
  voice: ScriptedVoice,
  pieces: readonly string[],
  options: { signal?: AbortSignal; gainDb?: number } = {},
): Promise<Spoken> {
  const result: Spoken = { frames: [], words: [], kinds: [] };
  for await (const part of parts(voice, pieces, options)) {
    result.kinds.push(part.kind);
    if (part.kind === "words") result.words.push(...part.words);
    else {
      expect(part.pcm.byteLength).toBe(FRAME_BYTES);
      result.frames.push(decodePcm(part.pcm));
    }
  }
  return result;
}

function parts(
  voice: ScriptedVoice,
  pieces: readonly string[],
  options: { signal?: AbortSignal; gainDb?: number } = {},
): AsyncIterable<SpeechPart> {
  return speak({
    process: voice,
    voice: "any",
    language: "en",
    speed: 1,
    gainDb: options.gainDb ?? 0,
    pieces: (async function* () {
      yield* pieces;
    })(),
    signal: options.signal ?? new AbortController().signal,
  });
}

const joined = (frames: readonly Int16Array[]) => frames.flatMap((frame) => [...frame]);

/** Silence, sound, silence, in milliseconds at 16 kHz; one word over the sound. */
async function* between(
  leadMs: number,
  soundMs: number,
  tailMs: number,
): AsyncIterable<SpeechOutput> {
  const samples = new Int16Array(16 * (leadMs + soundMs + tailMs));
  samples.fill(8_000, 16 * leadMs, 16 * (leadMs + soundMs));
  yield { kind: "samples", samples, sampleRateHz: 16_000 };
  const startSeconds = leadMs / 1000;
  const endSeconds = startSeconds + soundMs / 1000;
  yield { kind: "words", words: [{ text: "word", startSeconds, endSeconds, measured: true }] };
}

describe("an utterance", () => {
  it("becomes whole frames, the last one padded with silence", async () => {
    const { frames } = await synthesized(new ScriptedVoice(), ["one two three"]);
    // 300 ms.
    expect(frames.length).toBe(15);
    const odd = new ScriptedVoice(async function* () {
      yield { kind: "samples", samples: new Int16Array(1_000).fill(8_000), sampleRateHz: 48_000 };
    });
    const { frames: padded } = await synthesized(odd, ["x"]);
    expect(padded.length).toBe(2);
    expect(joined(padded).slice(1_000)).toEqual(new Array(920).fill(0));
  });

  it.each([[[]], [[""]], [["  ", "\n"]], [["🙂", "…"]]])(
    "is nothing where there is nothing to pronounce: %j",
    async (pieces) => {
      expect((await synthesized(new ScriptedVoice(), pieces)).kinds).toEqual([]);
    },
  );

  it("does not trouble the model with blank pieces", async () => {
    const voice = new ScriptedVoice();
    await synthesized(voice, ["", " ", "one", "\n"]);
    expect(voice.jobs.map((job) => job.request.text)).toEqual(["one"]);
  });

  it("loses the silence before it but for 10 ms, and keeps 100 ms after it; its words move along", async () => {
    const voice = new ScriptedVoice(() => between(220, 400, 300));
    const { frames, words } = await synthesized(voice, ["word"]);
    const samples = joined(frames);
    const first = samples.findIndex((sample) => Math.abs(sample) > 200);
    expect(first / 48).toBeGreaterThan(8);
    expect(first / 48).toBeLessThanOrEqual(10);
    // 10 + 400 + 100 ms are 25.5 frames.
    expect(frames.length).toBe(26);
    expect(words).toEqual([
      { text: "word", startSample: 10 * 48, endSample: 410 * 48, measured: true },
    ]);
  });

  it("keeps a breath between its sentences, and counts words from its first frame", async () => {
    const voice = new ScriptedVoice(() => between(220, 400, 300));
    const { frames, words } = await synthesized(voice, ["One. ", "Two."]);
    const samples = joined(frames).map(Math.abs);
    const firstEnd = 410 * 48;
    const secondStart = samples.findIndex(
      (sample, index) => index > firstEnd + 480 && sample > 200,
    );
    expect((secondStart - firstEnd) / 48).toBeGreaterThan(150);
    expect((secondStart - firstEnd) / 48).toBeLessThan(250);
    expect(Math.abs((words[1]?.startSample ?? 0) - secondStart)).toBeLessThan(48 * 2);
    expect(words.at(-1)?.endSample).toBeLessThanOrEqual(samples.length);
  });

  it("is levelled by the voice's gain and never clips", async () => {
    const softer = joined(
      (await synthesized(new ScriptedVoice(), ["one two"], { gainDb: -6 })).frames,
    );
    expect(Math.abs((softer[4_000] ?? 0) - 4_010)).toBeLessThan(20);
    const louder = joined(
      (await synthesized(new ScriptedVoice(), ["one two"], { gainDb: 15 })).frames,
    );
    // −1.5 dBFS.
    expect(Math.max(...louder)).toBeLessThanOrEqual(27_571);
    expect(Math.max(...louder)).toBeGreaterThan(27_000);
  });

  it("says its words even if they come before the first sound", async () => {
    const voice = new ScriptedVoice(async function* (request: SpeechRequest) {
      const outputs: SpeechOutput[] = [];
      for await (const output of spoken(request)) outputs.push(output);
      yield* outputs.reverse();
    });
    const { words } = await synthesized(voice, ["one two"]);
    expect(words.map((word) => word.startSample)).toEqual([0, 4_800]);
  });

  it("is computed no further than it is pulled", async () => {
    const voice = new ScriptedVoice();
    const iterator = parts(voice, ["one two three four five six"])[Symbol.asyncIterator]();
    await iterator.next();
    expect(voice.jobs[0]?.pulled).toBe(1);
    // Five frames of 20 ms are 100 ms, of which the limiter holds the last 5.
    for (let frame = 0; frame < 6; frame++) await iterator.next();
    expect(voice.jobs[0]?.pulled).toBe(2);
    await iterator.return?.();
    expect(voice.open).toBe(0);
  });

  it("ends quietly when it is aborted", async () => {
    const controller = new AbortController();
    const voice = new ScriptedVoice();
    const kinds: string[] = [];
    for await (const part of parts(voice, ["one two", "three"], { signal: controller.signal })) {
      kinds.push(part.kind);
      if (kinds.length === 4) controller.abort();
    }
    expect(kinds.length).toBeLessThanOrEqual(5);
    expect(voice.open).toBe(0);
  });

  it("passes a model's failure on", async () => {
    // biome-ignore lint/correctness/useYield: it fails first
    const voice = new ScriptedVoice(async function* () {
      throw new Error("broken");
    });
    await expect(synthesized(voice, ["one"])).rejects.toThrow("broken");
  });
});
