/** Cuts an utterance's text into pieces a model can speak, as the text arrives. Owns where to cut, not what is said. */

/**
 * Gives a sentence as soon as the next one has begun, the rest at the end. Long sentences are cut at a clause, else at a space,
 * else anywhere: the time to the first sound and the model's memory grow with a piece.
 *
 * Belongs to one utterance. Pieces, joined, are the text.
 */
export class SentenceSplitter {
  readonly #segmenter: Intl.Segmenter;
  #text = "";

  constructor(language: string) {
    this.#segmenter = new Intl.Segmenter(supported(language), { granularity: "sentence" });
  }

  push(text: string): string[] {
    this.#text += text;
    const sentences = this.#sentences();
    // The last may go on with the next chunk.
    this.#text = sentences.pop() ?? "";
    if (this.#text.length > PIECE_CHARS_MAX) {
      const pieces = cutToLength(this.#text);
      this.#text = pieces.pop() ?? "";
      sentences.push(...pieces);
    }
    return sentences.flatMap(cutToLength);
  }

  flush(): string[] {
    const sentences = this.#sentences();
    this.#text = "";
    return sentences.flatMap(cutToLength);
  }

  /** The rules of Unicode take "Dr. Smith" apart; what ends in an abbreviation is joined with what follows. */
  #sentences(): string[] {
    const sentences: string[] = [];
    for (const { segment } of this.#segmenter.segment(this.#text)) {
      const before = sentences.at(-1);
      if (before !== undefined && ABBREVIATION.test(before)) {
        sentences[sentences.length - 1] = before + segment;
      } else sentences.push(segment);
    }
    return sentences;
  }
}

function cutToLength(sentence: string): string[] {
  const pieces: string[] = [];
  let rest = sentence;
  while (rest.length > PIECE_CHARS_MAX) {
    const cut = cutPosition(rest);
    pieces.push(rest.slice(0, cut));
    rest = rest.slice(cut);
  }
  if (rest !== "") pieces.push(rest);
  return pieces;
}

function cutPosition(text: string): number {
  const head = text.slice(0, PIECE_CHARS_MAX);
  for (const boundary of [CLAUSE_END, SPACE]) {
    const last = [...head.matchAll(boundary)].at(-1);
    // A cut near the front would leave as much as before.
    if (last !== undefined && last.index >= PIECE_CHARS_MAX / 4) return last.index + last[0].length;
  }
  // Not between the halves of a surrogate pair.
  return /[\uD800-\uDBFF]$/.test(head) ? PIECE_CHARS_MAX - 1 : PIECE_CHARS_MAX;
}

function supported(language: string): string {
  try {
    return Intl.Segmenter.supportedLocalesOf(language).at(0) ?? "en";
  } catch {
    // Not a well-formed tag: the model has accepted it, the rules of most languages are English ones here.
    return "en";
  }
}

/** A long sentence in print; about 15 s of speech, a quarter of a second of Flite's time. */
const PIECE_CHARS_MAX = 240;
const ABBREVIATION = /(?:^|\s)(?:Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|No|vs|e\.g|i\.e|[A-Z])\.\s*$/;
const CLAUSE_END = /[,;:–—]\s+/gu;
const SPACE = /\s+/gu;
