/** Somebody speaks over a reply. Runs one trial and says what came of it. */
import { SAMPLE_RATE_HZ } from "@antiphon/audio";
import type { SeededRandom } from "@antiphon/runtime/testing";
import type { Caller } from "../harness/caller.ts";
import { detectionToSilenceMs } from "../harness/pause.ts";
import { untilTurnOver } from "../harness/talk-over.ts";
import { drawText } from "../harness/texts.ts";
import type { TrueTrial } from "./trial.ts";

export interface TrueOutcome {
  trial: TrueTrial;
  paused: boolean;
  stopped: boolean;
  /** What the new turn says; "" where there is none. */
  turn: string;
  onsetToSilenceMs: number | undefined;
  onsetToStopMs: number | undefined;
  detectionToSilenceMs: number | undefined;
  /** For whoever looks into it: what was decided, why, on which words. */
  decisions: string[];
}

export async function runTrueTrial(
  caller: Caller,
  trial: TrueTrial,
  random: SeededRandom,
): Promise<TrueOutcome> {
  caller.forget();
  const reply = await caller.startReply(drawText(random, REPLY_WORDS));
  const positionSamples = (trial.positionMs * SAMPLE_RATE_HZ) / 1000;
  await caller.until(() => reply.positionSamples >= positionSamples, trial.positionMs + 2_000);
  const samples = trial.samples();
  const beganMs = performance.now();
  const spoken = caller.say(samples, random.below(OFFSET_SAMPLES));
  const lengthMs = (samples.length * 1000) / SAMPLE_RATE_HZ;
  const turns = () =>
    caller
      .all("transcript", beganMs)
      .filter(({ message }) => message.final && message.text !== "")
      .map(({ message }) => message.text);
  await caller.until(() => reply.stoppedMs !== undefined, lengthMs + STOP_MS_MAX);
  // All of it is said before the turn can end.
  const leftMs = beganMs + lengthMs - performance.now();
  if (leftMs > 0) await caller.wait(leftMs);
  await untilTurnOver(caller, Math.max(beganMs, performance.now() - AFTER_END_MS));
  const pause = caller.pauses.find((each) => each.arrivedMs >= beganMs);
  const onsetMs = caller.microphone.soundedMs(spoken.startSample + trial.startSample);
  const since = (ms: number | undefined) =>
    ms === undefined || onsetMs === undefined ? undefined : ms - onsetMs;
  return {
    trial,
    paused: pause !== undefined,
    stopped: reply.stoppedMs !== undefined,
    turn: turns().join(" "),
    onsetToSilenceMs: since(pause?.silenceMs),
    onsetToStopMs: since(reply.stoppedMs),
    detectionToSilenceMs: pause && detectionToSilenceMs(pause),
    decisions: decisionsOf(caller, beganMs),
  };
}

/** In words. */
export function decisionsOf(caller: Caller, sinceMs: number): string[] {
  return caller.all("interruption", sinceMs).map(({ atMs, message }) => {
    const { decision, reason, speechMs, echoMatch, text } = message;
    return `${Math.round(atMs - sinceMs)} ms: ${decision} (${reason}), ${speechMs} ms of speech, echo ${echoMatch}, "${text}"`;
  });
}

/** 15 s and more: it must not end before somebody has spoken over it. */
const REPLY_WORDS = 45;
const OFFSET_SAMPLES = 960;
/** After all was said. */
const STOP_MS_MAX = 1_500;
/** A final transcript may come this long before what was said is over by our clock: the recording ends in silence. */
const AFTER_END_MS = 500;
