/** Ranks the workers that can serve a request. Pure: a view in, an order out; calls nobody. */
import { type ModelInfo, ModelKind, ModelState } from "@antiphon/protocol/worker";
import type { WorkerView } from "./worker-registry.ts";

export interface RouteRequest {
  kind: "tts" | "asr";
  /** Undefined: any. */
  model?: string | undefined;
  /** Undefined: the default of a default model, where there is one. */
  voice?: string | undefined;
  /** BCP 47; undefined: any. */
  language?: string | undefined;
  /** Workers not to be asked again. */
  excluding?: ReadonlySet<string>;
}

export type Ranking =
  /** Best first; each worker once. */
  | { kind: "ranked"; workers: [RankedWorker, ...RankedWorker[]] }
  | { kind: "none"; reason: NoWorker };

export interface RankedWorker {
  worker: WorkerView;
  model: ModelInfo;
  /** "" for recognisers. */
  voice: string;
}

/** `not-ready`: someone could, but is loading, draining, suspect or excluded, so that waiting may help. */
export type NoWorker =
  | "no-workers"
  | "unknown-model"
  | "unknown-voice"
  | "unknown-language"
  | "not-ready";

/**
 * Orders the workers that can serve now: closest language first, default models before others where nothing was named, free
 * slots before full ones, and within that by drawing two and taking the one whose first audio is predicted sooner. Drawing two
 * spreads a burst that arrives between two beats, which always taking the best would send to one worker.
 */
export function rankWorkers(
  view: readonly WorkerView[],
  request: RouteRequest,
  random: () => number,
): Ranking {
  const capable = view.flatMap((worker) => capabilitiesOf(worker, request));
  const usable = capable.filter(
    ({ worker, model }) =>
      !worker.draining &&
      !worker.suspect &&
      model.state === ModelState.READY &&
      request.excluding?.has(worker.workerId) !== true,
  );
  const tiers = new Map<number, Candidate[]>();
  for (const candidate of usable) {
    const tier = tierOf(candidate, request);
    const others = tiers.get(tier);
    if (others === undefined) tiers.set(tier, [candidate]);
    else others.push(candidate);
  }
  const ordered = [...tiers.keys()]
    .sort((a, b) => a - b)
    .flatMap((tier) => drawInTwos(tiers.get(tier) ?? [], random));
  const seen = new Set<string>();
  const [first, ...rest] = ordered
    .filter(({ worker }) => !seen.has(worker.workerId) && seen.add(worker.workerId))
    .map(({ worker, model, voice }) => ({ worker, model, voice }));
  if (first === undefined) return { kind: "none", reason: reasonOf(view, request, capable) };
  return { kind: "ranked", workers: [first, ...rest] };
}

/** Every language that a model of this kind is ready for. */
export function languagesOf(view: readonly WorkerView[], kind: "tts" | "asr"): string[] {
  const languages = view
    .flatMap(({ models }) => models)
    .filter((model) => model.kind === KINDS[kind] && model.state === ModelState.READY)
    .flatMap((model) => model.languages);
  return [...new Set(languages)].sort();
}

/** Every voice that a model has, ready or not: what could have been asked for. */
export function voicesOf(view: readonly WorkerView[]): string[] {
  return [...new Set(view.flatMap(({ models }) => models.flatMap(({ voices }) => voices)))].sort();
}

/** 0: the same; 1: one is a region or script of the other; 2: two regions of one language; undefined: another language. */
export function languageDistance(asked: string, offered: string): number | undefined {
  const a = asked.toLowerCase().split("-");
  const b = offered.toLowerCase().split("-");
  if (a[0] !== b[0]) return undefined;
  const shared = Math.min(a.length, b.length);
  if (a.slice(0, shared).join("-") !== b.slice(0, shared).join("-")) return 2;
  return a.length === b.length ? 0 : 1;
}

interface Candidate extends RankedWorker {
  distance: number;
}

function capabilitiesOf(worker: WorkerView, request: RouteRequest): Candidate[] {
  return worker.models.flatMap((model) => {
    if (model.kind !== KINDS[request.kind]) return [];
    if (request.model !== undefined && model.model !== request.model) return [];
    if (request.voice !== undefined && !model.voices.includes(request.voice)) return [];
    const distance = distanceTo(model, request.language);
    if (distance === undefined) return [];
    return [{ worker, model, voice: request.voice ?? model.defaultVoice, distance }];
  });
}

function distanceTo(model: ModelInfo, language: string | undefined): number | undefined {
  if (language === undefined || language === "") return 0;
  const distances = model.languages.flatMap((offered) => languageDistance(language, offered) ?? []);
  return distances.length === 0 ? undefined : Math.min(...distances);
}

function tierOf({ model, distance }: Candidate, request: RouteRequest): number {
  const named = request.model !== undefined || request.voice !== undefined;
  const other = named || model.isDefault ? 0 : 1;
  const full = model.slots > 0 && model.busy >= model.slots ? 1 : 0;
  // A default that is full still comes before another voice: a pool should sound the same when it is busy.
  return distance * 4 + other * 2 + full;
}

function drawInTwos(candidates: Candidate[], random: () => number): Candidate[] {
  const left = [...candidates];
  const ordered: Candidate[] = [];
  while (left.length > 0) {
    const one = Math.floor(random() * left.length);
    const two = Math.floor(random() * left.length);
    const chosen = predictedMs(left[two]) < predictedMs(left[one]) ? two : one;
    ordered.push(...left.splice(chosen, 1));
  }
  return ordered;
}

/** Of a new utterance: what was measured, longer by what runs beside it. */
function predictedMs(candidate: Candidate | undefined): number {
  if (candidate === undefined) return Number.POSITIVE_INFINITY;
  const { model, worker } = candidate;
  const measuredMs = model.firstAudioLatencyMs || UNMEASURED_LATENCY_MS;
  return measuredMs * (1 + model.busy / Math.max(1, model.slots) + worker.load);
}

function reasonOf(
  view: readonly WorkerView[],
  request: RouteRequest,
  capable: readonly Candidate[],
): NoWorker {
  if (capable.length > 0) return "not-ready";
  const models = view
    .flatMap(({ models }) => models)
    .filter(({ kind }) => kind === KINDS[request.kind]);
  if (models.length === 0) return "no-workers";
  if (request.model !== undefined && !models.some(({ model }) => model === request.model)) {
    return "unknown-model";
  }
  const { voice } = request;
  if (voice !== undefined && !models.some(({ voices }) => voices.includes(voice))) {
    return "unknown-voice";
  }
  return "unknown-language";
}

const KINDS = { tts: ModelKind.TTS, asr: ModelKind.ASR } as const;

/** The budget for first audio on a CPU: a model that nobody measured is believed to be no better than it should. */
const UNMEASURED_LATENCY_MS = 500;
