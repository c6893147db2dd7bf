/** Which words of a reply were spoken, are being spoken, are to come, or were cut: from caption times and the playback position. Pure. */
import type { CaptionWord, ReplyEntry } from "./conversation.ts";

export interface SpokenWord {
  text: string;
  mark: WordMark;
}

export type WordMark = "ahead" | "now" | "heard" | "cut";

/** `positionSamples`: what the listener has heard of this reply; undefined when it is not the one being played. */
export function spokenWords(reply: ReplyEntry, positionSamples: number | undefined): SpokenWord[] {
  const tokens = tokensOf(reply.text);
  if (reply.done) return finished(reply, tokens);
  const times = timesOf(tokens, reply.words);
  return tokens.map((text, index) => ({
    text,
    mark: markAt(times[index], times[index + 1], positionSamples),
  }));
}

export function tokensOf(text: string): string[] {
  return text.split(/\s+/).filter((token) => token !== "");
}

/** A word is lit until the next one sounds, over the gap between them: a pause there shows where the voice is. */
function markAt(
  time: CaptionWord | undefined,
  next: CaptionWord | undefined,
  position: number | undefined,
): WordMark {
  if (time === undefined || position === undefined || position < time.startSample) return "ahead";
  const isLast = next === undefined || next.startSample <= time.startSample;
  return position < (isLast ? time.endSample : next.startSample) ? "now" : "heard";
}

function finished(reply: ReplyEntry, tokens: string[]): SpokenWord[] {
  if (!reply.interrupted) return tokens.map((text) => ({ text, mark: "heard" as const }));
  const heard = matched(tokens, tokensOf(reply.heardText ?? ""));
  const heardCount = heard.findLastIndex((word) => word !== undefined) + 1;
  const words = tokens.map(
    (text, index): SpokenWord => ({
      text,
      mark: index < heardCount ? "heard" : "cut",
    }),
  );
  if (words.length <= heardCount + CUT_WORDS_MAX) return words;
  return [...words.slice(0, heardCount + CUT_WORDS_MAX), { text: "…", mark: "cut" }];
}

/** A token that no caption names (an emoji, a dash) sounds when the word after it does. */
function timesOf(
  tokens: readonly string[],
  words: readonly CaptionWord[],
): (CaptionWord | undefined)[] {
  const found = matched(
    tokens,
    words.map((word) => word.text),
  );
  const times = found.map((index) => (index === undefined ? undefined : words[index]));
  for (let index = times.length - 2; index >= 0; index--) times[index] ??= times[index + 1];
  return times;
}

/**
 * For each token, the word that stands for it. Both are the same text in the same order, but a voice may leave tokens out or
 * say them in several words; so a token is sought a few words on, and a word that fits nowhere is passed over.
 */
function matched(tokens: readonly string[], words: readonly string[]): (number | undefined)[] {
  const folded = words.map(fold);
  let next = 0;
  let skipped = 0;
  return tokens.map((token, index) => {
    if (next >= words.length) return undefined;
    const wanted = fold(token);
    const seen = folded.slice(next, next + LOOK_AHEAD_WORDS).indexOf(wanted);
    if (wanted !== "" && seen >= 0) {
      next += seen + 1;
      skipped = 0;
      return next - 1;
    }
    // Neither side fits: if a later token meets the word, wait for it; else they are two spellings of one thing.
    const awaited = tokens
      .slice(index + 1, index + 1 + LOOK_AHEAD_WORDS)
      .some((later) => fold(later) === folded[next]);
    if (wanted === "" || (awaited && skipped < LOOK_AHEAD_WORDS)) {
      skipped++;
      return undefined;
    }
    return next++;
  });
}

function fold(word: string): string {
  return word.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
}

/** "$12.50" is "twelve dollars and fifty cents": nothing is spelt out longer than that often enough to matter. */
const LOOK_AHEAD_WORDS = 6;
/** Enough to see where it was going. */
const CUT_WORDS_MAX = 14;
