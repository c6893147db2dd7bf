/** From words to the symbols that Kokoro was trained on: spells a phonemiser's answer in the model's alphabet, puts the marks back. Pure but for the phonemiser. */
import type { KokoroWord } from "./kokoro-words.ts";
import { alignPhones } from "./phone-alignment.ts";

export type Accent = "en-us" | "en-gb";

/** IPA of each text, in order. It drops marks, and may say two words as one. */
export type Phonemiser = (texts: readonly string[], accent: Accent) => Promise<string[]>;

/** A word as it is said. */
export interface PronouncedWord {
  /** As in the text. */
  text: string;
  /** In the model's alphabet; empty where it is swallowed by its neighbour. */
  phonemes: string;
  before: string;
  after: string;
}

/**
 * The phonemiser gets what stands between two marks, so that none can be lost. Where it says "in the" as one, its phonemes are
 * shared out by how each word is said on its own.
 */
export async function pronounce(
  words: readonly KokoroWord[],
  accent: Accent,
  phonemise: Phonemiser,
): Promise<PronouncedWord[]> {
  const phrases = phrasesOf(words);
  const spell = async (texts: readonly string[]) => {
    const spoken = texts.length === 0 ? [] : await phonemise(texts, accent);
    return texts.map((_, index) => modelSpelling(spoken[index] ?? "", accent));
  };
  const whole = await spell(phrases.map((phrase) => phrase.map((word) => word.spoken).join(" ")));
  const groups = whole.map((phonemes) => phonemes.split(" ").filter((group) => group !== ""));
  const unclear = phrases.map((phrase, index) => groups[index]?.length !== phrase.length);
  const asked = phrases.filter((_, index) => unclear[index]).flat();
  const alone = await spell(asked.map((word) => word.spoken));
  const expected = new Map(asked.map((word, index) => [word, alone[index] ?? ""]));
  return phrases.flatMap((phrase, index) => {
    const shares = unclear[index]
      ? shareOut(
          whole[index] ?? "",
          phrase.map((word) => expected.get(word) ?? ""),
        )
      : (groups[index] ?? []);
    return phrase.map(({ text, before, after }, place) => ({
      text,
      before,
      after,
      phonemes: shares[place] ?? "",
    }));
  });
}

/** What the model is given. */
export function phonemesOf(words: readonly PronouncedWord[]): string {
  return words
    .map((word) => word.before + word.phonemes + word.after)
    .filter((part) => part !== "")
    .join(" ");
}

/** Cut after each mark and before each that stands in front. */
function phrasesOf(words: readonly KokoroWord[]): KokoroWord[][] {
  const phrases: KokoroWord[][] = [];
  let open = false;
  for (const word of words) {
    const phrase = phrases.at(-1);
    if (open && word.before === "" && phrase !== undefined) phrase.push(word);
    else phrases.push([word]);
    open = word.after === "";
  }
  return phrases;
}

/** Gives each word its part of what was said of all; a phoneme nobody expected goes to the word before it. */
function shareOut(spoken: string, expected: readonly string[]): string[] {
  const sounds = Array.from(spoken);
  const wanted = expected.flatMap((phonemes, owner) =>
    Array.from(phonemes.replaceAll(" ", ""), (name) => ({ name, owner })),
  );
  const heard = sounds.flatMap((name, place) => (name === " " ? [] : [{ name, place }]));
  const partners = alignPhones(
    heard.map(({ name }) => name),
    wanted.map(({ name }) => name),
    (a, b) => (a === b ? 0 : VOWELS.has(a) && VOWELS.has(b) ? 0.5 : 1.5),
  );
  const shares = expected.map(() => "");
  let owner = 0;
  let next = 0;
  for (const [place, sound] of sounds.entries()) {
    if (heard[next]?.place === place) {
      const partner = partners[next++];
      owner = Math.max(owner, wanted[partner ?? -1]?.owner ?? owner);
    }
    shares[owner] = (shares[owner] ?? "") + sound;
  }
  return shares.map((share) => share.trim());
}

/** The model knows a diphthong or affricate as one symbol, and no length marks in American. */
function modelSpelling(ipa: string, accent: Accent): string {
  let phonemes = ipa.normalize("NFC");
  for (const [from, to] of [...SPELLINGS, ...ACCENT_SPELLINGS[accent]]) {
    phonemes = phonemes.replaceAll(from, to);
  }
  return phonemes
    .replaceAll(/ɹɹ+/gu, "ɹ")
    .replaceAll(/(?<=[^\s\u02c8\u02ccaeiouəɪɛɔ])əl(?= |$)/gu, "ᵊl");
}

const SPELLINGS: ReadonlyArray<readonly [string, string]> = [
  ["dʒ", "ʤ"],
  ["tʃ", "ʧ"],
  ["eɪ", "A"],
  ["aɪ", "I"],
  ["aʊ", "W"],
  ["ɔɪ", "Y"],
  ["n̩", "ᵊn"],
  ["l̩", "ᵊl"],
  ["ɐ", "ə"],
  ["ʲ", ""],
  ["ʔ", "t"],
  ["r", "ɹ"],
  ["x", "k"],
  ["ɬ", "l"],
  ["̃", ""],
];

const ACCENT_SPELLINGS: Readonly<Record<Accent, ReadonlyArray<readonly [string, string]>>> = {
  "en-us": [
    ["oʊ", "O"],
    ["oːɹ", "ɔɹ"],
    ["ɚ", "əɹ"],
    ["ɜːɹ", "ɜɹ"],
    ["ɜː", "ɜɹ"],
    ["ɪə", "iə"],
    ["ɾ", "T"],
    ["ː", ""],
  ],
  "en-gb": [
    ["əʊ", "Q"],
    ["eə", "ɛː"],
    ["iə", "ɪə"],
  ],
};

export const VOWELS: ReadonlySet<string> = new Set("aeiouyæɑɒɔəɚɛɜɪʊʌɨᵻᵊAIOQWY");
