/** Whether a neural voice can join by itself. Looks for its files and its phonemiser; loads nothing, and does not know how fast it is. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

export interface NeuralVoice {
  /** For the worker's VOICE_IF_FAST. */
  model?: string;
  /** For the screen, where only half of what it needs is there. */
  hint?: string;
}

/** Nothing where the person chose the models, or has no such files. */
export function findNeuralVoice(env: NodeJS.ProcessEnv): NeuralVoice {
  const directory = env["ANTIPHON_MODELS_DIR"] ?? "";
  const chosen = (env["MODELS"] ?? "") !== "" || (env["VOICE_IF_FAST"] ?? "") !== "";
  if (chosen || directory === "" || !existsSync(join(directory, "kokoro-82m", "config.json"))) {
    return {};
  }
  try {
    WORKER.resolve("phonemizer");
    return { model: "kokoro" };
  } catch {
    return {
      hint: "Kokoro's files are here, but not the npm package phonemizer that it needs: npm install --include=optional",
    };
  }
}

const WORKER = createRequire(new URL("../../apps/gpu-worker/package.json", import.meta.url));
