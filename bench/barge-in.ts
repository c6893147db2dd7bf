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
  const transcribed = await listen(stack, adaptive.replies, quick ? 1 : TRANSCRIBED_REPLIES);
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
 * Transcribes what was played: with its pauses, as the listener heard it, and with the silence cut out, which has to say what the same
 * samples say as they were sent.
 */
async function listen(stack: WholeStack, replies: readonly DisturbedReply[], most: number) {
  const heard = replies.filter(({ resumed }) => resumed > 0).slice(0, most);
  const withPauses = { errors: 0, words: 0 };
  const withoutPauses = { errors: 0, words: 0 };
  let lostOrRepeated = 0;
  let otherwise = 0;
  let resumed = 0;
  for (const { reply, resumed: times } of heard) {
    const { tape } = reply;
    if (tape === undefined) continue;
    resumed += times;
    const said = reply.words
      .filter((word) => (word.startSample + word.endSample) / 2 < reply.positionSamples)
      .map((word) => word.text)
      .join(" ");
    const [listened, played, sent] = await Promise.all(
      [
        tape.listenedSamples,
        tape.playedSamples,
        tape.sentSamples.subarray(0, tape.playedSamples.length),
      ].map((samples) => transcriptOf(stack.client, samples)),
    );
    add(withPauses, wordErrorRate(said, listened ?? ""));
    add(withoutPauses, wordErrorRate(said, sent ?? ""));
    const afterwards = wordErrorRate(sent ?? "", played ?? "");
    lostOrRepeated += afterwards.lostOrAdded;
    otherwise += afterwards.errors - afterwards.lostOrAdded;
  }
  return {
    replies: heard.length,
    resumed,
    words: withPauses.words,
    wordsLostOrRepeated: lostOrRepeated,
    wordsUnderstoodOtherwise: otherwise,
    wordErrorRate: share(withPauses.errors, withPauses.words),
    wordErrorRateWithoutPauses: share(withoutPauses.errors, withoutPauses.words),
  };
}

function add(sum: { errors: number; words: number }, each: { errors: number; words: number }) {
  sum.errors += each.errors;
  sum.words += each.words;
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
  "transcribed: of replies that went on, what is understood of what was played, its silence cut out, against what is understood of the same samples as sent: words missing or added (wordsLostOrRepeated), other words in their place (wordsUnderstoodOtherwise: the ramps beside a pause change what a recogniser makes of a word); and word error rates against the text with the pauses in and without them: a pause in mid-word costs the recogniser words, not the listener.",
  "resumeErrors: resumptions in replies whose played samples, silence cut out, were not those that were sent, each once and in order.",
];
