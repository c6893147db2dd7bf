/** Bench `heard`: whether the history ends with the word that was heard last, when a reply is interrupted at a random moment. */
import { SAMPLE_RATE_HZ } from "@antiphon/audio";
import type { SessionOptions } from "@antiphon/protocol";
import { SeededRandom } from "@antiphon/runtime/testing";
import { foldWords } from "../tests/support/word-error-rate.ts";
import type { Bench, BenchOptions, BenchResult } from "./bench.ts";
import type { Caller } from "./harness/caller.ts";
import { share } from "./harness/distribution.ts";
import type { HeardReply } from "./harness/heard-reply.ts";
import { lastAlignedWord } from "./harness/last-aligned-word.ts";
import { atLevel } from "./harness/levels.ts";
import { deviceClock, generatorLateness, onCalls } from "./harness/load.ts";
import { kokoroIsThere, startWholeStack, type WholeStack } from "./harness/stacks.ts";
import { synthesise } from "./harness/synthesised-speech.ts";
import { untilTurnOver } from "./harness/talk-over.ts";
import { drawText } from "./harness/texts.ts";
import { transcriptOf } from "./harness/transcripts.ts";

export const bench: Bench = {
  summary: "whether the history ends with the word that was heard last",
  run,
};

async function run(options: BenchOptions): Promise<BenchResult> {
  const { progress, quick } = options;
  const speech = await synthesise(["flite"], ["Wait, I have a question."]);
  const interjections = speech
    .filter(({ voice }) => voice !== "slt")
    .map(({ samples }) => atLevel(samples, -20));
  const flite = await startWholeStack(["flite", "moonshine"]);
  progress("flite, playback reported");
  const reported = await interruptions(flite, options, {
    times: quick ? 4 : FLITE_TRIALS,
    playback: "reported",
    interjections,
  });
  progress("flite, playback not reported");
  const unreported = await interruptions(flite, options, {
    times: quick ? 2 : UNREPORTED_TRIALS,
    playback: "none",
    interjections,
  });
  await flite.stop();
  const figures: Record<string, unknown> = {
    ...summarise(reported),
    withoutPlaybackReports: summarise(unreported),
  };
  if (kokoroIsThere()) {
    progress("kokoro, by what is understood of it");
    const kokoro = await startWholeStack(["kokoro", "moonshine"]);
    const trials = await interruptions(kokoro, options, {
      times: quick ? 2 : KOKORO_TRIALS,
      playback: "reported",
      interjections,
      sessions: 2,
    });
    figures["kokoro"] = await byTranscript(kokoro, trials);
    await kokoro.stop();
  } else figures["kokoro"] = "absent: its files or its adapter are not there";
  return { generator: generatorLateness(), figures, notes: NOTES };
}

interface Interrupted {
  how: "request" | "speech";
  reply: HeardReply;
  /** By the words' own times and the samples played: how many were heard. Undefined where a time was not measured. */
  wordsHeard: number | undefined;
  /** How many the server says were. */
  wordsKept: number;
  /** The record's last entry says the same as the message did. */
  recorded: boolean;
  /** The text kept is the beginning of what was written. */
  isBeginning: boolean;
}

async function interruptions(
  stack: WholeStack,
  options: BenchOptions,
  how: {
    times: number;
    playback: "reported" | "none";
    interjections: readonly Int16Array[];
    sessions?: number;
  },
): Promise<Interrupted[]> {
  const { playback, interjections } = how;
  let left = how.times;
  const records = new Map<number, () => Promise<unknown>>();
  const done = await onCalls(
    Math.min(how.sessions ?? options.sessions ?? CALLERS, how.times),
    async (number) => {
      const call = { clock: deviceClock, number, playback, tape: true };
      const { caller, record } = await stack.callRecorded(call, SESSION);
      records.set(number, record);
      return caller;
    },
    async (caller, number) => {
      const random = new SeededRandom(options.seed * 1_000 + number);
      const record = records.get(number) ?? (() => Promise.resolve(undefined));
      const trials: Interrupted[] = [];
      while (left-- > 0) {
        const speech = random.chance(SPEECH_SHARE) ? random.pick(interjections) : undefined;
        trials.push(await interruptOnce(caller, { speech, random, record }));
      }
      return trials;
    },
  );
  return done.results.flat();
}

async function interruptOnce(
  caller: Caller,
  {
    speech,
    random,
    record,
  }: { speech: Int16Array | undefined; random: SeededRandom; record: () => Promise<unknown> },
): Promise<Interrupted> {
  caller.forget();
  const reply = await caller.startReply(drawText(random, REPLY_WORDS));
  await caller.wait(AFTER_MS_MIN + random.next() * (AFTER_MS_MAX - AFTER_MS_MIN));
  const beganMs = performance.now();
  if (speech === undefined) caller.session.interrupt();
  else caller.say(speech, random.below(960));
  await caller.until(() => reply.done !== undefined, DONE_MS_MAX);
  const recorded = await isRecorded(caller, record, reply);
  if (speech !== undefined) await untilTurnOver(caller, beganMs);
  const kept = reply.done?.text ?? "";
  return {
    how: speech === undefined ? "request" : "speech",
    reply,
    wordsHeard: wordsHeard(reply),
    wordsKept: wordsOf(kept).length,
    recorded,
    isBeginning: reply.text.replaceAll(/\s+/g, " ").startsWith(kept.replaceAll(/\s+/g, " ")),
  };
}

