/** Kokoro-82M: neural English voices on the CPU. Owns the run of its graph, clause by clause; text, phonemes and timings are in `kokoro-*.ts`. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import {
  type AdapterWord,
  firstSecond,
  type SpeechAdapter,
  type SpeechRequest,
} from "./adapter.ts";
import { cutClauses } from "./kokoro-clauses.ts";
import { type KokoroFiles, openKokoroFiles, STYLE_WIDTH, SYMBOLS_MAX } from "./kokoro-files.ts";
import { type Accent, type Phonemiser, phonemesOf, pronounce } from "./kokoro-phonemes.ts";
import { loadPhonemiser } from "./kokoro-phonemiser.ts";
import { placeWords, soundingIn } from "./kokoro-timing.ts";
import { type KokoroWord, kokoroWordsOf } from "./kokoro-words.ts";

export interface KokoroOptions {
  /** Folder with `config.json`, the graph and `voices/`; "": nobody said where. */
  modelDirectory: string;
  /** Cores one run may use. */
  threads: number;
}

/** The adapter of one child. A run gives a clause whole and cannot be interrupted; a cancel is noticed between runs. */
export function createKokoroAdapter(options: KokoroOptions): SpeechAdapter {
  let model: Model | undefined;
  return {
    kind: "tts",
    get capabilities() {
      return {
        model: "kokoro-82m",
        voices: model?.files.voices.spoken ?? [],
        defaultVoice: model?.files.voices.default ?? "",
        languages: ["en-US", "en-GB"],
        wholeUtterance: true,
        // A run takes every core it may: two side by side would both come late.
        slots: 1,
        licence: "Apache-2.0; phonemes by eSpeak NG, GPL-3.0",
      };
    },
    async load() {
      const files = openKokoroFiles(options.modelDirectory);
      const phonemise = await loadPhonemiser();
      const graph = await InferenceSession.create(files.graphPath, {
        executionProviders: ["cpu"],
        intraOpNumThreads: options.threads,
        interOpNumThreads: 1,
        // Threads that wait would spin: on two busy cores that costs a third more of them, and a run takes longer by as much.
        extra: { session: { intra_op: { allow_spinning: "0" } } },
      });
      model = { files, graph, phonemise };
    },
    async *synthesize(request, signal) {
      if (model === undefined) throw new Error("kokoro was asked before it was loaded");
      const accent = model.files.voices.accentOf(request.voice);
      const clauses = cutClauses(kokoroWordsOf(request.text));
      let givenSamples = 0;
      let pauseSeconds = 0;
      for (const [index, clause] of clauses.entries()) {
        const ending = index === clauses.length - 1 ? "." : ",";
        const spoken = await speakClause(model, { ...request, accent, clause, ending }, signal);
        if (signal.aborted) return;
        if (spoken === undefined) continue;
        const pause = new Float32Array(Math.round(pauseSeconds * SAMPLE_RATE_HZ));
        const samples = toPcm(
          givenSamples === 0 ? spoken.samples : joined([pause, spoken.samples]),
        );
        const startSamples = givenSamples + samples.length - spoken.samples.length;
        givenSamples += samples.length;
        pauseSeconds = pauseAfter(clause) / request.speed;
        const [first, rest] = firstSecond(samples, SAMPLE_RATE_HZ);
        yield { kind: "samples", samples: first, sampleRateHz: SAMPLE_RATE_HZ };
        if (signal.aborted) return;
        yield { kind: "words", words: moved(spoken.words, startSamples / SAMPLE_RATE_HZ) };
        if (signal.aborted) return;
        if (rest.length > 0) {
          yield { kind: "samples", samples: rest, sampleRateHz: SAMPLE_RATE_HZ };
        }
      }
    },
  };
}

interface Model {
  files: KokoroFiles;
  graph: InferenceSession;
  phonemise: Phonemiser;
}

interface ClauseRequest extends SpeechRequest {
  accent: Accent;
  clause: readonly KokoroWord[];
  /** The mark that is spoken where the clause has none at its end. */
  ending: string;
}

