/** A text's words as Kokoro's English is to say them: what is shown, what is spoken, which marks stand around it. Pure; knows no phonemes. */

export interface KokoroWord {
  /** As in the text, with its punctuation. */
  text: string;
  /** What the phonemiser gets. */
  spoken: string;
  /** Marks of the model's alphabet before and after it. */
  before: string;
  after: string;
}

/** Words with something to pronounce in them; marks that stand alone belong to the word before them. Emoji and other scripts are silent. */
export function kokoroWordsOf(text: string): KokoroWord[] {
  const words: KokoroWord[] = [];
  let orphan = "";
  for (const token of text.split(/\s+/u).filter((part) => part !== "")) {
    const word = wordOf(token);
    const last = words.at(-1);
    if (word !== undefined) {
      words.push({ ...word, text: orphan + token });
      orphan = "";
    } else if (last !== undefined) {
      last.text += ` ${token}`;
      last.after += marksOf(readable(token));
    } else orphan += `${token} `;
  }
  return words;
}

function wordOf(token: string): Omit<KokoroWord, "text"> | undefined {
  const plain = readable(token);
  if (!PRONOUNCEABLE.test(plain)) return undefined;
  const [, before = "", core = "", after = ""] =
    /^([^\p{L}\p{N}$£€#&@+%=-]*)(.*?)([^\p{L}\p{N}&@+%#°=]*)$/su.exec(plain) ?? [];
  return {
    spoken: spokenForm(ABBREVIATION.test(core + after) ? `${core}.` : core),
    before: marksOf(before),
    after: marksOf(ABBREVIATION.test(core + after) ? after.slice(1) : after),
  };
}

/** Latin letters with their accents, digits, and the signs that are read or heard; typographic variants as one. */
function readable(token: string): string {
  return token
    .normalize("NFKC")
    .replace(/[‘’ʼ]/gu, "'")
    .replace(/[«»„]/gu, '"')
    .replace(/--+|–/gu, "—")
    .replace(/\.{2,}/gu, "…")
    .replace(/[^\p{Script=Latin}\p{N}\p{M}$£€#&@+%°=*/'"“”()[\]{}.,;:!?…—_~^<>|\\-]+/gu, "");
}

/** Of a run of marks the pauses, each once. Quotation marks and brackets are not heard. */
function marksOf(marks: string): string {
  const heard = marks.replace(/[^;:,.!?—…]/gu, "");
  return heard.replace(/(.)\1+/gu, "$1");
}

/** The phonemiser reads a year as a quantity, a price with its sign first, and breaks off in a long number. */
function spokenForm(core: string): string {
  return core
    .replace(/[—…]+/gu, " ")
    .replace(/^vs\.?$/iu, "versus")
    .replace(PRICE, (_, sign: string, whole: string, part = "00") => {
      const units = CURRENCIES[sign] ?? "";
      const unit = whole === "1" && part === "00" ? units.slice(0, -1) : units;
      return `${whole} ${unit}${part === "00" ? "" : ` ${part}`}`;
    })
    .replace(/^(\d{1,2}):00$/u, "$1 o'clock")
    .replace(/^(\d{1,2}):0([1-9])$/u, "$1 oh $2")
    .replace(/^(\d{1,2}):(\d\d)$/u, "$1 $2")
    .replace(/^(1[1-9])00(s?)$/u, "$1 hundred$2")
    .replace(/^(1[1-9])0([1-9])$/u, "$1 oh $2")
    .replace(
      /^(1[1-9]|20)([1-9])0s$/u,
      (_, century: string, decade: string) => `${century} ${DECADES[Number(decade)]}`,
    )
    .replace(/^(1[1-9]|20)([1-9]\d)$/u, "$1 $2")
    .replace(/(\d)-(?=\d)/gu, "$1 to ")
    .replace(/\d{10,}/gu, (digits) => Array.from(digits).join(" "));
}

const PRONOUNCEABLE = /[\p{L}\p{N}$£€#&@%+=]/u;
/** Their full stop ends no sentence, and the phonemiser reads them by it. */
const ABBREVIATION = /^(?:(?:Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|vs|etc)\.|(?:\p{L}\.){1,})[,;:!?]?$/u;
const CURRENCIES: Readonly<Record<string, string>> = { $: "dollars", "£": "pounds", "€": "euros" };
const PRICE = /([$£€])(\d[\d,]*)(?:\.(\d\d))?(?![\d.])/gu;
/** By their first digit. */
const DECADES =
  ", tens, twenties, thirties, forties, fifties, sixties, seventies, eighties, nineties".split(
    ", ",
  );
