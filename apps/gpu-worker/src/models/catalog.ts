/** Which models exist and how to make their adapters. Adapters are imported only where they are made, in the inference child. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { AntiphonError } from "@antiphon/protocol";
import type { Adapter } from "../adapters/adapter.ts";

export interface CatalogEntry {
  kind: Adapter["kind"];
  licence: string;
  create(context: AdapterContext): Promise<Adapter>;
}

/** What an adapter may need of the machine. */
export interface AdapterContext {
  /** The child's own folder, removed after it. */
  scratchDirectory: string;
  /** Where model files are that do not come with a package; "" when there is no such place. */
  modelsDirectory: string;
}

const CATALOG: Readonly<Record<string, CatalogEntry>> = {
  tone: {
    kind: "tts",
    licence: "Apache-2.0",
    create: async () => (await import("../adapters/tone.ts")).createToneAdapter(),
  },
  flite: {
    kind: "tts",
    licence: "BSD-4-Clause",
    create: async ({ scratchDirectory }) =>
      (await import("../adapters/flite.ts")).createFliteAdapter({ scratchDirectory }),
  },
  kokoro: {
    kind: "tts",
    licence: "Apache-2.0; phonemes by eSpeak NG, GPL-3.0",
    create: async ({ modelsDirectory }) =>
      (await import("../adapters/kokoro.ts")).createKokoroAdapter({
        modelDirectory: modelsDirectory === "" ? "" : join(modelsDirectory, "kokoro-82m"),
        threads: Math.min(KOKORO_THREADS_MAX, availableParallelism()),
      }),
  },
  moonshine: {
    kind: "asr",
    licence: "MIT",
    create: async () => (await import("../adapters/moonshine.ts")).createMoonshineAdapter(),
  },
};

export const CATALOG_MODELS: readonly string[] = Object.keys(CATALOG);

/** Throws `not_found` for a name that is not in the catalog. */
export function catalogEntry(model: string): CatalogEntry {
  const entry = Object.hasOwn(CATALOG, model) ? CATALOG[model] : undefined;
  if (entry === undefined) throw new AntiphonError("not_found", `There is no model "${model}".`);
  return entry;
}

export function createAdapter(model: string, context: AdapterContext): Promise<Adapter> {
  return catalogEntry(model).create(context);
}

/** Twice the threads take 0.6 times as long; from four on the model's small layers leave further ones idle. */
const KOKORO_THREADS_MAX = 4;
