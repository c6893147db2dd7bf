/** Which words of a reply sound when, and so which were heard. Owns the mapping from samples to words; plays nothing. */
import { SAMPLE_RATE_HZ } from "@antiphon/protocol";
import type { TimedWord, UtteranceSnapshot } from "./ports.ts";

/**
 * The text of one reply, utterance by utterance, with the samples at which it sounds.
 *
 * A word was heard when its middle sample was played. Where a model gives no timings, words are taken as evenly long by letters
 * over the utterance's samples.
 */
export class SpokenText {
  readonly #utterances: SpokenUtterance[] = [];

  /** The text as it was written, all of it. */
  get written(): string {
    return this.#utterances.map((each) => each.text).join(" ");
  }

  get utteranceCount(): number {
    return this.#utterances.length;
  }

  /** Numbers count from 0, without gaps. */
  add(text: string): number {
    this.#utterances.push({
      text,
      startSample: undefined,
      samples: 0,
      ended: false,
      words: undefined,
    });
    return this.#utterances.length - 1;
  }

  /** The utterance's audio begins at this position of the reply. */
  begin(utterance: number, positionSamples: number): void {
    this.#at(utterance).startSample = positionSamples;
  }

  addAudio(utterance: number, samples: number): void {
    this.#at(utterance).samples += samples;
  }

  /** It has all its audio: no more comes. */
  end(utterance: number): void {
    this.#at(utterance).ended = true;
  }

  /** Positions are the utterance's, which has begun. Returns the same words at positions of the reply. */
  addWords(utterance: number, words: TimedWord[]): TimedWord[] {
    const spoken = this.#at(utterance);
    spoken.words = [...(spoken.words ?? []), ...words];
    const start = spoken.startSample ?? 0;
    return words.map((word) => ({
      ...word,
      startSample: start + word.startSample,
      endSample: start + word.endSample,
    }));
  }

  /** The words whose middle was played when `playedSamples` of the reply had been. */
  heard(playedSamples: number): string {
    return this.#utterances
      .map((spoken) => heardOf(spoken, playedSamples))
      .filter((text) => text !== "")
      .join(" ");
  }

  /** The words, as they are spelled, that sound anywhere between these positions. */
  wordsBetween(fromSample: number, toSample: number): string[] {
    return this.#utterances.flatMap((spoken) => {
      const start = spoken.startSample;
      if (start === undefined || spoken.samples === 0 || start > toSample) return [];
      return (spoken.words ?? evenWords(spoken))
        .filter(
          (word) => start + word.endSample >= fromSample && start + word.startSample <= toSample,
        )
        .map((word) => word.text);
    });
  }

  /**
   * All of it as a successor needs it to go on from this position or a later one; what is given is a copy. Words have their times from the
   * utterance that sounds there on; before it there is nothing left to divide.
   */
  snapshot(fromSample: number): UtteranceSnapshot[] {
    return this.#utterances.map(({ text, startSample, samples, ended, words }) => {
      const over = startSample !== undefined && ended && startSample + samples <= fromSample;
      return {
        text,
        begun: startSample !== undefined,
        startSample: startSample ?? 0,
        samples,
        ended,
        words: over ? [] : (words ?? []).map((word) => ({ ...word })),
      };
    });
  }

  /**
   * Divides at this position what was to be said: `spoken` holds the words that were heard, as heard there, and more can be added to it;
   * `rest` is what is still to be said, an utterance each, from the first word whose middle was not played.
   */
  static restore(
    utterances: readonly UtteranceSnapshot[],
    fromSample: number,
  ): { spoken: SpokenText; rest: string[] } {
    const spoken = new SpokenText();
    const rest: string[] = [];
    for (const { text, begun, startSample, samples, ended, words } of utterances) {
      if (rest.length > 0 || !begun || samples === 0 || startSample >= fromSample) {
        // A text without a sound that was passed is not said later.
        const passed = rest.length === 0 && begun && ended && samples === 0;
        if (!passed) rest.push(text);
        continue;
      }
      const played = fromSample - startSample;
      const whole = {
        text,
        startSample,
        samples,
        ended,
        words: words.length > 0 ? words : undefined,
      };
      const { heard, end } = divide(whole, played);
      const left = text.slice(end).trim();
      if (left !== "") rest.push(left);
      if (heard.length === 0) continue;
      spoken.#utterances.push({
        text: text.slice(0, end).trim(),
        startSample,
        samples: left === "" && ended ? samples : played,
        ended: true,
        words: heard.map((word) => ({ ...word })),
      });
    }
    return { spoken, rest };
  }

  /** The number of the utterance that sounds at this position; the last that began. */
  utteranceAt(playedSamples: number): number {
    let at = 0;
    this.#utterances.forEach((spoken, number) => {
      if (spoken.startSample !== undefined && spoken.startSample < playedSamples) at = number;
    });
    return at;
  }

  #at(utterance: number): SpokenUtterance {
    const spoken = this.#utterances[utterance];
    if (spoken === undefined) throw new Error(`no utterance ${utterance} in this reply`);
    return spoken;
  }
}

