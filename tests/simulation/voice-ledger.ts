/** Everything that simulated workers have spoken: each frame, and where each word really is. The truth that histories are held against. */
import { FRAME_SAMPLES } from "@antiphon/protocol";

export interface SpokenWord {
  text: string;
  /** Of the utterance. */
  startSample: number;
  endSample: number;
}

/** One utterance as one worker spoke it, or would. */
export interface SpokenUtterance {
  utteranceId: string;
  attempt: number;
  text: string;
  words: SpokenWord[];
  frames: number;
}

export class VoiceLedger {
  readonly #frames: Array<{ utterance: SpokenUtterance; index: number }> = [];

  /** The same text takes as long and has its words at the same places whoever speaks it. */
  utterance(utteranceId: string, attempt: number, text: string): SpokenUtterance {
    const words: SpokenWord[] = [];
    let at = 0;
    for (const word of wordsOf(text)) {
      const startSample = at;
      at += framesOf(word) * FRAME_SAMPLES;
      words.push({ text: word, startSample, endSample: at });
    }
    return { utteranceId, attempt, text, words, frames: at / FRAME_SAMPLES };
  }

  /** A frame is spoken; its serial. */
  speak(utterance: SpokenUtterance, index: number): number {
    return this.#frames.push({ utterance, index }) - 1;
  }

  frame(serial: number): { utterance: SpokenUtterance; index: number } | undefined {
    return this.#frames[serial];
  }
}

/** What has letters or digits; the rest makes no sound. */
export function wordsOf(text: string): string[] {
  return text.split(/\s+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
}

/** By letters and the space after them, at an easy pace: as an estimate would have it. */
function framesOf(word: string): number {
  return Math.round(((word.length + 1) * 10) / 3);
}
