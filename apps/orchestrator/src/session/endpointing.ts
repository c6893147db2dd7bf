/** How long a silence ends a turn, judged by what was said before it. Pure: text and settings in, milliseconds out. Knows no audio and no time. */

export interface EndpointingOptions {
  /** "manual": silence ends nothing. */
  mode: "auto" | "manual";
  /** Silence that ends a turn after a sentence that sounds complete. */
  minDelayMs: number;
  /** Silence that ends a turn whatever was said last; at least `minDelayMs`. */
  maxDelayMs: number;
  /** BCP 47, of the person's speech. Words are judged in English; of any other language only the punctuation is. */
  language: string | undefined;
}

/** What a text sounds like, as if nothing came after it. */
export type Ending =
  /** "What time is it?" */
  | "complete"
  /** "next Tuesday": may be all, may not. */
  | "undecided"
  /** "five five five": numbers and spellings are dictated in groups. */
  | "dictating"
  /** "I would like", "and", "um". */
  | "unfinished";

/** An operator's bounds, and a session's own before them. Where they cross, the one that was asked for wins over the one that was not. */
export function endpointingBounds(
  defaults: { minDelayMs: number; maxDelayMs: number },
  options: {
    endpointingMinDelayMs?: number | undefined;
    endpointingMaxDelayMs?: number | undefined;
  },
): { minDelayMs: number; maxDelayMs: number } {
  const maxAskedMs = options.endpointingMaxDelayMs ?? Number.POSITIVE_INFINITY;
  const minDelayMs = options.endpointingMinDelayMs ?? Math.min(defaults.minDelayMs, maxAskedMs);
  const maxDelayMs = options.endpointingMaxDelayMs ?? defaults.maxDelayMs;
  return { minDelayMs, maxDelayMs: Math.max(minDelayMs, maxDelayMs) };
}

/** The silence that ends a turn with these words: between the two bounds, never outside them. */
export function endpointingDelayMs(text: string, options: EndpointingOptions): number {
  const { minDelayMs, maxDelayMs, language } = options;
  return minDelayMs + PATIENCE[endingOf(text, language)] * (maxDelayMs - minDelayMs);
}

/** `text`: the turn so far. Recognisers write full stops in mid-sentence and commas at ends, so the last words count for more. */
export function endingOf(text: string, language: string | undefined): Ending {
  const trimmed = text.trim();
  // A sound without words: there is nothing that could go on.
  if (trimmed === "") return "complete";
  const mark = markOf(trimmed);
  if (mark === "open") return "unfinished";
  if (language?.split("-", 1)[0]?.toLowerCase() !== "en") {
    return mark === "stop" || mark === "question" ? "complete" : "undecided";
  }
  const sentence = lastSentence(trimmed);
  const words = wordsOf(sentence);
  const last = words.at(-1) ?? "";
  const first = words[0] ?? "";
  if (HANGING_WORDS.has(last) || WISH.test(words.join(" "))) return "unfinished";
  // Dictation has the melody of questions, and is written so.
  if (isDictating(words)) return "dictating";
  if (mark === "question") return "complete";
  if (PREPOSITIONS.has(last)) {
    return mark === "stop" && ASKING_WORDS.has(first) ? "complete" : "unfinished";
  }
  // "So." and "Like," lead somewhere; "I think so." ends.
  if (LEADING_WORDS.has(last)) {
    return mark === "stop" && words.length > 1 ? "undecided" : "unfinished";
  }
  // "If it rains," lacks its second half.
  if (SUBORDINATING_WORDS.has(first) && !/,\s/u.test(sentence)) {
    return mark === "comma" ? "unfinished" : "undecided";
  }
  if (mark === "stop") return "complete";
  return mark === "none" && COMPLETE_WORDS.has(last) ? "complete" : "undecided";
}

/** "open": the writer says himself that more comes. */
type Mark = "stop" | "question" | "comma" | "open" | "none";

function markOf(text: string): Mark {
  const bare = text.replace(CLOSERS, "");
  if (/(?:\.\.|…|:|：|-|–|—)$/u.test(bare)) return "open";
  if (/[?？؟]$/u.test(bare)) return "question";
  if (/[.!。！।۔]$/u.test(bare)) return "stop";
  return /[,;，；、]$/u.test(bare) ? "comma" : "none";
}

function lastSentence(text: string): string {
  return (
    text
      .replace(/[.!?,;\s"'”’)]+$/u, "")
      .split(/(?<=[.!?])\s+/u)
      .at(-1) ?? ""
  );
}

function wordsOf(sentence: string): string[] {
  return (
    sentence
      .toLowerCase()
      .replace(/’/gu, "'")
      // Agreement, not hesitation.
      .replace(/\bm+[- ]hm+\b/gu, "mhm")
      .split(/[^\p{L}\p{N}']+/u)
      .filter((word) => word !== "")
  );
}

/** Ends in two digits or letters that were said one by one, or in a number too long for an amount. */
function isDictating(words: readonly string[]): boolean {
  const last = words.at(-1) ?? "";
  const before = words.at(-2) ?? "";
  if (/^\d{5,}$/.test(last)) return true;
  if (isDigits(last) && isDigits(before)) return true;
  return /^\p{L}$/u.test(last) && /^\p{L}$/u.test(before);
}

function isDigits(word: string): boolean {
  return DIGIT_WORDS.has(word) || /^\d+$/.test(word);
}

function setOf(words: string): ReadonlySet<string> {
  return new Set(words.split(" "));
}

/**
 * Where between the bounds each ending lies. With 500 and 2,000 ms: 500, 875, 1,400 and 2,000. Undecided is what most texts without
 * punctuation are, so it must not feel slow; groups of a number are about a second apart, and it has an end that nothing announces.
 */
const PATIENCE: Readonly<Record<Ending, number>> = {
  complete: 0,
  undecided: 0.25,
  dictating: 0.6,
  unfinished: 1,
};

const CLOSERS = /["'”’)\]»]+$/u;

/** No sentence ends with these, whatever mark a recogniser puts behind them: fillers, articles, possessives, conjunctions, contractions. */
const HANGING_WORDS = setOf(
  "um umm uh uhh uhm er erm hmm a an the my your our their its every very and or but nor because cause cuz than if unless although though whether while whereas i'm i'd i'll i've it's that's there's here's he's she's what's who's where's how's let's we're we'll we've we'd they're they'll they've they'd you're you'll you've you'd gonna wanna gotta mr mrs ms dr",
);
/** "I would like.": the commonest beginning of a request, and recognisers do put a full stop there. */
const WISH = /\b(?:i|we)(?: would|'d) (?:really )?like$/;
/** End a sentence only in questions ("Where are you from?"). */
const PREPOSITIONS = setOf(
  "to of for with from at into onto as between among against during without towards toward per via",
);
/** Often lead on, sometimes end: a full stop behind them is half believed. */
const LEADING_WORDS = setOf(
  "so well like then also just really maybe actually basically anyway in on off up down out over about around through by after before since until till under behind i he she we they is are am was were be been being have has had do does did can could will would shall should may might must want wants need needs this these that those which who what where when how some any more most other another not",
);
/** A question whose mark was not heard begins so. */
const ASKING_WORDS = setOf("what who whom whose where which when why how");
const SUBORDINATING_WORDS = setOf(
  "if when while because although though since unless whenever once",
);
/** Close a turn without any mark, for recognisers that write none. */
const COMPLETE_WORDS = setOf(
  "yes yeah yep no nope okay ok please thanks thank you bye goodbye stop hello hi correct exactly sure nothing",
);
const DIGIT_WORDS = setOf("zero oh one two three four five six seven eight nine double triple");
