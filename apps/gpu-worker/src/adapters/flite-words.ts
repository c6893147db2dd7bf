/** Which phones of an utterance belong to which word. Pure: phones and tokens in, word times out; who asks for a token's phones is elsewhere. */
import type { AdapterWord } from "./adapter.ts";
import type { Phone } from "./flite-command.ts";

/** One word as a reader sees it, and what is spoken for it. */
export interface Token {
  /** With its punctuation. */
  text: string;
  /** As pronounced on its own; empty: unknown. */
  phones: readonly string[];
}

/**
 * Places each token on the utterance's phones by the cheapest alignment of both sequences. In context vowels are reduced and
 * abbreviations read otherwise, so a token is *measured* where most of its phones agree and *estimated* where they do not.
 */
export function placeTokens(tokens: readonly Token[], utterance: readonly Phone[]): AdapterWord[] {
  const spoken = utterance.filter((phone) => phone.name !== SILENCE);
  const expected = tokens.flatMap((token, owner) =>
    phonesOrGuess(token).map((name) => ({ name, owner })),
  );
  const places: Place[] = tokens.map(() => ({ first: -1, last: -1, agreeing: 0 }));
  align(
    spoken.map((phone) => phone.name),
    expected.map((phone) => phone.name),
  ).forEach((partner, index) => {
    const place = places[partner === undefined ? -1 : (expected[partner]?.owner ?? -1)];
    if (place === undefined) return;
    if (place.first < 0) place.first = index;
    place.last = index;
    if (expected[partner as number]?.name === spoken[index]?.name) place.agreeing++;
  });
  return timesOf(tokens, places, spoken);
}

/** The phones a token was given, by index; `first` −1: none. */
interface Place {
  first: number;
  last: number;
  agreeing: number;
}

function timesOf(
  tokens: readonly Token[],
  places: readonly Place[],
  spoken: readonly Phone[],
): AdapterWord[] {
  let endSeconds = spoken[0]?.startSeconds ?? 0;
  return tokens.map((token, index) => {
    const place = places[index];
    if (place === undefined || place.first < 0) {
      // Swallowed, or spoken as part of its neighbour: it lies where the word before it ends.
      return { text: token.text, startSeconds: endSeconds, endSeconds, measured: false };
    }
    const startSeconds = Math.max(endSeconds, spoken[place.first]?.startSeconds ?? 0);
    endSeconds = Math.max(startSeconds, spoken[place.last]?.endSeconds ?? 0);
    const most = Math.max(token.phones.length, place.last - place.first + 1);
    const measured = token.phones.length > 0 && place.agreeing >= AGREEING_MIN * most;
    return { text: token.text, startSeconds, endSeconds, measured };
  });
}

/**
 * For each spoken phone the expected one it stands for. Edit distance in which a vowel for a vowel costs little;
 * a phone nobody expected goes to the word before it.
 */
function align(spoken: readonly string[], expected: readonly string[]): Array<number | undefined> {
  const width = expected.length + 1;
  const costs = new Float64Array((spoken.length + 1) * width);
  for (let column = 1; column < width; column++) costs[column] = column;
  for (let row = 1; row <= spoken.length; row++) {
    costs[row * width] = row;
    for (let column = 1; column < width; column++) {
      const here = row * width + column;
      costs[here] = Math.min(
        costs[here - width - 1] + difference(spoken[row - 1], expected[column - 1]),
        costs[here - width] + 1,
        costs[here - 1] + 1,
      );
    }
  }
  const partners = new Array<number | undefined>(spoken.length).fill(undefined);
  let row = spoken.length;
  let column = expected.length;
  while (row > 0) {
    const here = row * width + column;
    const change = column > 0 ? difference(spoken[row - 1], expected[column - 1]) : 0;
    if (column > 0 && costs[here] === costs[here - width - 1] + change) {
      row--;
      column--;
      partners[row] = column;
    } else if (column > 0 && costs[here] === costs[here - 1] + 1) {
      column--;
    } else {
      row--;
      partners[row] = column > 0 ? column - 1 : undefined;
    }
  }
  return partners;
}

function difference(a: string, b: string): number {
  if (a === b) return 0;
  return VOWELS.has(a) && VOWELS.has(b) ? 0.5 : 1.5;
}

/** A token whose phones are unknown takes about as many as it has letters. */
function phonesOrGuess(token: Token): readonly string[] {
  return token.phones.length > 0 ? token.phones : Array.from(token.text, () => UNKNOWN);
}

export const SILENCE = "pau";
const UNKNOWN = "?";
/** Half: "doctor" against "drive" fails, "the" with its other vowel passes. */
const AGREEING_MIN = 0.5;
const VOWELS: ReadonlySet<string> = new Set(
  "aa ae ah ao aw ax axr ay eh er ey ih iy ow oy uh uw".split(" "),
);
