/** Stands between a session and its voice, changes nothing and counts everything: what is claimed, begun, taken and ended. */
import type { SpeechEvent, Synthesizer } from "../../apps/orchestrator/src/session/ports.ts";
import type { Verdict } from "./verdict.ts";

export interface VoiceCounts {
  claims: number;
  utterances: number;
  /** The gate is shut, as the session ordered it. */
  paused: boolean;
}

export function watchSynthesizer(
  inner: Synthesizer,
  options: {
    verdict: Verdict;
    counts: VoiceCounts;
    onTaken(utteranceId: string): void;
    onOver(utteranceId: string): void;
  },
): Synthesizer {
  const { verdict, counts, onTaken, onOver } = options;
  return {
    async open(synthesis, signal) {
      const stream = await inner.open(synthesis, signal);
      counts.claims++;
      let closed = false;
      return {
        voice: stream.voice,
        wholeUtterance: stream.wholeUtterance,
        speak: (utterance, stop) => {
          const { utteranceId } = utterance;
          let over = false;
          counts.utterances++;
          const end = () => {
            if (over) return;
            over = true;
            counts.utterances--;
            onOver(utteranceId);
          };
          if (stop.aborted) end();
          else stop.addEventListener("abort", end, { once: true });
          const events = stream.speak(utterance, stop)[Symbol.asyncIterator]();
          const iterator: AsyncIterator<SpeechEvent, undefined> = {
            next: async () => {
              try {
                const result = await events.next();
                if (result.done === true) {
                  end();
                  return { done: true, value: undefined };
                }
                verdict.demand(!over || stop.aborted, "terminal", `${utteranceId} goes on`);
                if (result.value.kind === "audio" && !stop.aborted) onTaken(utteranceId);
                return result;
              } catch (reason) {
                end();
                throw reason;
              }
            },
            return: async () => {
              end();
              await events.return?.();
              return { done: true, value: undefined };
            },
          };
          return { [Symbol.asyncIterator]: () => iterator };
        },
        setPaused: (paused) => {
          counts.paused = paused;
          stream.setPaused(paused);
        },
        close: () => {
          verdict.demand(!closed, "leak", "a voice is given back twice");
          closed = true;
          counts.claims--;
          stream.close();
        },
      };
    },
  };
}
