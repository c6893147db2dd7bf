/** Flite: small English voices on the CPU, straight from an npm package. Owns text preparation, voices and word timings; WASI is in `flite-command.ts`. */
import { AntiphonError } from "@antiphon/protocol";
import {
  firstSecond,
  type SpeechAdapter,
  type SpeechCapabilities,
  type SpeechRequest,
} from "./adapter.ts";
import { createFliteCommand, type FliteCommand } from "./flite-command.ts";
import { placeTokens, SILENCE, type Token } from "./flite-words.ts";

export interface FliteOptions {
  /** This adapter's alone; whoever made it removes it. */
  scratchDirectory: string;
}

/**
 * A run blocks the child: 60 ms for a sentence of 3 s. Between runs other jobs get their turn, and word timings are looked up
 * only after a second of audio has left.
 */
export function createFliteAdapter(options: FliteOptions): SpeechAdapter {
  let command: FliteCommand | undefined;
  let pronunciations: Pronunciations | undefined;
  return {
    kind: "tts",
    capabilities: FLITE_CAPABILITIES,
    async load() {
      command = await createFliteCommand(options.scratchDirectory);
      pronunciations = new Pronunciations(command);
    },
    async *synthesize(request, signal) {
      if (command === undefined || pronunciations === undefined) {
        throw new Error("flite was asked before it was loaded");
      }
      checkVoice(request);
      const text = readable(request.text);
      if (!PRONOUNCEABLE.test(text)) return;
      await turn();
      if (signal.aborted) return;
      const { audio, phones } = command.speak(text, request);
      // Text that Flite cannot read comes back as silence, without an error.
      if (phones.every((phone) => phone.name === SILENCE)) return;
      const { sampleRateHz } = audio;
      const [first, rest] = firstSecond(audio.samples, sampleRateHz);
      yield { kind: "samples", samples: first, sampleRateHz };
      const tokens = await pronunciations.tokensOf(request.text, signal);
      if (signal.aborted) return;
      yield { kind: "words", words: placeTokens(tokens, phones) };
      if (signal.aborted || rest.length === 0) return;
      yield { kind: "samples", samples: rest, sampleRateHz };
    },
  };
}

export const FLITE_CAPABILITIES: SpeechCapabilities = {
  model: "flite",
  voices: ["slt", "rms", "awb"],
  defaultVoice: "slt",
  languages: ["en-US"],
  wholeUtterance: true,
  // A second of speech costs 20 ms: so many talk at once before one of them waits for a sentence.
  slots: 16,
  licence: "BSD-4-Clause",
};

/** How each word is pronounced on its own, asked for in groups and remembered. */
class Pronunciations {
  readonly #command: FliteCommand;
  readonly #known = new Map<string, readonly string[]>();

  constructor(command: FliteCommand) {
    this.#command = command;
  }

  /** The text's words with their punctuation; marks that stand alone belong to the word before them. */
  async tokensOf(text: string, signal: AbortSignal): Promise<Token[]> {
    const words = wordsOf(text).map((shown) => ({ shown, spoken: bare(shown) }));
    const wanted = new Set(
      words.map((word) => word.spoken).filter((word) => !this.#known.has(word)),
    );
    const unknown = [...wanted];
    for (let start = 0; start < unknown.length; start += GROUP_WORDS) {
      await turn();
      if (signal.aborted) return [];
      this.#learn(unknown.slice(start, start + GROUP_WORDS));
    }
    const tokens = words.map(({ shown, spoken }) => ({
      text: shown,
      phones: this.#known.get(spoken) ?? [],
    }));
    this.#forgetSome();
    return tokens;
  }

  /** A full stop after each word makes it a sentence, with silence around it. Where that does not hold ("Dr."), halves are asked. */
  #learn(words: readonly string[]): void {
    const groups = split(this.#command.phonesOf(words.map((word) => `${word}.`).join(" ")));
    if (words.length === 1 || groups.length === words.length) {
      words.forEach((word, index) => {
        this.#known.set(word, words.length === 1 ? groups.flat() : (groups[index] ?? []));
      });
      return;
    }
    const middle = words.length >> 1;
    this.#learn(words.slice(0, middle));
    this.#learn(words.slice(middle));
  }

  #forgetSome(): void {
    for (const word of this.#known.keys()) {
      if (this.#known.size <= KNOWN_MAX) return;
      this.#known.delete(word);
    }
  }
}

/** Between silences. */
function split(phones: readonly string[]): string[][] {
  const groups: string[][] = [];
  let group: string[] = [];
  for (const phone of [...phones, SILENCE]) {
    if (phone !== SILENCE) group.push(phone);
    else if (group.length > 0) {
      groups.push(group);
      group = [];
    }
  }
  return groups;
}

function wordsOf(text: string): string[] {
  const words: string[] = [];
  let before = "";
  for (const token of text.split(/\s+/u).filter((part) => part !== "")) {
    if (PRONOUNCEABLE.test(readable(token))) {
      words.push(before + token);
      before = "";
    } else if (words.length > 0) words[words.length - 1] += ` ${token}`;
    else before += `${token} `;
  }
  return words;
}

/** What of a word is looked up: without the punctuation around it. */
function bare(word: string): string {
  return readable(word)
    .toLowerCase()
    .replace(/^[^a-z0-9$#&@%+]+|[^a-z0-9&@%+]+$/g, "");
}

/** Flite reads ASCII: accents are taken off, typographic marks replaced, the rest (emoji, other scripts) left out. */
function readable(text: string): string {
  return text
    .normalize("NFKD")
    .replace(/[‘’ʼ]/gu, "'")
    .replace(/[“”«»]/gu, '"')
    .replace(/\s*[—–]\s*/gu, ", ")
    .replace(/…/gu, "...")
    .replace(/\p{M}/gu, "")
    .replace(/[^\x20-\x7e]+/gu, " ");
}

function checkVoice({ voice }: SpeechRequest): void {
  // Flite itself would take any name, and speak with its worst voice.
  if (FLITE_CAPABILITIES.voices.includes(voice)) return;
  throw new AntiphonError("not_found", `Flite has no voice "${voice.slice(0, 64)}".`);
}

/** Lets messages in, a cancel among them, and other jobs have their turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const PRONOUNCEABLE = /[A-Za-z0-9$%&@+#=]/;
/** 20 ms a run: what another job's audio may have to wait for. */
const GROUP_WORDS = 12;
/** A year of conversation uses fewer words; a megabyte. */
const KNOWN_MAX = 10_000;