/** By the words' own times, as far as those around the end were measured. The next utterance's may not have come yet: then nobody knows. */
function wordsHeard({ words, positionSamples }: HeardReply): number | undefined {
  if ((words.at(-1)?.endSample ?? 0) + PAUSE_SAMPLES < positionSamples) return undefined;
  const heard = words.filter((word) => middle(word) < positionSamples).length;
  const around = words.slice(Math.max(0, heard - 2), heard + 2);
  return around.every((word) => word.measured) ? heard : undefined;
}

/** What `GET /v1/sessions/:id` shows soon afterwards: records are written twice a second at most. */
async function isRecorded(
  caller: Caller,
  record: () => Promise<unknown>,
  reply: HeardReply,
): Promise<boolean> {
  for (let look = 0; look < LOOKS_MAX; look++) {
    const view = (await record()) as {
      conversation: { history: Array<{ role: string; text: string; interrupted: boolean }> } | null;
    };
    const kept = reply.done?.text ?? "";
    const said = view.conversation?.history.filter(({ role }) => role === "assistant") ?? [];
    const last = said.at(-1);
    // Replies without a word of the person's in between are one entry: this one's end is the newest.
    const isLast = last?.text.endsWith(kept) === true && last.interrupted;
    if (kept === "" ? last?.text !== reply.text : isLast) return true;
    await caller.wait(LOOK_MS);
  }
  return false;
}

function summarise(trials: readonly Interrupted[]) {
  const judged = trials.filter(({ wordsHeard }) => wordsHeard !== undefined);
  const off = judged.map(({ wordsHeard, wordsKept }) => wordsKept - (wordsHeard ?? 0));
  const within = off.filter((words) => Math.abs(words) <= 1);
  return {
    n: judged.length,
    withinOneWord: share(within.length, judged.length),
    exact: share(off.filter((words) => words === 0).length, judged.length),
    wordsOff: histogram(off),
    bySpeech: judged.filter(({ how }) => how === "speech").length,
    notMeasured: trials.length - judged.length,
    notRecorded: trials.filter(({ recorded }) => !recorded).length,
    notTheBeginning: trials.filter(({ isBeginning }) => !isBeginning).length,
  };
}

/** Where times are estimated, they cannot be the truth: what was played is transcribed, and its last word is looked up in the text. */
async function byTranscript(stack: WholeStack, trials: readonly Interrupted[]) {
  const off: number[] = [];
  const misses: Array<{ wordsOff: number; kept: string; understood: string }> = [];
  let notUnderstood = 0;
  for (const { reply, wordsKept } of trials) {
    const played = reply.tape?.playedSamples;
    if (played === undefined || played.length === 0) continue;
    const heard = foldWords(await transcriptOf(stack.client, played));
    const last = lastAlignedWord(foldEach(reply.text), heard);
    if (last === undefined) {
      notUnderstood++;
      continue;
    }
    const wordsOff = wordsKept - (last + 1);
    off.push(wordsOff);
    if (Math.abs(wordsOff) > 1) {
      misses.push({ wordsOff, kept: reply.done?.text ?? "", understood: heard.join(" ") });
    }
  }
  return {
    n: off.length,
    withinOneWord: share(off.filter((words) => Math.abs(words) <= 1).length, off.length),
    exact: share(off.filter((words) => words === 0).length, off.length),
    wordsOff: histogram(off),
    notUnderstood,
    misses,
  };
}

function histogram(values: readonly number[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of [...values].sort((a, b) => a - b)) {
    counts[value] = (counts[value] ?? 0) + 1;
  }
  return counts;
}

const wordsOf = (text: string) => text.split(/\s+/u).filter((word) => word !== "");
/** One entry a word of the text. */
const foldEach = (text: string) => wordsOf(text).map((word) => foldWords(word).join(""));
const middle = (word: { startSample: number; endSample: number }) =>
  (word.startSample + word.endSample) / 2;

const SESSION: SessionOptions = {};
const CALLERS = 4;
/** Of one in eleven the words around the end have no measured times. */
const FLITE_TRIALS = 230;
const UNREPORTED_TRIALS = 60;
const KOKORO_TRIALS = 40;
const SPEECH_SHARE = 0.5;
const REPLY_WORDS = 45;
const AFTER_MS_MIN = 200;
const AFTER_MS_MAX = 8_000;
const DONE_MS_MAX = 6_000;
/** After a sentence, at most. */
const PAUSE_SAMPLES = SAMPLE_RATE_HZ;
const LOOK_MS = 150;
const LOOKS_MAX = 20;

const NOTES = [
  "Truth, flite: the words whose middle sample the client's player had played when silence fell, by the voice's own phone times.",
  "Truth, kokoro: the last word that is understood of what was played, found in the reply's text. A word of which only the beginning was played may be understood or not.",
  "wordsOff: words kept in the history less words heard, and how often. Half of the interruptions are speech, half are requested.",
  "withoutPlaybackReports: the client does not say what it has played, and the server's paced clock stands for it.",
];
