/** Which words mean "go on" and which mean something. Owns the lists; decides nothing about a reply. */

/** Words of a text as they are compared: lower case, without punctuation. */
export function wordsOf(text: string): string[] {
  return text
    .toLowerCase()
    .replace(/[’ʼ]/gu, "'")
    .split(/[^\p{L}\p{N}']+/u)
    .filter((word) => word !== "" && word !== "'");
}

/** Recognises backchannels of one language, or of the words that a session names instead. */
export class Backchannels {
  readonly #phrases: ReadonlyArray<readonly string[]>;

  /** @param language BCP 47; where it has no list of its own, only the sounds that mean the same everywhere count. */
  constructor(language: string, own?: readonly string[]) {
    const listed = own ?? [...SOUNDS, ...(WORDS[primary(language)] ?? [])];
    this.#phrases = listed
      .map(wordsOf)
      .filter((phrase) => phrase.length > 0)
      .sort((a, b) => b.length - a.length);
  }

  /** The words that are left when every backchannel is taken out. */
  meaningful(text: string): string[] {
    const words = wordsOf(text);
    const left: string[] = [];
    for (let at = 0; at < words.length; ) {
      const length = this.#phraseAt(words, at);
      if (length === 0) left.push(words[at] ?? "");
      at += Math.max(1, length);
    }
    return left;
  }

  #phraseAt(words: readonly string[], at: number): number {
    const phrase = this.#phrases.find((each) =>
      each.every((word, index) => words[at + index] === word),
    );
    return phrase?.length ?? 0;
  }
}

function primary(language: string): string {
  return language.split("-", 1)[0]?.toLowerCase() ?? "";
}

/** As recognisers write them; they spell one hum in many ways. */
const SOUNDS = [
  ..."mm mmm mmmm hm hmm hmmm mhm mhmm uh um umm er erm ah ahh oh ooh aha huh hum eh mh m".split(
    " ",
  ),
  ..."mm hm,mm hmm,mhm hmm,uh huh,uh hum,um hum,um hm,m hm,m hmm,oh oh,ah ha".split(","),
];

/**
 * Answers ("no", "sure", "thank you") are not among them: who says one over a reply may well be answering it, and being paused is
 * worse for nobody than not being heard.
 */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  en: "yeah,yep,yup,yes,ya,ok,okay,kay,right,alright,all right,i see,got it,go on,go ahead,of course,exactly,true,indeed,wow,cool,nice".split(
    ",",
  ),
  de: "ja,jaja,jo,genau,stimmt,klar,okay,ok,ach so,achso,aha,verstehe,weiter,gut,richtig".split(
    ",",
  ),
  fr: "oui,ouais,ok,okay,d'accord,voilà,bien sûr,je vois,exactement,hein,ah bon,tout à fait".split(
    ",",
  ),
  es: "sí,si,ajá,vale,claro,ya,okay,ok,bueno,exacto,entiendo,sigue".split(","),
  it: "sì,si,già,certo,ok,okay,esatto,capisco,va bene,giusto".split(","),
  pt: "sim,é,tá,claro,certo,ok,okay,entendi,isso,exato".split(","),
  nl: "ja,jaja,oké,ok,precies,klopt,juist,ik snap het".split(","),
};
