/** Bench `barge-in`: recorded people, backchannels, noise and the reply's own echo over replies, under this system's policy and under a plain detector's. */
import type { SessionOptions } from "@antiphon/protocol";
import { SeededRandom } from "@antiphon/runtime/testing";
import { wordErrorRate } from "../tests/support/word-error-rate.ts";
import { runEchoTrial } from "./barge-in/echo-trial.ts";
import type { DisturbedReply } from "./barge-in/false-trial.ts";
import { FalseTrials } from "./barge-in/false-trial.ts";
import { type Outcomes, summarise } from "./barge-in/summary.ts";
import {
  drawTrials,
  ECHO_DELAYS_MS,
  ECHO_LOSSES_DB,
  SPEECH_LEVELS_DBFS,
  type Trial,
  WORDLESS_GAINS_DB,
} from "./barge-in/trial.ts";
import { runTrueTrial } from "./barge-in/true-trial.ts";
import type { Bench, BenchOptions, BenchResult } from "./bench.ts";
import { share } from "./harness/distribution.ts";
import { dipped } from "./harness/levels.ts";
import { deviceClock, generatorLateness, onCalls } from "./harness/load.ts";
import { recordedSounds } from "./harness/recorded-speech.ts";
import { kokoroIsThere, startWholeStack, type WholeStack } from "./harness/stacks.ts";
import { synthesise } from "./harness/synthesised-speech.ts";
import { transcriptOf } from "./harness/transcripts.ts";

export const bench: Bench = {
  summary: "speech, backchannels, noise and echo over a reply: what stops it, what only pauses it",
  run,
};

async function run(options: BenchOptions): Promise<BenchResult> {
  const { progress, seed, quick } = options;
  const sounds = recordedSounds();
  if (sounds.speech.length === 0) {
    progress("SKIPPED: true trials need recorded speech (ANTIPHON_AUDIO_DIR)");
  }
  const models = kokoroIsThere() ? ["flite", "kokoro"] : ["flite"];
  progress(`synthesising backchannels with ${models.join(" and ")}`);
  const backchannels = await synthesise(models, BACKCHANNELS);
  const trials = drawTrials(sounds, backchannels, { seed, quick });
  const stack = await startWholeStack(["flite", "moonshine"]);
  const sessions = options.sessions ?? SESSIONS;
  const adaptive = await runPolicy(stack, "adaptive", trials, { ...options, sessions });
  const plainVad = await runPolicy(stack, "plain VAD", trials, { ...options, sessions });
  progress("listening to what was played");
  const most = quick ? 1 : TRANSCRIBED_REPLIES;
  const transcribed = await listen(stack, adaptive.replies, most, new SeededRandom(seed));
  await stack.stop();
  return {
    generator: generatorLateness(),
    figures: {
      ...summarise(adaptive),
      transcribed,
      plainVad: summarise(plainVad),
      sessions,
    },
    notes: [
      ...NOTES,
      `Backchannels are synthesised by ${models.join(" and ")}: ${BACKCHANNELS.join(" ")} by ${[...new Set(backchannels.map(({ voice }) => voice))].join(", ")}. Flite reads "mm-hm" letter by letter, so it is given as "um-hum".`,
    ],
  };
}

async function runPolicy(
  stack: WholeStack,
  policy: keyof typeof POLICIES,
  trials: readonly Trial[],
  options: BenchOptions & { sessions: number },
): Promise<Outcomes> {
  const { progress, seed } = options;
  const session = POLICIES[policy];
  const outcomes: Outcomes = { trues: [], falses: [], echoes: [], replies: [], staleSamples: 0 };
  const left = [...trials];
  const done = await onCalls(
    Math.min(options.sessions, trials.length),
    (number) => stack.call({ clock: deviceClock, number, tape: true }, session),
    async (caller, number) => {
      const random = new SeededRandom(seed * 1_000 + number);
      const falses = new FalseTrials(caller, random);
      for (let trial = left.shift(); trial !== undefined; trial = left.shift()) {
        if (left.length % 20 === 0) progress(`${policy}: ${left.length} trials left`);
        if (trial.kind === "true") outcomes.trues.push(await runTrueTrial(caller, trial, random));
        else if (trial.kind === "false") await falses.run(trial);
        else {
          const echo = { number: options.sessions + number, session, random };
          outcomes.echoes.push(await runEchoTrial(stack, trial, echo));
        }
      }
      outcomes.falses.push(...falses.outcomes);
      outcomes.replies.push(...falses.replies);
    },
  );
  outcomes.staleSamples =
    done.staleSamples + outcomes.echoes.reduce((sum, { staleSamples }) => sum + staleSamples, 0);
  return outcomes;
}