interface SpokenUtterance {
  text: string;
  startSample: number | undefined;
  samples: number;
  ended: boolean;
  words: TimedWord[] | undefined;
}

function heardOf(spoken: SpokenUtterance, playedSamples: number): string {
  // A text that no voice can pronounce ends without a sound.
  if (spoken.startSample === undefined || spoken.samples === 0) return "";
  const played = playedSamples - spoken.startSample;
  if (played <= 0) return "";
  const words = spoken.words ?? evenWords(spoken);
  const heard = heardWords(words, played);
  // While audio is still coming, so may words be: those that are known are not all that there are.
  const all = spoken.ended && heard.length === words.length;
  if (all) return spoken.text;
  const end = endOfWords(spoken.text, heard);
  // A model may name a word otherwise than it is written: then the words themselves are what was heard.
  if (end === undefined) return heard.map((each) => each.text).join(" ");
  return spoken.text.slice(0, end).trim();
}

/** The words that were heard, and where in the text the first begins that was not. */
function divide(spoken: SpokenUtterance, played: number): { heard: TimedWord[]; end: number } {
  const { text } = spoken;
  const words = spoken.words ?? evenWords(spoken);
  const heard = heardWords(words, played);
  if (spoken.ended && heard.length === words.length) return { heard, end: text.length };
  if (heard.length === 0) return { heard, end: 0 };
  const end = endOfWords(text, heard) ?? endOfShare(text, heard.length / words.length);
  // A comma belongs to the word before it.
  const trailing = /^[^\p{L}\p{N}\s]+(?=\s|$)/u.exec(text.slice(end))?.[0] ?? "";
  return { heard, end: end + trailing.length };
}

function heardWords(words: readonly TimedWord[], played: number): TimedWord[] {
  return words.filter((word) => (word.startSample + word.endSample) / 2 < played);
}

/** Where the last of these words ends in the written text: punctuation and spelling stay as written. Undefined: one is not found there. */
function endOfWords(text: string, words: readonly TimedWord[]): number | undefined {
  let end = 0;
  for (const word of words) {
    const at = text.indexOf(word.text, end);
    if (at < 0) return undefined;
    end = at + word.text.length;
  }
  return end;
}

/** Where this share of the written words ends, for a voice that names them otherwise. */
function endOfShare(text: string, share: number): number {
  const ends = [...text.matchAll(/\S+/gu)].map((word) => word.index + word[0].length);
  return ends[Math.round(share * ends.length) - 1] ?? 0;
}

function evenWords(spoken: SpokenUtterance): TimedWord[] {
  const words = spoken.text.split(/\s+/u).filter((word) => word !== "");
  const letters = words.reduce((sum, word) => sum + word.length + 1, 0);
  // Of audio that is still coming, or was cut off, only the beginning is known: the rest is as long as speech usually is.
  const expected = spoken.ended ? 0 : letters * SAMPLES_PER_LETTER;
  const samplesPerLetter = letters === 0 ? 0 : Math.max(spoken.samples, expected) / letters;
  let at = 0;
  return words.map((text) => {
    const startSample = at;
    at += (text.length + 1) * samplesPerLetter;
    return { text, startSample, endSample: at, measured: false };
  });
}

/** Spoken English at an easy pace: about 150 words, 900 letters and spaces, a minute. */
const SAMPLES_PER_LETTER = SAMPLE_RATE_HZ / 15;
