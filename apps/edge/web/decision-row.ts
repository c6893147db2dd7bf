/** One decision about speech over a reply as a line of a table. Pure. */
import { type Interruption, interruptionWords } from "@antiphon/client";
import { SAMPLE_RATE_HZ } from "@antiphon/protocol";

export interface DecisionRow {
  /** Into what the microphone sent: minutes, seconds, tenths. */
  at: string;
  what: string;
  figures: string[];
}

export function decisionRow(interruption: Interruption): DecisionRow {
  const { speechMs, speechProbability, echoMatch, decisionMs, inputSamples } = interruption;
  const { title, reason } = interruptionWords(interruption);
  return {
    at: timeOf(inputSamples),
    what: `${title}: ${reason}`,
    figures: [
      `speech ${Math.round(speechMs)} ms`,
      `probability ${speechProbability.toFixed(2)}`,
      `echo ${echoMatch.toFixed(2)}`,
      `in ${Math.round(decisionMs)} ms`,
    ],
  };
}

function timeOf(samples: number): string {
  const tenths = Math.floor((samples * 10) / SAMPLE_RATE_HZ);
  const minutes = Math.floor(tenths / 600);
  const seconds = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return `${minutes}:${seconds}`;
}
