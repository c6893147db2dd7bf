import { describe, expect, it } from "vitest";
import { type Phonemiser, phonemesOf, pronounce } from "./kokoro-phonemes.ts";
import { createPhonemiser } from "./kokoro-phonemiser.ts";
import { kokoroWordsOf } from "./kokoro-words.ts";

/** Knows these texts; asked for another one, the test fails. */
function dictionary(entries: Record<string, string>): Phonemiser {
  return async (texts) =>
    texts.map((text) => {
      const ipa = entries[text];
      if (ipa === undefined) throw new Error(`nobody told how to say "${text}"`);
      return ipa;
    });
}

describe("the phonemes of a clause", () => {
  it("have the marks back that the phonemiser drops", async () => {
    const phonemise = dictionary({
      Hello: "həlˈoʊ",
      world: "wˈɜːld",
      "how are you": "hˌaʊ ɑːɹ juː",
    });
    const words = await pronounce(
      kokoroWordsOf("Hello, world! How are you?".toLowerCase().replace("h", "H")),
      "en-us",
      phonemise,
    );
    expect(phonemesOf(words)).toBe("həlˈO, wˈɜɹld! hˌW ɑɹ ju?");
  });

  it("belong to their words where the phonemiser says two as one", async () => {
    const phonemise = dictionary({
      "in the house": "ɪnðə hˈaʊs",
      in: "ˈɪn",
      the: "ðə",
      house: "hˈaʊs",
    });
    const words = await pronounce(kokoroWordsOf("in the house."), "en-us", phonemise);
    expect(words.map((word) => word.phonemes)).toEqual(["ɪn", "ðə", "hˈWs"]);
    expect(phonemesOf(words)).toBe("ɪn ðə hˈWs.");
  });

  it("belong to one word where it is said as several", async () => {
    const phonemise = dictionary({
      "paid 5 dollars": "pˈeɪd fˈaɪv dˈɑːlɚz",
      paid: "pˈeɪd",
      "5 dollars": "fˈaɪv dˈɑːlɚz",
    });
    const words = await pronounce(kokoroWordsOf("paid $5"), "en-us", phonemise);
    expect(words.map((word) => [word.text, word.phonemes])).toEqual([
      ["paid", "pˈAd"],
      ["$5", "fˈIv dˈɑləɹz"],
    ]);
  });

  it("are spelt as each accent's training data were", async () => {
    const phonemise: Phonemiser = async (texts, accent) =>
      texts.map(() => (accent === "en-us" ? "ɡˌoʊ lˈɪɾəl tʃˈɛɹi" : "ɡˌəʊ lˈɪtəl tʃˈɛɹi"));
    const words = kokoroWordsOf("go little cherry");
    expect(phonemesOf(await pronounce(words, "en-us", phonemise))).toBe("ɡˌO lˈɪTᵊl ʧˈɛɹi");
    expect(phonemesOf(await pronounce(words, "en-gb", phonemise))).toBe("ɡˌQ lˈɪtᵊl ʧˈɛɹi");
  });
});

describe("the phonemiser", () => {
  /** Gives a line for each sentence, like eSpeak: a text with a full stop inside comes back as two. */
  function espeak() {
    const asked: string[] = [];
    const phonemise = createPhonemiser(async (text) => {
      asked.push(text);
      return text
        .split(/[.\n]+/)
        .flatMap((line) => (line.trim() === "" ? [] : [line.trim().toUpperCase()]));
    });
    return { asked, phonemise };
  }

  it("asks for several texts at once, and for none twice", async () => {
    const { asked, phonemise } = espeak();
    expect(await phonemise(["one", "two three", "one"], "en-us")).toEqual([
      "ONE",
      "TWO THREE",
      "ONE",
    ]);
    expect(await phonemise(["two three"], "en-us")).toEqual(["TWO THREE"]);
    expect(asked).toEqual(["one.\ntwo three."]);
    await phonemise(["one"], "en-gb");
    expect(asked.length).toBe(2);
  });

  it("asks again in halves where lines and texts do not match", async () => {
    const { asked, phonemise } = espeak();
    expect(await phonemise(["one", "a.b", "three", "four"], "en-us")).toEqual([
      "ONE",
      "A B",
      "THREE",
      "FOUR",
    ]);
    expect(asked.slice(1)).toEqual(["one.\na.b.", "one.", "a.b.", "three.\nfour."]);
  });
});
