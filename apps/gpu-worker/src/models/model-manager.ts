/** Which models are resident: loads, unloads, lends. Owns their processes and what is known of them; what they compute is asked of `InferenceProcess`. */
import { AntiphonError } from "@antiphon/protocol";
import { type ModelInfo, ModelKind, ModelState } from "@antiphon/protocol/worker";
import type { Clock } from "@antiphon/runtime";
import type { Log } from "@antiphon/runtime/log";
import type { Adapter } from "../adapters/adapter.ts";
import type { ChildHandle } from "../inference/child-handle.ts";
import type { ModelDescription } from "../inference/child-message.ts";
import { InferenceChildProcess, type ProcessState } from "../inference/inference-child-process.ts";
import type { InferenceProcess } from "../inference/inference-process.ts";
import { languageMatches } from "../recognition-language.ts";
import { catalogEntry } from "./catalog.ts";
import { VoiceGains } from "./voice-gains.ts";

export interface ModelManagerOptions {
  /** In this order; the first of a kind answers when none is named. */
  models: readonly string[];
  /** One more, which comes before all others if it turns out to be fast, and after them if not. */
  modelIfFast?: string | undefined;
  spawn: (model: string) => ChildHandle;
  clock: Clock;
  log: Log;
  /** A model changed its state. */
  onChange?: () => void;
}

/** A model on loan: it is not unloaded before `release`, which may be called more than once. */
export interface ModelLease<Kind extends Adapter["kind"] = Adapter["kind"]> {
  readonly model: string;
  readonly process: InferenceProcess;
  readonly description: Extract<ModelDescription, { kind: Kind }>;
  /** What brings a voice to the common level. Rejects with `not_found` for a voice the model does not have. */
  gainDb(voice: string): Promise<number>;
  release(): void;
}

/** What `ListModels` and beats say of a model. */
export type ModelStatus = Omit<ModelInfo, "$typeName" | "$unknown">;

