/** Which words of a reply sound when, and so which were heard. Owns the mapping from samples to words; plays nothing. */
import { SAMPLE_RATE_HZ } from "@antiphon/protocol";
import type { TimedWord } from "./ports.ts";

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
  const heard = words.filter((word) => (word.startSample + word.endSample) / 2 < played);
  // While audio is still coming, so may words be: those that are known are not all that there are.
  const all = spoken.ended && heard.length === words.length;
  return all ? spoken.text : textThrough(spoken.text, heard);
}

/** The written text up to the end of the last of these words: punctuation and spelling stay as written. */
function textThrough(text: string, words: readonly TimedWord[]): string {
  let end = 0;
  for (const word of words) {
    const at = text.indexOf(word.text, end);
    // A model may name a word otherwise than it is written: then the words themselves are what was heard.
    if (at < 0) return words.map((each) => each.text).join(" ");
    end = at + word.text.length;
  }
  return text.slice(0, end).trim();
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
