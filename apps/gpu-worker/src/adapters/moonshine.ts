/** Moonshine tiny: English speech to text on the CPU. Owns the model's graphs and its decoding loop; cuts no audio and knows no rate but 16 kHz. */
import { fileURLToPath } from "node:url";
import llamaTokenizer from "llama-tokenizer-js";
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { RecognitionAdapter, RecognitionCapabilities, RecognitionResult } from "./adapter.ts";
import { cutRepetition } from "./moonshine-repetition.ts";

export interface MoonshineOptions {
  /** Folder with `encoder_model.onnx` and `decoder_model_merged.onnx`; without it the npm package's own. */
  modelDirectory?: URL;
}

/** The adapter of one child. It computes one segment at a time: `slots` is 1. */
export function createMoonshineAdapter(options: MoonshineOptions = {}): RecognitionAdapter {
  let graphs: { encoder: InferenceSession; decoder: InferenceSession } | undefined;
  return {
    kind: "asr",
    capabilities: MOONSHINE_CAPABILITIES,
    async load() {
      const directory = options.modelDirectory ?? packageDirectory();
      const open = (file: string) =>
        InferenceSession.create(fileURLToPath(new URL(file, directory)), {
          executionProviders: ["cpu"],
          // Measured: a second thread gains nothing, and other children need the core.
          intraOpNumThreads: 1,
          interOpNumThreads: 1,
        });
      graphs = {
        encoder: await open("encoder_model.onnx"),
        decoder: await open("decoder_model_merged.onnx"),
      };
    },
    async transcribe(request, signal) {
      if (graphs === undefined) throw new Error("moonshine was asked before it was loaded");
      const { samples } = request;
      if (!worthDecoding(samples)) return NOTHING_SAID;
      const first = resultOf(await decode(graphs, samples, signal));
      if (first.text !== "" || signal.aborted) return first;
      // Some lead-ins make the model end before its first word; heard from a little later, it finds it.
      const later = samples.slice(SECOND_LOOK_SAMPLES);
      if (!worthDecoding(later)) return NOTHING_SAID;
      return resultOf(await decode(graphs, later, signal));
    },
  };
}

export const MOONSHINE_CAPABILITIES: RecognitionCapabilities = {
  model: "moonshine-tiny",
  languages: ["en"],
  slots: 1,
  licence: "MIT",
};

/** Greedy: the likeliest token each time, until the model ends or the audio cannot hold more. */
async function decode(
  graphs: { encoder: InferenceSession; decoder: InferenceSession },
  samples: Float32Array,
  signal: AbortSignal,
): Promise<Decoded> {
  const encoded = await graphs.encoder.run({
    input_values: new Tensor("float32", samples, [1, samples.length]),
  });
  const hiddenStates = tensorOf(encoded, "last_hidden_state");
  const tokensMax = tokenLimit(samples.length);
  const tokens: number[] = [];
  let logProbability = 0;
  let steps = 0;
  const decoded = (kept: number[]): Decoded => ({
    tokens: kept,
    confidence: steps === 0 ? 0 : Math.exp(logProbability / steps),
  });
  let past = emptyPast();
  for (let token = START_TOKEN; tokens.length < tokensMax && !signal.aborted; ) {
    const firstStep = tokens.length === 0;
    const outputs = await graphs.decoder.run(
      {
        ...past,
        input_ids: new Tensor("int64", BigInt64Array.of(BigInt(token)), [1, 1]),
        encoder_hidden_states: hiddenStates,
        use_cache_branch: new Tensor("bool", Uint8Array.of(firstStep ? 0 : 1), [1]),
      },
      firstStep ? FIRST_OUTPUTS : LATER_OUTPUTS,
    );
    const logits = tensorOf(outputs, "logits").data as Float32Array;
    token = likeliest(logits);
    logProbability += logProbabilityOf(logits, token);
    steps++;
    if (token === END_TOKEN) break;
    tokens.push(token);
    // The encoder's keys are computed in the first step alone and stay as they are.
    past = { ...past, ...presentAsPast(outputs) };
    const cut = cutRepetition(tokens);
    if (cut !== undefined) return decoded(cut);
  }
  return decoded(tokens);
}

