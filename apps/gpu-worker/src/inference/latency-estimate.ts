/** How long a model takes to its first output, learnt from each job. Owns the averages, not what is done with them. */
import type { ModelDescription } from "./child-message.ts";

/** What a job's length is measured in: characters of text, or samples of audio. */
export interface LatencyEstimate {
  /** Moving average; 0 before anything was measured. */
  readonly averageMs: number;
  /** How long a job of this length would take on its own. */
  predictMs(length: number): number;
  learn(length: number, tookMs: number): void;
}

/**
 * A model that gives everything at once takes as long as its input is; a streaming one does not. So for the former the time for
 * each unit of input is averaged too, and the longer of both predictions counts: a deadline must not kill a long sentence.
 */
export function createLatencyEstimate(description: ModelDescription): LatencyEstimate {
  const proportional = description.kind === "asr" || description.wholeUtterance;
  let averageMs = 0;
  let perUnitMs = 0;
  return {
    get averageMs() {
      return averageMs;
    },
    predictMs: (length) => Math.max(averageMs, proportional ? perUnitMs * length : 0),
    learn(length, tookMs) {
      averageMs = average(averageMs, tookMs);
      perUnitMs = average(perUnitMs, tookMs / Math.max(1, length));
    },
  };
}

function average(before: number, now: number): number {
  return before === 0 ? now : before + WEIGHT_OF_NEWEST * (now - before);
}

/** Ten jobs weigh as much as all before them: a change of load shows within seconds, one slow run does not. */
const WEIGHT_OF_NEWEST = 0.2;