export class ModelManager {
  #models = new Map<string, ManagedModel>();
  readonly #modelIfFast: string | undefined;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(options: ModelManagerOptions) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#modelIfFast = options.modelIfFast;
    const names = new Set(options.models);
    if (options.modelIfFast !== undefined) names.add(options.modelIfFast);
    for (const name of names) this.#models.set(name, createModel(name, options));
  }

  /** Loads every model; resolves when each is ready or has failed, and which are the defaults is settled. */
  async start(): Promise<void> {
    await Promise.allSettled([...this.#models.keys()].map((name) => this.load(name)));
    this.#settleDefault();
  }

  /** Ends every process. */
  async stop(): Promise<void> {
    await Promise.all([...this.#models.values()].map((model) => model.process.stop()));
  }

  /** Resolves when the model can serve; a second load of a loading model is the same load. */
  async load(name: string): Promise<ModelStatus> {
    const model = this.#find(name);
    if (model.state !== "ready") {
      model.loading ??= this.#load(model).finally(() => {
        model.loading = undefined;
      });
      await model.loading;
    }
    return this.#status(model);
  }

  /** Rejects with `failed_precondition` while the model is on loan or loading. */
  async unload(name: string): Promise<ModelStatus> {
    const model = this.#find(name);
    if (model.leases > 0 || model.process.busy > 0 || model.loading !== undefined) {
      throw new AntiphonError("failed_precondition", `The model "${name}" is in use.`);
    }
    await model.process.stop();
    return this.#status(model);
  }

  list(): ModelStatus[] {
    return [...this.#models.values()].map((model) => this.#status(model));
  }

  /**
   * Lends a model, loading it where needed. Name "": the default of its kind, or the first that knows the language.
   * Rejects with `not_found` for an unknown name, `unimplemented` for a language no model has, `unavailable` if it cannot be loaded.
   */
  async acquire<Kind extends Adapter["kind"]>(
    kind: Kind,
    name: string,
    language: string,
  ): Promise<ModelLease<Kind>> {
    const model = name === "" ? this.#choose(kind, language) : this.#find(name);
    if (model.kind !== kind) {
      throw new AntiphonError("not_found", `The model "${model.name}" does something else.`);
    }
    // Counted from here on: a model must not be unloaded between its load and its first use.
    model.leases++;
    try {
      await this.load(model.name);
      return leaseOf<Kind>(model);
    } catch (reason) {
      model.leases--;
      throw reason;
    }
  }

  #choose(kind: Adapter["kind"], language: string): ManagedModel {
    const candidates = [...this.#models.values()].filter((model) => model.kind === kind);
    const [first] = candidates;
    if (first === undefined) {
      throw new AntiphonError("not_found", `This worker has no ${kind} model.`);
    }
    if (language === "") return first;
    const speaks = (model: ManagedModel) =>
      model.description?.languages.some((offered) => languageMatches(language, offered)) ?? false;
    const known = candidates.find(speaks);
    if (known !== undefined) return known;
    // What was never loaded may know it; whoever asked will see from the description.
    const unknown = candidates.find((model) => model.description === undefined);
    if (unknown !== undefined) return unknown;
    throw new AntiphonError("unimplemented", "No model here knows this language.", {
      details: { language },
    });
  }

  async #load(model: ManagedModel): Promise<void> {
    const startedMs = this.#clock.nowMs();
    model.description = await model.process.start();
    model.loadMs = Math.round(this.#clock.nowMs() - startedMs);
    if (model.description.kind === "tts") {
      // The first session should not wait for it; a voice that fails here fails there too, and says why.
      await model.gains.gainDb(model.description.defaultVoice).catch(() => {});
    }
    this.#log.info({ model: model.name, loadMs: model.loadMs }, "model ready");
  }

  /** Once, so that what a session gets does not hang on when it began. */
  #settleDefault(): void {
    const model = this.#models.get(this.#modelIfFast ?? "");
    if (model?.state !== "ready") return;
    const { firstOutputMs } = model.process;
    const fast = firstOutputMs < FIRST_AUDIO_MS_MAX;
    const others = [...this.#models].filter(([, other]) => other !== model);
    const own: [string, ManagedModel] = [model.name, model];
    this.#models = new Map(fast ? [own, ...others] : [...others, own]);
    this.#log.info({ model: model.name, firstOutputMs, fast }, "default voice settled");
  }

  #find(name: string): ManagedModel {
    const model = this.#models.get(name);
    if (model !== undefined) return model;
    throw new AntiphonError("not_found", `This worker has no model "${name}".`);
  }

  #status(model: ManagedModel): ModelStatus {
    const { description, process } = model;
    const speech = description?.kind === "tts" ? description : undefined;
    return {
      model: model.name,
      kind: model.kind === "tts" ? ModelKind.TTS : ModelKind.ASR,
      state: MODEL_STATES[model.state],
      voices: [...(speech?.voices ?? [])],
      defaultVoice: speech?.defaultVoice ?? "",
      languages: [...(description?.languages ?? [])],
      wholeUtterance: speech?.wholeUtterance ?? false,
      slots: description?.slots ?? 0,
      busy: process.busy,
      firstAudioLatencyMs: Math.round(process.firstOutputMs),
      loadMs: model.loadMs,
      licence: model.licence,
      failure: model.failure,
      isDefault: [...this.#models.values()].find((other) => other.kind === model.kind) === model,
    };
  }
}

interface ManagedModel {
  readonly name: string;
  readonly kind: Adapter["kind"];
  readonly licence: string;
  readonly process: InferenceChildProcess;
  readonly gains: VoiceGains;
  state: ProcessState;
  failure: string;
  /** Known from the first load on. */
  description: ModelDescription | undefined;
  loadMs: number;
  leases: number;
  loading: Promise<void> | undefined;
}

function createModel(name: string, options: ModelManagerOptions): ManagedModel {
  const { kind, licence } = catalogEntry(name);
  const process = new InferenceChildProcess({
    model: name,
    spawn: () => options.spawn(name),
    clock: options.clock,
    log: options.log,
    onState(state, failure) {
      model.state = state;
      model.failure = failure;
      options.onChange?.();
    },
  });
  const model: ManagedModel = {
    name,
    kind,
    licence,
    process,
    gains: new VoiceGains({ process, clock: options.clock }),
    state: "stopped",
    failure: "",
    description: undefined,
    loadMs: 0,
    leases: 0,
    loading: undefined,
  };
  return model;
}

function leaseOf<Kind extends Adapter["kind"]>(model: ManagedModel): ModelLease<Kind> {
  let lent = true;
  return {
    model: model.name,
    process: model.process,
    description: model.description as Extract<ModelDescription, { kind: Kind }>,
    gainDb: (voice) => model.gains.gainDb(voice),
    release() {
      if (lent) model.leases--;
      lent = false;
    },
  };
}

/** After the half second of silence that ends a turn: where an answer begins later than this, people ask whether anybody is there. */
const FIRST_AUDIO_MS_MAX = 700;
const MODEL_STATES: Readonly<Record<ProcessState, ModelState>> = {
  stopped: ModelState.UNLOADED,
  starting: ModelState.LOADING,
  ready: ModelState.READY,
  failed: ModelState.FAILED,
};
