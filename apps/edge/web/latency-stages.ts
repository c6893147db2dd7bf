/** A turn's latency as a waterfall: stages laid end to end, with what no stage accounts for. Pure. */
import type { Latency } from "./screen-state.ts";

export interface LatencyStage {
  name: StageName;
  label: string;
  startMs: number;
  durationMs: number;
}

export type StageName = "endpointing" | "transcription" | "llm" | "voice" | "rest";

export interface Waterfall {
  /** From the person's last speech, or, for a typed turn, from the text. */
  totalMs: number;
  stages: LatencyStage[];
}

/** Undefined when nothing was measured. */
export function waterfallOf(latency: Latency): Waterfall | undefined {
  const measured: [StageName, number | undefined][] = [
    ["endpointing", latency.endpointingMs],
    ["transcription", latency.transcriptionMs],
    ["llm", latency.llmFirstTokenMs],
    ["voice", latency.firstAudioLatencyMs],
  ];
  const stages: LatencyStage[] = [];
  let endMs = 0;
  for (const [name, durationMs] of measured) {
    if (durationMs === undefined) continue;
    stages.push({ name, label: LABELS[name], startMs: endMs, durationMs });
    endMs += durationMs;
  }
  const totalMs = latency.endOfSpeechToFirstAudioMs ?? endMs;
  if (stages.length === 0 && totalMs === 0) return undefined;
  const restMs = totalMs - endMs;
  if (restMs >= REST_MS_MIN) {
    stages.push({ name: "rest", label: LABELS.rest, startMs: endMs, durationMs: restMs });
  }
  return { totalMs: Math.max(totalMs, endMs), stages };
}

export function secondsOf(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(2)} s`;
}

const LABELS: Record<StageName, string> = {
  endpointing: "Noticing you are done",
  transcription: "Understanding the words",
  llm: "First word of the answer",
  voice: "First sound of the voice",
  rest: "In between",
};
/** Less is the rounding of the others. */
const REST_MS_MIN = 5;