/**
 * Transcribes what was played: with its pauses, as the listener heard it, and with the silence cut out, which has to lose no more words than
 * the same samples as they were sent do by as many dips elsewhere.
 */
async function listen(
  stack: WholeStack,
  replies: readonly DisturbedReply[],
  most: number,
  random: SeededRandom,
) {
  const heard = replies.filter(({ resumed }) => resumed > 0).slice(0, most);
  const listened = new Score();
  const played = new Score();
  const sent = new Score();
  const dippedElsewhere = new Score();
  let resumed = 0;
  for (const { reply, resumed: times } of heard) {
    const { tape } = reply;
    if (tape === undefined) continue;
    resumed += times;
    const said = reply.words
      .filter((word) => (word.startSample + word.endSample) / 2 < reply.positionSamples)
      .map((word) => word.text)
      .join(" ");
    const understood = (samples: Int16Array) => transcriptOf(stack.client, samples);
    listened.add(said, await understood(tape.listenedSamples));
    played.add(said, await understood(tape.playedSamples));
    const whole = tape.sentSamples.subarray(0, tape.playedSamples.length);
    sent.add(said, await understood(whole));
    const elsewhere = Array.from({ length: tape.holes }, () => random.below(whole.length));
    dippedElsewhere.add(said, await understood(dipped(whole, elsewhere)));
  }
  return {
    replies: heard.length,
    resumed,
    words: sent.words,
    wordsLostOrRepeated: Math.max(0, played.lostOrAdded - dippedElsewhere.lostOrAdded),
    listened: listened.figures,
    played: played.figures,
    sent: sent.figures,
    dippedElsewhere: dippedElsewhere.figures,
  };
}

/** Transcripts of some replies against their texts. */
class Score {
  words = 0;
  lostOrAdded = 0;
  #errors = 0;

  add(said: string, understood: string): void {
    const { errors, words, lostOrAdded } = wordErrorRate(said, understood);
    this.words += words;
    this.lostOrAdded += lostOrAdded;
    this.#errors += errors;
  }

  get figures() {
    return {
      wordErrorRate: share(this.#errors, this.words),
      lostOrAdded: this.lostOrAdded,
      otherwise: this.#errors - this.lostOrAdded,
    };
  }
}

const POLICIES: Readonly<Record<"adaptive" | "plain VAD", SessionOptions>> = {
  adaptive: {},
  "plain VAD": {
    interruption: { mode: "vad", minDurationMs: 500, falseInterruptionTimeoutMs: 500 },
  },
};

/** What people say without wanting to speak. */
const BACKCHANNELS = ["Um-hum.", "Yeah.", "Okay.", "Right."];
/** So many that two cores are busy, and not so many that recognition falls behind. */
const SESSIONS = 4;
const TRANSCRIBED_REPLIES = 8;

const NOTES = [
  `True: each interval of speech in a clip with words, at ${SPEECH_LEVELS_DBFS.join(", ")} dBFS, at varied positions in the reply; a hit ended in STOP and a new turn with words. Clips whose words are not known are reported as unknownWords alone.`,
  `False: clips without words in pieces of about 3 s (${WORDLESS_GAINS_DB.join(", ")} dB), and backchannels at the same levels as speech.`,
  `Echo: what the client plays comes back alone, through a small room, −${ECHO_LOSSES_DB.join(", −")} dB after ${ECHO_DELAYS_MS.join(", ")} ms; each on a new call.`,
  "precision: hits among hits and false stops. falsePauseMs: silence put in per minute of reply in the false trials. echoPauses: echo trials in which the reply paused at least once.",
  "Detection is taken to be when the client had sent the last sample of the detector's window, silence to be after the last sample of the reply: both make the figures a little too long.",
  "resumeMs: from the sound's end to the reply's next sample; 0 where it went on before.",
  "transcribed: what is understood, against the text, of replies that went on: as the client played them, with the pauses (listened) and with their silence cut out (played); and of the same samples as they were sent, whole (sent) and with as many ramps of 8 ms as the pauses left, elsewhere (dippedElsewhere): each dip costs a recogniser words though no sample is lost. lostOrAdded: words missing or too many; otherwise: others in a word's place. wordsLostOrRepeated: lostOrAdded of played beyond dippedElsewhere. resumeErrors counts samples.",
  "resumeErrors: resumptions in replies whose played samples, silence cut out, were not those that were sent, each once and in order.",
];
