/** Outcomes of one policy as the figures of the report. Pure. */
import { SAMPLE_RATE_HZ } from "@antiphon/audio";
import { distribution, share, tenth } from "../harness/distribution.ts";
import { known } from "../harness/pause.ts";
import type { EchoOutcome } from "./echo-trial.ts";
import type { DisturbedReply, FalseOutcome } from "./false-trial.ts";
import { ECHO_LOSS_QUIET_DB } from "./trial.ts";
import type { TrueOutcome } from "./true-trial.ts";

export interface Outcomes {
  trues: TrueOutcome[];
  falses: FalseOutcome[];
  echoes: EchoOutcome[];
  replies: DisturbedReply[];
  staleSamples: number;
}

export function summarise({ trues, falses, echoes, replies, staleSamples }: Outcomes) {
  const counted = trues.filter(({ trial }) => trial.wordsKnown);
  const unknown = trues.filter(({ trial }) => !trial.wordsKnown);
  const hits = counted.filter(isHit);
  const quiet = echoes.filter(({ trial }) => trial.lossDb >= ECHO_LOSS_QUIET_DB);
  const loud = echoes.filter(({ trial }) => trial.lossDb < ECHO_LOSS_QUIET_DB);
  const all = figuresOf(falses);
  return {
    n: counted.length + falses.length + echoes.length,
    recall: share(hits.length, counted.length),
    precision: share(hits.length, hits.length + all.falseStops),
    falseStops: all.falseStops,
    falsePauseMs: all.falsePauseMs,
    selfInterruptions: quiet.filter(({ stopped }) => stopped).length,
    selfInterruptionsLoud: loud.filter(({ stopped }) => stopped).length,
    echoPauses: echoes.filter(({ pauses }) => pauses > 0).length,
    onsetToSilenceMs: distribution(known(counted.map((each) => each.onsetToSilenceMs))),
    detectionToSilenceMs: distribution(known(counted.map((each) => each.detectionToSilenceMs))),
    resumeMs: all.resumeMs,
    onsetToStopMs: distribution(known(hits.map((each) => each.onsetToStopMs))),
    trials: {
      true: counted.length,
      withoutWords: falses.filter(({ trial }) => trial.class === "withoutWords").length,
      backchannels: falses.filter(({ trial }) => trial.class === "backchannels").length,
      echo: echoes.length,
      echoQuiet: quiet.length,
    },
    byClass: {
      withoutWords: figuresOf(falses.filter(({ trial }) => trial.class === "withoutWords")),
      backchannels: figuresOf(falses.filter(({ trial }) => trial.class === "backchannels")),
    },
    unknownWords: {
      n: unknown.length,
      recall: share(unknown.filter(isHit).length, unknown.length),
    },
    echoQuietPauses: quiet.filter(({ pauses }) => pauses > 0).length,
    echoTurns: echoes.filter(({ turns }) => turns.length > 0).length,
    ...resumptions(replies),
    staleSamples,
    missed: counted
      .filter((each) => !isHit(each))
      .map(({ trial, paused, stopped, turn, decisions }) => ({
        trial: trial.name,
        position: `${Math.round(trial.positionMs)} ms`,
        paused,
        stopped,
        turn,
        decisions,
      })),
    stoppedFalsely: falses
      .filter(({ stopped }) => stopped)
      .map(({ trial, decisions }) => ({ trial: trial.name, decisions })),
    echoesPaused: echoes
      .filter(({ pauses }) => pauses > 0)
      .map(({ trial, stopped, turns, decisions }) => ({
        trial: `−${trial.lossDb} dB after ${trial.delayMs} ms, ${trial.voice}`,
        stopped,
        turns,
        decisions,
      })),
  };
}

function isHit({ stopped, turn }: TrueOutcome): boolean {
  return stopped && turn !== "";
}

function figuresOf(falses: readonly FalseOutcome[]) {
  const minutes = falses.reduce((sum, each) => sum + each.replySamples, 0) / SAMPLE_RATE_HZ / 60;
  const silence = falses.reduce((sum, each) => sum + each.silentMs, 0);
  return {
    n: falses.length,
    pauses: falses.filter(({ pauses }) => pauses > 0).length,
    falseStops: falses.filter(({ stopped }) => stopped).length,
    falsePauseMs: minutes === 0 ? null : tenth(silence / minutes),
    resumeMs: distribution(known(falses.map((each) => each.resumeMs))),
  };
}

/** Whether each reply that went on did so with every sample once. */
function resumptions(replies: readonly DisturbedReply[]) {
  let resumed = 0;
  let resumeErrors = 0;
  for (const { reply, resumed: times } of replies) {
    if (times === 0 || reply.tape === undefined) continue;
    resumed += times;
    const { differing, wrong, gaps, samples } = reply.tape.compare();
    const whole = reply.done?.interrupted !== false || samples === reply.tape.sentSamples.length;
    const right = wrong === 0 && gaps === 0 && differing <= reply.tape.rampSamples && whole;
    if (!right) resumeErrors += times;
  }
  return { resumed, resumeErrors };
}