/** Times count from the first of the samples. Undefined: cancelled, or nothing of it can be said. */
async function speakClause(
  model: Model,
  request: ClauseRequest,
  signal: AbortSignal,
): Promise<{ samples: Float32Array; words: AdapterWord[] } | undefined> {
  await turn();
  if (signal.aborted) return undefined;
  const words = await pronounce(request.clause, request.accent, model.phonemise);
  const phonemes = phonemesOf(words);
  if (!/\p{L}/u.test(phonemes)) return undefined;
  const ended = MARK_AT_END.test(phonemes) ? phonemes : phonemes + request.ending;
  const parts: Float32Array[] = [];
  for (const symbols of runsOf(ended, model.files.symbols)) {
    await turn();
    if (signal.aborted) return undefined;
    parts.push(trimmed(await run(model, symbols, request)));
  }
  const samples = joined(parts);
  const sounding = soundingIn(samples, SAMPLE_RATE_HZ);
  return sounding === undefined ? undefined : { samples, words: placeWords(words, sounding) };
}

/** As ids, unknown symbols left out. Only what has no clauses, a long number, needs more than one run. */
function runsOf(phonemes: string, symbols: ReadonlyMap<string, number>): number[][] {
  const ids = Array.from(phonemes).flatMap((symbol) => symbols.get(symbol) ?? []);
  const space = symbols.get(" ");
  const runs: number[][] = [];
  for (let start = 0; start < ids.length; ) {
    const lastSpace = ids.lastIndexOf(space ?? -1, start + RUN_SYMBOLS_MAX);
    const whole = ids.length - start <= RUN_SYMBOLS_MAX;
    const end = whole ? ids.length : lastSpace > start ? lastSpace : start + RUN_SYMBOLS_MAX;
    runs.push(ids.slice(start, end));
    start = end;
  }
  return runs;
}

async function run(
  { files, graph }: Model,
  symbols: readonly number[],
  { voice, speed }: SpeechRequest,
): Promise<Float32Array> {
  // The model expects its silent symbol around what is said.
  const tokens = BigInt64Array.from([0, ...symbols, 0], BigInt);
  const outputs = await graph.run({
    tokens: new Tensor("int64", tokens, [1, tokens.length]),
    style: new Tensor("float32", files.voices.styleOf(voice, symbols.length), [1, STYLE_WIDTH]),
    speed: new Tensor("float32", Float32Array.of(speed), [1]),
  });
  const { data } = outputs["audio"] ?? {};
  if (!(data instanceof Float32Array)) throw new Error("kokoro's graph gave no audio");
  return data;
}

/** The model puts a third to half a second of silence at both ends. What is kept fades in and out, so that no seam clicks. */
function trimmed(samples: Float32Array): Float32Array {
  const sounding = soundingIn(samples, SAMPLE_RATE_HZ);
  if (sounding === undefined) return new Float32Array(0);
  const { startSeconds, endSeconds } = sounding.speech;
  const kept = samples.slice(
    Math.max(0, Math.round((startSeconds - LEAD_SECONDS) * SAMPLE_RATE_HZ)),
    Math.round((endSeconds + TAIL_SECONDS) * SAMPLE_RATE_HZ),
  );
  for (let index = 0; index < FADE_SAMPLES; index++) {
    const factor = index / FADE_SAMPLES;
    kept[index] *= factor;
    kept[kept.length - 1 - index] *= factor;
  }
  return kept;
}

/** What the model itself leaves at such a mark within a clause, less the ends that are kept. */
function pauseAfter(clause: readonly KokoroWord[]): number {
  const mark = clause.at(-1)?.after.at(-1);
  if (mark === undefined) return 0;
  return mark === "," ? 0.2 : 0.3;
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let length = 0;
  for (const part of parts) {
    all.set(part, length);
    length += part.length;
  }
  return all;
}

function toPcm(samples: Float32Array): Int16Array {
  return Int16Array.from(samples, (sample) => 32_767 * Math.max(-1, Math.min(1, sample)));
}

function moved(words: readonly AdapterWord[], seconds: number): AdapterWord[] {
  return words.map((word) => ({
    ...word,
    startSeconds: word.startSeconds + seconds,
    endSeconds: word.endSeconds + seconds,
  }));
}

/** Lets messages in, a cancel among them. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const SAMPLE_RATE_HZ = 24_000;
/** Eight seconds of speech, a quarter of what the graph takes: a cancel waits for no more. */
const RUN_SYMBOLS_MAX = SYMBOLS_MAX >> 2;
const MARK_AT_END = /[;:,.!?—…]$/u;
/** Room for a soft first consonant, and for a last one to die away. */
const LEAD_SECONDS = 0.02;
const TAIL_SECONDS = 0.06;
/** 5 ms. */
const FADE_SAMPLES = 120;
