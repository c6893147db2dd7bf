/** What is understood of samples: the whole way of a recording through the system, as the CLI sends it. Compares nothing. */
import { Framer } from "@antiphon/audio";
import type { AntiphonClient } from "@antiphon/client";
import { systemClock } from "@antiphon/runtime";
import { transcribeSpeech } from "../../apps/cli/src/transcribe.ts";

export function transcriptOf(client: AntiphonClient, samples: Int16Array): Promise<string> {
  const framer = new Framer();
  const frames = framer.push(samples);
  const rest = framer.flush();
  if (rest !== undefined) frames.push(rest);
  const signal = AbortSignal.timeout(TRANSCRIPT_MS_MAX);
  return transcribeSpeech({ frames }, { client, clock: systemClock, signal });
}

/** A minute of speech takes eight seconds on its way. */
const TRANSCRIPT_MS_MAX = 120_000;
