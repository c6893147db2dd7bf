/** Kokoro's files on disk: which graph, which symbols, which voices. Reads them; runs nothing. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { AntiphonError } from "@antiphon/protocol";
import type { Accent } from "./kokoro-phonemes.ts";

export interface KokoroFiles {
  graphPath: string;
  /** The id of each symbol the model knows. */
  symbols: ReadonlyMap<string, number>;
  voices: KokoroVoices;
}

/** Throws in words for people where something is missing. */
export function openKokoroFiles(directory: string): KokoroFiles {
  const entries = entriesOf(directory);
  const graph = GRAPHS.find((name) => entries.includes(name));
  if (graph === undefined || !entries.includes("config.json")) {
    throw missing(directory, `${GRAPHS.join(" or ")} and config.json`);
  }
  const { vocab } = JSON.parse(readFileSync(join(directory, "config.json"), "utf8")) as {
    vocab: Record<string, number>;
  };
  const voices = new KokoroVoices(join(directory, "voices"));
  if (voices.spoken.length === 0) throw missing(directory, "an English voice in voices/");
  return { graphPath: join(directory, graph), symbols: new Map(Object.entries(vocab)), voices };
}

/** A voice is a table of styles, one for each length of text. Its name's first letter says its language. */
export class KokoroVoices {
  /** Those that can be spoken with here. */
  readonly spoken: readonly string[];
  readonly #directory: string;
  readonly #all: ReadonlySet<string>;
  readonly #tables = new Map<string, Float32Array>();

  constructor(directory: string) {
    this.#directory = directory;
    const names = entriesOf(directory)
      .filter((file) => file.endsWith(".bin"))
      .map((file) => file.slice(0, -".bin".length))
      .sort();
    this.#all = new Set(names);
    this.spoken = names.filter((name) => name.charAt(0) in ACCENTS);
  }

  get default(): string {
    return this.spoken.find((name) => name === FAVOURITE) ?? this.spoken[0] ?? "";
  }

  /** Throws `not_found`, or `unimplemented` for a voice whose language cannot be turned into phonemes. */
  accentOf(voice: string): Accent {
    if (!this.#all.has(voice)) {
      throw new AntiphonError("not_found", `Kokoro has no voice "${voice.slice(0, 64)}".`);
    }
    const letter = voice.charAt(0);
    const accent = ACCENTS[letter];
    if (accent !== undefined) return accent;
    const language = LANGUAGES[letter];
    const phonemiser = language === undefined ? "another" : `a ${language}`;
    throw new AntiphonError(
      "unimplemented",
      `The voice "${voice}" needs ${phonemiser} phonemiser; there is only an English one.`,
    );
  }

  /** For so many symbols. */
  styleOf(voice: string, symbols: number): Float32Array {
    let table = this.#tables.get(voice);
    if (table === undefined) {
      // Copied: a small file is read into the middle of a pool, where floats may not begin.
      const bytes = Uint8Array.from(readFileSync(join(this.#directory, `${voice}.bin`)));
      if (bytes.length !== SYMBOLS_MAX * STYLE_WIDTH * Float32Array.BYTES_PER_ELEMENT) {
        throw new Error(`kokoro's voice ${voice} has ${bytes.length} bytes`);
      }
      table = new Float32Array(bytes.buffer);
      this.#tables.set(voice, table);
    }
    const row = Math.min(symbols, SYMBOLS_MAX - 1);
    return table.slice(row * STYLE_WIDTH, (row + 1) * STYLE_WIDTH);
  }
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    // Not there: whoever asks finds what it needs missing, and says so.
    return [];
  }
}

function missing(directory: string, what: string): AntiphonError {
  return new AntiphonError(
    "unavailable",
    `Kokoro's files are missing: ${what}${directory === "" ? "" : ` in ${directory}`}. Set ANTIPHON_MODELS_DIR to the folder that holds kokoro-82m.`,
  );
}

/** More than a run may have between its two marks of start and end; also the rows of a voice. */
export const SYMBOLS_MAX = 510;
export const STYLE_WIDTH = 256;
/** The same weights twice: the first computes its convolutions in float, three times as fast on a CPU. */
const GRAPHS = ["kokoro-v1.0.int8w.onnx", "kokoro-v1.0.int8.onnx"];
/** The voice with the most training behind it. */
const FAVOURITE = "af_heart";
const ACCENTS: Readonly<Record<string, Accent>> = { a: "en-us", b: "en-gb" };
const LANGUAGES: Readonly<Record<string, string>> = {
  e: "Spanish",
  f: "French",
  h: "Hindi",
  i: "Italian",
  j: "Japanese",
  p: "Portuguese",
  z: "Chinese",
};
