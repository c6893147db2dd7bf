/** Finds a decoder that talks in circles. Pure; knows tokens only as numbers. */

/**
 * The tokens with the circle taken out, or undefined while there is none: the same phrase often enough in a row, up to the
 * last token, is kept once. Greedy decoding does not leave such a circle by itself.
 */
export function cutRepetition(tokens: readonly number[]): number[] | undefined {
  for (let period = 1; period <= PERIOD_MAX; period++) {
    const repeats = Math.max(REPEATS_MIN, Math.ceil(TOKENS_MIN / period));
    const length = period * repeats;
    if (tokens.length >= length && repeatsAtEnd(tokens, period, length)) {
      return tokens.slice(0, tokens.length - length + period);
    }
  }
  return undefined;
}

function repeatsAtEnd(tokens: readonly number[], period: number, length: number): boolean {
  for (let back = 1; back <= length - period; back++) {
    if (tokens[tokens.length - back] !== tokens[tokens.length - back - period]) return false;
  }
  return true;
}

/** Longer phrases cannot repeat often enough within the audio's token limit to matter. */
const PERIOD_MAX = 12;
/** People say whole phrases twice or three times ("come on, come on, come on"), rarely four. */
const REPEATS_MIN = 4;
/** Short words are said more often in a row ("no, no, no, no"), digits too: those need eight rounds of two tokens. */
const TOKENS_MIN = 16;
