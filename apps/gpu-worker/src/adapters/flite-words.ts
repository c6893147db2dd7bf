/** Which phones of an utterance belong to which word. Pure: phones and tokens in, word times out; who asks for a token's phones is elsewhere. */
import type { AdapterWord } from "./adapter.ts";
import type { Phone } from "./flite-command.ts";
import { alignPhones } from "./phone-alignment.ts";

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
  alignPhones(
    spoken.map((phone) => phone.name),
    expected.map((phone) => phone.name),
    difference,
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
