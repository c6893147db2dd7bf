/** What answers when no language model is connected. Owns one sentence and the hint how to do better. */
import type { LanguageModel } from "../session/ports.ts";

/**
 * Repeats what it understood, word for word: whoever tries the system without a model hears at once whether it
 * listened well, and is told once how to connect one.
 */
export function createBuiltInResponder(): LanguageModel {
  return {
    responder: { kind: "built-in" },
    notice: BUILT_IN_NOTICE,
    async *answer({ history }, signal) {
      const last = history.at(-1);
      if (signal.aborted || last?.role !== "user") return;
      const understood = last.text.trim();
      yield understood === "" ? "I did not catch that." : `You said: "${understood}"`;
    },
  };
}

export const BUILT_IN_NOTICE =
  "No language model is connected, so I repeat what I understood. To connect one, set LLM_BASE_URL (any OpenAI-compatible endpoint), LLM_MODEL and LLM_API_KEY, or start Ollama on this machine, and start again.";
