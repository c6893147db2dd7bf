/** Turns a stream of written text into utterances worth speaking. Pure; knows no voice and no time. */

/**
 * Tokens in, texts of utterances out: an early first clause, then whole sentences.
 *
 * The first utterance decides when the listener hears something, so it may end at a comma; what follows is spoken in
 * sentences, for the voice's melody. Where the text is cut depends on the text alone, never on how it arrived. Every
 * character that is to be spoken comes out once; markup that only an eye understands (emphasis, headings, bullets,
 * link targets) is left out. Time is linear in the text; at most one utterance is held back.
 */
export class SentenceChunker {
  readonly #charsMax: number;
  /** The word that is still being written. */
  #partial = "";
  /** What came before it. */
  #gap: Gap = { space: false, newlines: 2 };
  /** Words of the utterance that is being gathered. */
  #words: Word[] = [];
  #chars = 0;
  #spoken = 0;
  #lineIsItem = false;

  constructor(options: { charsMax?: number } = {}) {
    this.#charsMax = options.charsMax ?? UTTERANCE_CHARS_MAX;
  }

  /** Takes the next piece of text; gives the utterances that are now complete. */
  push(text: string): string[] {
    const ready: string[] = [];
    for (const char of text) this.#take(char, ready);
    return ready;
  }

  /** The text is over: gives what is left. */
  end(): string[] {
    const ready: string[] = [];
    this.#closeWord(ready);
    if (this.#words.length > 0) this.#emit(this.#words.length, ready);
    return ready;
  }

  #take(char: string, ready: string[]): void {
    if (WHITESPACE.test(char)) {
      this.#closeWord(ready);
      this.#gap.space = true;
      if (char === "\n") this.#gap.newlines += 1;
      return;
    }
    this.#partial += char;
    if (WIDE_STOP.test(char) || this.#partial.length >= this.#charsMax - 1) this.#closeWord(ready);
  }

  #closeWord(ready: string[]): void {
    if (this.#partial === "") return;
    const raw = this.#partial;
    const gap = this.#gap;
    this.#partial = "";
    this.#gap = { space: false, newlines: 0 };
    const atLineStart = gap.newlines > 0;
    const markup = atLineStart && (LINE_MARKUP.test(raw) || FENCE_OR_RULE.test(raw));
    const itemNumber = atLineStart && ITEM_NUMBER.test(raw);
    if (atLineStart && (gap.newlines > 1 || markup || itemNumber || this.#lineIsItem)) {
      if (this.#words.length > 0) this.#emit(this.#words.length, ready);
    }
    if (atLineStart) this.#lineIsItem = markup || itemNumber;
    const text = markup ? "" : withoutMarkup(raw);
    if (text === "") {
      // What was left out still separated its neighbours.
      this.#gap.space = true;
      return;
    }
    this.#settle(text, ready);
    this.#makeRoom(text, ready);
    this.#add({ text, space: gap.space || markup, breakAfter: breakAfter(text, itemNumber) });
    this.#cut(ready);
  }

  /** A break that waited for its next word is decided by it. */
  #settle(next: string, ready: string[]): void {
    const last = this.#words.at(-1);
    if (last === undefined) return;
    const starts = OPENERS.exec(next)?.[0].length ?? 0;
    const bare = next.slice(starts);
    const ends =
      (last.breakAfter === "if-capital" && CAPITAL.test(bare)) ||
      (last.breakAfter === "if-starter" && STARTERS.has(bare.replace(/[,.!?]+$/, "")));
    const joins =
      this.#spoken === 0 &&
      this.#words.length >= FIRST_CLAUSE_WORDS_UNPUNCTUATED &&
      JOINING_WORDS.has(bare);
    if (ends || joins) this.#emit(this.#words.length, ready);
  }

  #makeRoom(next: string, ready: string[]): void {
    if (this.#words.length === 0 || this.#chars + 1 + next.length <= this.#charsMax) return;
    let chars = 0;
    let atClause = 0;
    for (const [index, word] of this.#words.entries()) {
      chars += word.text.length + 1;
      if (word.breakAfter === "clause" && chars >= LONG_CLAUSE_CHARS_MIN) atClause = index + 1;
    }
    this.#emit(atClause > 0 ? atClause : this.#words.length, ready);
    // What stays behind a clause is shorter than the limit, but its sum with the next word may not be.
    this.#makeRoom(next, ready);
  }

  #cut(ready: string[]): void {
    const kind = this.#words.at(-1)?.breakAfter;
    const early = this.#spoken === 0 && this.#words.length >= FIRST_CLAUSE_WORDS_MIN;
    if (kind === "sentence" || (kind === "clause" && early)) this.#emit(this.#words.length, ready);
  }

  #add(word: Word): void {
    this.#words.push(word);
    this.#chars += word.text.length + (word.space && this.#words.length > 1 ? 1 : 0);
  }

