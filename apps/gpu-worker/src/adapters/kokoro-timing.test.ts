import { describe, expect, it } from "vitest";
import type { PronouncedWord } from "./kokoro-phonemes.ts";
import { placeWords, soundingIn } from "./kokoro-timing.ts";

const RATE_HZ = 24_000;

/** Sound and silence in turns, in milliseconds, beginning with sound. */
function audio(...ms: number[]): Float32Array {
  return Float32Array.from(
    ms.flatMap((length, index) =>
      Array.from({ length: (length * RATE_HZ) / 1000 }, (_, at) =>
        index % 2 === 0 ? 0.3 * Math.sin(at / 5) : 0,
      ),
    ),
  );
}

const word = (text: string, phonemes: string, after = ""): PronouncedWord => ({
  text,
  phonemes,
  before: "",
  after,
});

describe("what sounds in a clause", () => {
  it("lies between its first and last sound; a stop consonant is no pause", () => {
    const sounding = soundingIn(audio(0, 300, 400, 80, 200, 250, 300, 500), RATE_HZ);
    expect(sounding?.speech.startSeconds).toBeCloseTo(0.3, 2);
    expect(sounding?.speech.endSeconds).toBeCloseTo(1.53, 2);
    expect(sounding?.pauses.length).toBe(1);
    expect(sounding?.pauses[0]?.startSeconds).toBeCloseTo(0.98, 2);
    expect(sounding?.pauses[0]?.endSeconds).toBeCloseTo(1.23, 2);
  });

  it("is nothing in silence", () => {
    expect(soundingIn(audio(0, 500), RATE_HZ)).toBeUndefined();
    expect(soundingIn(new Float32Array(0), RATE_HZ)).toBeUndefined();
  });
});

describe("the words of a clause", () => {
  const at = (startSeconds: number, endSeconds: number) => ({ startSeconds, endSeconds });

  it("share its time by their symbols, estimated", () => {
    const placed = placeWords([word("one", "abcd"), word("two", "ab")], {
      speech: at(1, 1.75),
      pauses: [],
    });
    expect(placed.map(({ measured }) => measured)).toEqual([false, false]);
    expect(placed[0]).toMatchObject({ text: "one", startSeconds: 1 });
    expect(placed[0]?.endSeconds).toBeCloseTo(1.36, 6);
    expect(placed[1]?.startSeconds).toBeCloseTo(1.46, 6);
    expect(placed[1]?.endSeconds).toBe(1.75);
  });

  it("end and begin at a pause that is near a border", () => {
    const placed = placeWords([word("one", "abcd"), word("two", "abcd"), word("three", "abcd")], {
      speech: at(0, 1.6),
      pauses: [at(0.5, 0.7)],
    });
    expect(placed[0]?.endSeconds).toBeCloseTo(0.5, 6);
    expect(placed[1]?.startSeconds).toBeCloseTo(0.7, 6);
  });

  it("with a mark draw a pause from further off than those without", () => {
    const words = [word("one", "abcd", ","), word("two", "abcd"), word("three", "abcd")];
    const [one, two] = placeWords(words, { speech: at(0, 1.6), pauses: [at(0.7, 0.9)] });
    expect(one?.endSeconds).toBeCloseTo(0.7, 6);
    expect(two?.startSeconds).toBeCloseTo(0.9, 6);
  });

  it("run on through a silence that is near none of their borders", () => {
    const placed = placeWords([word("one", "ab"), word("interminable", "abcdefghijklmnopqrst")], {
      speech: at(0, 2.2),
      pauses: [at(1.2, 1.32)],
    });
    expect(placed[0]?.endSeconds).toBeLessThan(0.3);
    expect(placed[1]?.endSeconds).toBe(2.2);
  });

  it("never overlap, whatever the pauses", () => {
    const words = ["ab", "", "abcdef", "a", "abc"].map((phonemes) => word(phonemes, phonemes, ","));
    const placed = placeWords(words, {
      speech: at(0.1, 2),
      pauses: [at(0.2, 0.4), at(0.5, 0.65), at(0.9, 1.3), at(1.5, 1.7), at(1.8, 1.95)],
    });
    expect(placed.map(({ text }) => text)).toEqual(words.map(({ text }) => text));
    let end = 0.1;
    for (const { startSeconds, endSeconds } of placed) {
      expect(startSeconds).toBeGreaterThanOrEqual(end);
      expect(endSeconds).toBeGreaterThanOrEqual(startSeconds);
      end = endSeconds;
    }
    expect(end).toBeLessThanOrEqual(2);
  });
});
