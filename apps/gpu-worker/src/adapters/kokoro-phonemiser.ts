/** eSpeak NG as Kokoro's phonemiser. Owns the optional package and how it is asked; what is done with its IPA is elsewhere. */
import { AntiphonError } from "@antiphon/protocol";
import type { Accent, Phonemiser } from "./kokoro-phonemes.ts";

/**
 * Imports the package, which is optional: it embeds eSpeak NG (GPL-3.0), and it hooks `uncaughtException`, so only an inference
 * child may do this. Rejects in words for people where it is missing.
 */
export async function loadPhonemiser(): Promise<Phonemiser> {
  const { phonemize } = await import("phonemizer").catch((cause: unknown) => {
    throw new AntiphonError(
      "unavailable",
      "Kokoro needs the npm package phonemizer, which is not installed: npm install --include=optional",
      { cause },
    );
  });
  const lines = async (text: string, accent: Accent) => await phonemize(text, VOICES[accent]);
  return createPhonemiser(lines);
}

/**
 * A call costs milliseconds whatever its length, so texts go in together, a full stop after each: that gives each a line of its
 * own. Where it does not (an abbreviation, a mark inside a number), halves are asked.
 */
export function createPhonemiser(
  linesOf: (text: string, accent: Accent) => Promise<string[]>,
): Phonemiser {
  const known = new Map<string, string>();

  async function ask(texts: readonly string[], accent: Accent): Promise<string[]> {
    const lines = await linesOf(
      texts.map((text) => (text.endsWith(".") ? text : `${text}.`)).join("\n"),
      accent,
    );
    if (lines.length === texts.length) return lines;
    if (texts.length === 1) return [lines.join(" ")];
    const middle = texts.length >> 1;
    return [
      ...(await ask(texts.slice(0, middle), accent)),
      ...(await ask(texts.slice(middle), accent)),
    ];
  }

  return async (texts, accent) => {
    const key = (text: string) => `${accent} ${text}`;
    const unknown = [...new Set(texts)].filter((text) => !known.has(key(text)));
    if (unknown.length > 0) {
      const spoken = await ask(unknown, accent);
      for (const [index, text] of unknown.entries()) known.set(key(text), spoken[index] ?? "");
    }
    const answers = texts.map((text) => known.get(key(text)) ?? "");
    for (const oldest of known.keys()) {
      if (known.size <= KNOWN_MAX) break;
      known.delete(oldest);
    }
    return answers;
  };
}

const VOICES: Readonly<Record<Accent, string>> = { "en-us": "en-us", "en-gb": "en" };
/** Words and short phrases come again within a conversation; a megabyte at most. */
const KNOWN_MAX = 4_096;