  #emit(count: number, ready: string[]): void {
    const rest = this.#words.splice(count);
    const text = this.#words.reduce(
      (joined, word) => joined + (word.space && joined !== "" ? " " : "") + word.text,
      "",
    );
    ready.push(text);
    this.#spoken += 1;
    this.#words = [];
    this.#chars = 0;
    for (const word of rest) this.#add(word);
  }
}

interface Gap {
  space: boolean;
  newlines: number;
}

interface Word {
  text: string;
  /** White space stood before it. */
  space: boolean;
  breakAfter: Break;
}

/** What may end after a word: nothing, a clause, a sentence, or a sentence if the next word looks like the start of one. */
type Break = "none" | "clause" | "sentence" | "if-capital" | "if-starter";

function breakAfter(word: string, isItemNumber: boolean): Break {
  if (isItemNumber) return "none";
  const bare = word.replace(CLOSERS, "");
  if (/[!?。！？]$/.test(bare)) return "sentence";
  if (/(\.\.|…)$/.test(bare)) return "if-capital";
  if (bare.endsWith(".")) return breakAfterPeriod(bare.replace(OPENERS, ""));
  return /[,;:—–、，；：]$/.test(bare) ? "clause" : "none";
}

function breakAfterPeriod(word: string): Break {
  const lower = word.toLowerCase();
  if (ABBREVIATIONS.has(lower)) return "none";
  if (/^\p{Lu}\.$/u.test(word)) return word === "I." ? "if-capital" : "none";
  if (ENDING_ABBREVIATIONS.has(lower) || /^(\p{L}\.){2,}$/u.test(word)) return "if-starter";
  return "sentence";
}

/** Emphasis, code marks and link targets go; characters inside a word stay. */
function withoutMarkup(word: string): string {
  if (FENCE_OR_RULE.test(word)) return "";
  let text = word.replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1");
  // A link whose text has several words arrives as "[several" … "words](target)".
  text = text.replace(/^([("'“]*)!?\[(?!\d+\])/, "$1").replace(/\]\([^)]*\)/g, "");
  text = text.replace(/<(https?:[^>]*)>/g, "$1").replace(/`+|\*\*+|~~/g, "");
  // One star or underscore is emphasis only at a word's edge: snake_case and 2*3 are words.
  text = text.replace(/^([("'“]*)[*_]+(?=[^\s*_])/, "$1");
  return text.replace(/(?<=[^\s*_])[*_]+([)"'”’.,;:!?…]*)$/, "$1");
}

/** A little under what speech models take well in one piece; about 17 s of speech. */
const UTTERANCE_CHARS_MAX = 250;
/** Shorter openings ("Well,") sound cut off, and would end before the next utterance is ready. */
const FIRST_CLAUSE_WORDS_MIN = 3;
/** Without punctuation, a clause this long may end before a joining word: two seconds of speech are bridged by then. */
const FIRST_CLAUSE_WORDS_UNPUNCTUATED = 6;
/** When a sentence is too long, a cut at a comma is better than one later in mid-phrase, unless little would be left. */
const LONG_CLAUSE_CHARS_MIN = 60;

const WHITESPACE = /\s/u;
/** Scripts without spaces end their clauses with these; they separate words here. */
const WIDE_STOP = /[。！？、，；：]/u;
const LINE_MARKUP = /^([-*+•]|#{1,6}|>+|\|)$/;
const ITEM_NUMBER = /^\d{1,3}[.)]$/;
const FENCE_OR_RULE = /^(`{3,}\S*|~{3,}\S*|[-*_=]{3,}|\|?[-:|]{3,}\|?|\||\*\*+)$/;
const OPENERS = /^["'“‘(*_[`]+/;
const CLOSERS = /["'”’)\]}»]+$/;
const CAPITAL = /^[\p{Lu}\p{N}]/u;

/** Never the end of a sentence: something always follows. */
const ABBREVIATIONS: ReadonlySet<string> = new Set(
  "dr. mr. mrs. ms. prof. st. mt. gen. col. sgt. capt. rev. hon. vs. e.g. i.e. cf. nr. fig. vol. pp. approx. bzw. z.b. d.h.".split(
    " ",
  ),
);

/** May end a sentence; these do when a word follows that usually begins one. */
const ENDING_ABBREVIATIONS: ReadonlySet<string> = new Set(
  "etc. inc. ltd. co. corp. jr. sr. a.m. p.m. ave. dept. est. usw.".split(" "),
);

const STARTERS: ReadonlySet<string> = new Set(
  "A An And Are As At But Do For From He Here How I If In It Its It's Let Maybe My No Not Now On Or Our She So Some That That's The Their Then There These They This Those To We Well What When Where Which While Who Why With Would Yes You Your".split(
    " ",
  ),
);

const JOINING_WORDS: ReadonlySet<string> = new Set(
  "and but or because so that which who when while if although though since unless until where whereas then".split(
    " ",
  ),
);
