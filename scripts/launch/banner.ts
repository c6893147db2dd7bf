/** What a person reads once everything runs. */
import { type ModelInfo, ModelKind, ModelState } from "@antiphon/protocol/worker";
import { BUILT_IN_NOTICE } from "../../apps/orchestrator/src/llm/built-in-responder.ts";
import type { Launched } from "./launcher.ts";

/** `chosenVoice`: what sessions that ask for none were told to speak with; "": nothing. */
export function banner(
  { url, responder, models }: Launched,
  seconds: string,
  chosenVoice: string,
): string {
  const ready = models.filter(({ state }) => state === ModelState.READY);
  const failed = models.filter(({ state }) => state === ModelState.FAILED);
  const voices = ready.filter(({ kind }) => kind === ModelKind.TTS);
  const ears = ready.filter(({ kind }) => kind === ModelKind.ASR);
  const answers =
    responder.kind === "llm"
      ? `the language model ${responder.model ?? ""}`.trim()
      : "the built-in responder";
  return [
    "",
    `  Antiphon is ready after ${seconds} s:  ${url}`,
    "",
    "  Open the address in a browser and talk; Ctrl-C here stops everything.",
    "",
    ...voices.map((model) => `  speaks       ${voicesOf(model)}`),
    ...(voices.length > 1 ? [`  voice        ${voiceInUse(voices, chosenVoice)}`] : []),
    ...ears.map((model) => `  understands  ${model.languages.join(", ")}  (${model.model})`),
    `  answers      ${answers}`,
    ...failed.map(({ model, failure }) => `  without      ${model}: ${failure}`),
    ...(voices.length === 0 ? ["  No voice is ready: nobody will hear an answer."] : []),
    ...(ears.length === 0
      ? ["  No recogniser is ready: speech is not understood, typed text is."]
      : []),
    ...(responder.kind === "llm" ? [] : ["", ...wrapped(BUILT_IN_NOTICE)]),
    "",
  ].join("\n");
}

/** Of several: which one, and why. A model is passed over for its speed alone. */
function voiceInUse(models: readonly ModelInfo[], chosenVoice: string): string {
  if (chosenVoice !== "") return `${chosenVoice}, as chosen`;
  const own = models.find(({ isDefault }) => isDefault);
  const other = models.find((model) => model !== own);
  if (own === undefined || other === undefined) return "none";
  return own.firstAudioLatencyMs > other.firstAudioLatencyMs
    ? `${own.defaultVoice}: ${own.model} begins to speak within ${own.firstAudioLatencyMs} ms here (another: --voice ${other.defaultVoice})`
    : `${own.defaultVoice}: ${other.model} begins to speak only after ${other.firstAudioLatencyMs} ms here (all the same: --voice ${other.defaultVoice})`;
}

function voicesOf(model: ModelInfo): string {
  const others = model.voices.filter((voice) => voice !== model.defaultVoice);
  const voices = [model.defaultVoice, ...others].join(", ");
  return `${voices}  (${model.model}, ${model.languages.join(", ")})`;
}

function wrapped(text: string): string[] {
  const lines: string[] = [];
  let line = " ";
  for (const word of text.split(" ")) {
    if (line.length + 1 + word.length > COLUMNS) {
      lines.push(line);
      line = " ";
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

const COLUMNS = 90;
