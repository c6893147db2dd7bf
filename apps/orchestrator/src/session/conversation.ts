/** The dialogue as both sides heard it. Owns merging and bounds; what was heard of a reply is decided in `spoken-text.ts`. */

export interface ConversationEntry {
  role: "user" | "assistant";
  text: string;
  /** The assistant was cut short after these words. */
  interrupted: boolean;
}

/**
 * The history that the language model sees and the record keeps.
 *
 * A reply of which nothing was heard leaves no entry, so the person's turns around it become one. The oldest entries go first when
 * there are too many: the model's window is finite, and so is the record.
 */
export class Conversation {
  readonly #entries: ConversationEntry[];

  constructor(entries: readonly ConversationEntry[] = []) {
    this.#entries = entries.map((entry) => ({ ...entry }));
  }

  get entries(): readonly ConversationEntry[] {
    return this.#entries;
  }

  addUser(text: string): void {
    this.#add({ role: "user", text, interrupted: false });
  }

  /** `text`: the words that were heard; "" adds nothing. */
  addAssistant(text: string, interrupted: boolean): void {
    if (text !== "") this.#add({ role: "assistant", text, interrupted });
  }

  /** Two things said in a row are one entry, as models expect: a greeting and an announcement, a turn that was never answered. */
  #add(entry: ConversationEntry): void {
    const last = this.#entries.at(-1);
    if (last?.role === entry.role) {
      last.text = `${last.text} ${entry.text}`;
      last.interrupted = entry.interrupted;
    } else this.#entries.push(entry);
    this.#forgetOldest();
  }

  #forgetOldest(): void {
    let chars = this.#entries.reduce((sum, each) => sum + each.text.length, 0);
    while (this.#entries.length > ENTRIES_MAX || (chars > CHARS_MAX && this.#entries.length > 1)) {
      chars -= this.#entries.shift()?.text.length ?? 0;
    }
    // A session of transcripts only is one entry without end: its newest words stay.
    const [only] = this.#entries;
    if (only !== undefined && chars > CHARS_MAX) {
      only.text = only.text.slice(-CHARS_MAX).replace(/^\S*\s+/u, "");
    }
  }
}

/** Hundreds of exchanges: beyond what a model on one's own machine can read anyway. */
const ENTRIES_MAX = 400;
/** About 30,000 tokens, and well below what the session's object stores in one row. */
const CHARS_MAX = 120_000;