/** The tokens, and how sure of them the model was: the end counts as one. */
interface Decoded {
  tokens: number[];
  confidence: number;
}

function resultOf({ tokens, confidence }: Decoded): RecognitionResult {
  return { text: textOf(tokens), language: "en", confidence };
}

function textOf(tokens: readonly number[]): string {
  const words = tokens.filter((token) => token > END_TOKEN);
  return words.length === 0 ? "" : llamaTokenizer.decode(words, false, false).trim();
}

/** Most tokens that so much speech can hold; the model was trained to stay below six and a half a second. */
function tokenLimit(samples: number): number {
  return Math.ceil((samples / SAMPLE_RATE_HZ) * TOKENS_PER_SECOND) + TOKENS_SPARE;
}

/** A click or a room without a voice in it would be answered with an invented word. */
function worthDecoding(samples: Float32Array): boolean {
  if (samples.length < SAMPLES_MIN) return false;
  let energy = 0;
  for (let index = 0; index < samples.length; index++) energy += samples[index] * samples[index];
  return energy / samples.length >= QUIET_POWER;
}

function emptyPast(): Record<string, Tensor> {
  const past: Record<string, Tensor> = {};
  for (const name of [...cacheNames("decoder"), ...cacheNames("encoder")]) {
    past[`past_key_values.${name}`] = new Tensor("float32", new Float32Array(0), EMPTY_PAST);
  }
  return past;
}

function presentAsPast(outputs: InferenceSession.OnnxValueMapType): Record<string, Tensor> {
  const past: Record<string, Tensor> = {};
  for (const name of Object.keys(outputs)) {
    if (!name.startsWith("present.")) continue;
    past[name.replace("present.", "past_key_values.")] = tensorOf(outputs, name);
  }
  return past;
}

function cacheNames(part: "encoder" | "decoder"): string[] {
  return Array.from({ length: LAYERS }, (_, layer) => [
    `${layer}.${part}.key`,
    `${layer}.${part}.value`,
  ]).flat();
}

function tensorOf(outputs: InferenceSession.OnnxValueMapType, name: string): Tensor {
  const value = outputs[name];
  if (!(value instanceof Tensor)) throw new Error(`moonshine's graph gave no ${name}`);
  return value;
}

/** One position's logits: the loop feeds one token a step. */
function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let token = 1; token < logits.length; token++)
    if (logits[token] > logits[best]) best = token;
  return best;
}

/** Of the likeliest token: its logit is the greatest, so no exponent overflows. */
function logProbabilityOf(logits: Float32Array, token: number): number {
  let sum = 0;
  for (let other = 0; other < logits.length; other++)
    sum += Math.exp(logits[other] - logits[token]);
  return -Math.log(sum);
}

/** The package exports its bundle alone; the models lie beside that. */
function packageDirectory(): URL {
  return new URL("model/tiny/quantized/", import.meta.resolve("@moonshine-ai/moonshine-js"));
}

const NOTHING_SAID: RecognitionResult = { text: "", language: "en" };
const SAMPLE_RATE_HZ = 16_000;
const START_TOKEN = 1;
/** It and the ids below it (unknown, start, end) are no text. */
const END_TOKEN = 2;
const LAYERS = 6;
/** Batch, heads, positions so far, width of a head. */
const EMPTY_PAST = [1, 8, 0, 36];
const TOKENS_PER_SECOND = 6;
/** A short word spoken fast is several tokens of the Llama vocabulary, and the end is one more step. */
const TOKENS_SPARE = 2;
/** 100 ms: no word is shorter, and the encoder's convolutions need more than 50 ms to give anything. */
const SAMPLES_MIN = 1_600;
/** 100 ms: in each of 38 recorded segments that was enough, and 72 pieces of noise stayed without a word. */
const SECOND_LOOK_SAMPLES = 1_600;
/** −60 dBFS: 15 dB below what counts as audible anywhere in this project. */
const QUIET_POWER = 1e-6;
const FIRST_OUTPUTS = [
  "logits",
  ...cacheNames("decoder").map((name) => `present.${name}`),
  ...cacheNames("encoder").map((name) => `present.${name}`),
];
const LATER_OUTPUTS = ["logits", ...cacheNames("decoder").map((name) => `present.${name}`)];
