/** Where a sentence is cut for a model that gives its audio only when all of it is computed. Pure: words in, groups of words out. */
import type { KokoroWord } from "./kokoro-words.ts";

/**
 * The first clause is short, so that something is heard soon; a later one may be longer by as much as is computed while the one
 * before it plays. Cuts lie where a speaker would breathe; where nobody would, a clause grows to what the model may take at most.
 */
export function cutClauses(words: readonly KokoroWord[]): KokoroWord[][] {
  const clauses: KokoroWord[][] = [];
  let rest = words;
  let wanted = FIRST_LETTERS;
  while (rest.length > 0) {
    const count = clauseLength(rest, wanted);
    const clause = rest.slice(0, count);
    clauses.push(clause);
    rest = rest.slice(count);
    wanted = Math.min(LETTERS_MAX, Math.max(FIRST_LETTERS, GROWTH * lettersOf(clause)));
  }
  return clauses;
}

/** How many of these words the next clause takes, when about so many letters are wanted. */
function clauseLength(words: readonly KokoroWord[], wanted: number): number {
  const all = lettersOf(words);
  if (all <= wanted) return words.length;
  let best = words.length;
  // Whole is best of all, while it is not much too long.
  let least = all <= LETTERS_MAX ? excess(all, wanted) : Number.POSITIVE_INFINITY;
  let letters = 0;
  for (let count = 1; count < words.length; count++) {
    letters += lettersOf(words.slice(count - 1, count));
    if (letters > LETTERS_MAX && best < words.length) break;
    const shorter = Math.min(letters, all - letters);
    const cost =
      borderCost(words, count) +
      excess(letters, wanted) +
      shortness(shorter, isMarked(words, count));
    if (cost >= least) continue;
    least = cost;
    best = count;
  }
  return best;
}

/** What a cut before this word costs in naturalness. */
function borderCost(words: readonly KokoroWord[], index: number): number {
  const before = words[index - 1];
  const after = words[index];
  if (before === undefined || after === undefined) return 0;
  if (isMarked(words, index)) return before.after === "," ? COMMA_COST : 0;
  // "the process by | which": a word that leads on is not left hanging.
  if (isLeading(before) || isJoining(before) || isHanging(before)) return ANYWHERE_COST;
  if (isJoining(after)) return JOINING_COST;
  return isLeading(after) ? LEADING_COST : ANYWHERE_COST;
}

function isMarked(words: readonly KokoroWord[], index: number): boolean {
  return words[index - 1]?.after !== "" || words[index]?.before !== "";
}

/** Each part by which a clause is longer than wanted is waited for. */
function excess(letters: number, wanted: number): number {
  return Math.max(0, letters / wanted - 1);
}

/** A word or two on their own sound like an afterthought, and each run of the model has its price. */
function shortness(letters: number, marked: boolean): number {
  return SHORTNESS_COST * Math.max(0, 1 - letters / (marked ? LETTERS_MIN : UNMARKED_LETTERS_MIN));
}

/** Digits are said as words: "1994" takes as long as twenty letters. */
function lettersOf(words: readonly KokoroWord[]): number {
  return words.reduce(
    (sum, { spoken }) => sum + spoken.length + 1 + 4 * (spoken.match(/\d/g)?.length ?? 0),
    0,
  );
}

function isJoining({ spoken }: KokoroWord): boolean {
  return JOINING_WORDS.has(spoken.toLowerCase());
}

function isLeading({ spoken }: KokoroWord): boolean {
  return LEADING_WORDS.has(spoken.toLowerCase());
}

function isHanging({ spoken }: KokoroWord): boolean {
  return HANGING_WORDS.has(spoken.toLowerCase());
}

/** A second and a half of speech, computed in one second by two cores: half of that is the price of a run however short. */
const FIRST_LETTERS = 24;
/** While so many letters are spoken, twice as many are computed by two cores. */
const GROWTH = 2;
/** Five seconds of speech: what a cancel may have to wait for, two seconds of two cores. */
const LETTERS_MAX = 80;
/** A second of speech with the pause after it, in which the shortest next clause is just computed. */
const LETTERS_MIN = 14;
/** "Spanish | and Portuguese …": so short, it is no clause but the first of two names. */
const UNMARKED_LETTERS_MIN = 21;
/** Costs, in parts of the wanted length that somebody waits longer: a comma is worth nearly nothing, a cut just anywhere all of it. */
const COMMA_COST = 0.1;
const JOINING_COST = 0.5;
const LEADING_COST = 1.4;
const ANYWHERE_COST = 3;
const SHORTNESS_COST = 1.5;
const JOINING_WORDS: ReadonlySet<string> = new Set(
  "and but or nor so yet because although though while whereas which who whom whose that when where if unless until since before after then".split(
    " ",
  ),
);
/** A phrase may begin with these, and none ends in them. */
const LEADING_WORDS: ReadonlySet<string> = new Set(
  "in on at by for from to with without about into over under through during between as than my your his her its our their".split(
    " ",
  ),
);
/** Nor in these, which begin none either. */
const HANGING_WORDS: ReadonlySet<string> = new Set(
  "a an the of is are was were be not no my your his her its our their".split(" "),
);
