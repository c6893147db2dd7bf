/** Scores a transcript against what was said. Pure; owns the folding that both sides go through, and the count. */

/**
 * Fewest words to insert, delete or replace, and how many words were said: pool several clips by adding each. `lostOrAdded` are
 * those of the errors that are no other word in a word's place, as few as may be.
 */
export function wordErrorRate(
  reference: string,
  hypothesis: string,
): { errors: number; words: number; lostOrAdded: number } {
  const said = foldWords(reference);
  const heard = foldWords(hypothesis);
  // Edit distance, one row of the table at a time: row[j] is that of the said words so far and the first j heard.
  let row = Array.from({ length: heard.length + 1 }, (_, index) => index * LOST_OR_ADDED);
  for (const [saidIndex, saidWord] of said.entries()) {
    const next = [(saidIndex + 1) * LOST_OR_ADDED];
    for (const [heardIndex, heardWord] of heard.entries()) {
      const replaced = (row[heardIndex] ?? 0) + (saidWord === heardWord ? 0 : ERROR);
      const deleted = (row[heardIndex + 1] ?? 0) + LOST_OR_ADDED;
      const inserted = (next[heardIndex] ?? 0) + LOST_OR_ADDED;
      next.push(Math.min(replaced, deleted, inserted));
    }
    row = next;
  }
  const cost = row[heard.length] ?? 0;
  return {
    errors: Math.floor(cost / ERROR),
    words: said.length,
    lostOrAdded: cost % ERROR,
  };
}

/** The count of errors decides, and among alignments with the same the one that replaces most: both in one number. */
const ERROR = 65_536;
const LOST_OR_ADDED = ERROR + 1;

/**
 * Words without case, punctuation and hyphens. Numbers become single digits, whether written or spoken: "twenty-three", "23"
 * and "2-3" are all `2 3`, and "oh" is a zero.
 */
export function foldWords(text: string): string[] {
  const plain = text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/['’]/g, "")
    .replace(/(?<=\d),(?=\d{3})/g, "");
  return foldNumbers(plain.match(/\d+|\p{L}+/gu) ?? []);
}

/** Replaces each run of number words that makes one number, and splits all numbers into digits. */
function foldNumbers(words: readonly string[]): string[] {
  const folded: string[] = [];
  for (let at = 0; at < words.length; ) {
    const number = readNumber(words, at);
    const word = words[at] ?? "";
    if (number !== undefined) folded.push(...String(number.value));
    else if (/^\d/.test(word)) folded.push(...word);
    else folded.push(word);
    at += number?.length ?? 1;
  }
  return folded;
}

/** The longest number spoken from here on, "two hundred and five thousand" for one. */
function readNumber(
  words: readonly string[],
  from: number,
): { value: number; length: number } | undefined {
  const first = readBelowHundred(words, from);
  if (first === undefined) return undefined;
  let { value } = first;
  let at = from + first.length;
  for (const [name, scale] of SCALES) {
    if (words[at] !== name || value === 0) continue;
    value *= scale;
    at++;
    const joined = words[at] === "and" ? at + 1 : at;
    const rest = readNumber(words, joined);
    if (rest !== undefined && rest.value > 0 && rest.value < scale) {
      value += rest.value;
      at = joined + rest.length;
    }
  }
  return { value, length: at - from };
}

/** "seven", "twelve", "twenty" or "twenty three". Two units in a row are two numbers: digits being read out. */
function readBelowHundred(
  words: readonly string[],
  from: number,
): { value: number; length: number } | undefined {
  const value = NUMBERS.get(words[from] ?? "");
  if (value === undefined) return undefined;
  const unit = NUMBERS.get(words[from + 1] ?? "");
  const joins = value >= 20 && unit !== undefined && unit >= 1 && unit <= 9;
  return joins ? { value: value + unit, length: 2 } : { value, length: 1 };
}

const SCALES = [
  ["hundred", 100],
  ["thousand", 1_000],
] as const;

const UNITS =
  "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen";
const TENS = "twenty thirty forty fifty sixty seventy eighty ninety";
const NUMBERS: ReadonlyMap<string, number> = new Map([
  ...UNITS.split(" ").map((word, value): [string, number] => [word, value]),
  ...TENS.split(" ").map((word, index): [string, number] => [word, (index + 2) * 10]),
  ["oh", 0],
]);
