/** Bench `turn`: from the end of what a person says to the first sound of the answer, stage by stage. */
import type { SessionOptions } from "@antiphon/protocol";
import { SeededRandom } from "@antiphon/runtime/testing";
import type { Bench, BenchOptions, BenchResult } from "./bench.ts";
import type { Caller } from "./harness/caller.ts";
import { distribution } from "./harness/distribution.ts";
import { atLevel } from "./harness/levels.ts";
import { deviceClock, generatorLateness, onCalls } from "./harness/load.ts";
import { known } from "./harness/pause.ts";
import { recordedSounds } from "./harness/recorded-speech.ts";
import { kokoroIsThere, startWholeStack } from "./harness/stacks.ts";
import { synthesise } from "./harness/synthesised-speech.ts";

export const bench: Bench = {
  summary: "from the end of what a person says to the answer's first sound, by stage",
  run,
};

async function run(options: BenchOptions): Promise<BenchResult> {
  const { progress, quick } = options;
  const { speech, from } = await questions();
  const callers = options.sessions ?? CALLERS;
  const voices = kokoroIsThere() ? ["flite", "kokoro"] : ["flite"];
  const figures: Record<string, unknown> = {};
  for (const voice of voices) {
    const turns = quick ? 4 : voice === "flite" ? FLITE_TURNS : KOKORO_TURNS;
    progress(`${voice}: ${turns} turns on ${callers} calls`);
    const stack = await startWholeStack([voice, "moonshine"]);
    const random = new SeededRandom(options.seed);
    let left = turns;
    const done = await onCalls(
      callers,
      (number) => stack.call({ clock: deviceClock, number }, SESSION),
      async (caller) => {
        const measured: Turn[] = [];
        while (left-- > 0) measured.push(await takeTurn(caller, random.pick(speech), random));
        return measured;
      },
    );
    await stack.stop();
    figures[voice] = summarise(done.results.flat());
  }
  if (!voices.includes("kokoro"))
    figures["kokoro"] = "absent: its files or its adapter are not there";
  return {
    generator: generatorLateness(),
    figures: { ...(figures["flite"] as object), ...figures, sessions: callers },
    notes: [...NOTES, `What was asked: ${from}.`],
  };
}

interface Turn {
  phrase: string;
  heardAudio: boolean;
  /** By the recording's label. */
  endOfSpeechToFirstAudioMs: number | undefined;
  endpointToFirstAudioMs: number | undefined;
  endpointingMs: number | undefined;
  transcriptionMs: number | undefined;
  llmFirstTokenMs: number | undefined;
  firstAudioLatencyMs: number | undefined;
  /** First frame sent to first sample played. */
  playoutMs: number | undefined;
}

async function takeTurn(
  caller: Caller,
  question: { phrase: string; samples: Int16Array; endSample: number },
  random: SeededRandom,
): Promise<Turn> {
  caller.forget();
  const before = caller.reply?.epoch ?? -1;
  const beganMs = performance.now();
  const spoken = caller.say(question.samples, random.below(960));
  const answer = () => {
    const reply = caller.reply;
    return reply !== undefined && reply.epoch > before ? reply : undefined;
  };
  const lengthMs = question.samples.length / 48;
  // A pause in what is said may be taken for its end; then the answer to all of it counts.
  await caller.wait(lengthMs);
  const heardAudio = await caller.until(() => {
    const firstMs = answer()?.firstAudibleMs;
    return firstMs !== undefined && caller.state?.userSpeaking === false;
  }, ANSWER_MS_MAX);
  const reply = answer();
  const metrics = caller
    .all("metrics", beganMs)
    .find(({ message }) => message.replyId === reply?.replyId);
  const firstMs = reply?.firstAudibleMs;
  const endMs = caller.microphone.soundedMs(spoken.startSample + question.endSample);
  caller.session.interrupt();
  await caller.wait(REST_MS);
  const since = (ms: number | undefined) =>
    firstMs === undefined || ms === undefined ? undefined : firstMs - ms;
  const sent = metrics?.message;
  const decidedMs =
    metrics === undefined || sent?.endOfSpeechToFirstAudioMs === undefined
      ? undefined
      : metrics.atMs - (sent.endOfSpeechToFirstAudioMs - (sent.endpointingMs ?? 0));
  return {
    phrase: question.phrase,
    heardAudio,
    endOfSpeechToFirstAudioMs: since(endMs),
    endpointToFirstAudioMs: since(decidedMs),
    endpointingMs: sent?.endpointingMs,
    transcriptionMs: sent?.transcriptionMs,
    llmFirstTokenMs: sent?.llmFirstTokenMs,
    firstAudioLatencyMs: sent?.firstAudioLatencyMs,
    playoutMs: since(metrics?.atMs),
  };
}

function summarise(turns: readonly Turn[]) {
  const of = (name: Exclude<keyof Turn, "heardAudio" | "phrase">) =>
    distribution(known(turns.map((turn) => turn[name])));
  return {
    n: turns.length,
    unanswered: turns.filter(({ heardAudio }) => !heardAudio).length,
    unansweredPhrases: turns.filter(({ heardAudio }) => !heardAudio).map(({ phrase }) => phrase),
    endpointToFirstAudioMs: of("endpointToFirstAudioMs"),
    endOfSpeechToFirstAudioMs: of("endOfSpeechToFirstAudioMs"),
    stages: {
      endpointingMs: of("endpointingMs"),
      transcriptionMs: of("transcriptionMs"),
      llmFirstTokenMs: of("llmFirstTokenMs"),
      firstAudioLatencyMs: of("firstAudioLatencyMs"),
      playoutMs: of("playoutMs"),
    },
  };
}

/** Recorded people where there are some: a synthesised voice is easier to understand. */
async function questions() {
  const { speech } = recordedSounds();
  if (speech.length > 0) {
    const levelled = speech.map(({ file, startMs, endMs, samples, startSample, endSample }) => ({
      phrase: `${file} ${startMs}–${endMs}`,
      samples: atLevel(samples, LEVEL_DBFS, samples.subarray(startSample, endSample)),
      endSample,
    }));
    return { speech: levelled, from: `${speech.length} recorded phrases` };
  }
  const spoken = await synthesise(["flite"], QUESTIONS);
  const levelled = spoken.map(({ text, samples }) => ({
    phrase: text,
    samples: atLevel(samples, LEVEL_DBFS),
    endSample: samples.length,
  }));
  return { speech: levelled, from: "synthesised questions, for want of ANTIPHON_AUDIO_DIR" };
}

const SESSION: SessionOptions = {};
const QUESTIONS = [
  "What is the weather like today?",
  "Tell me something about the old harbor.",
  "How long does the train to the mountains take?",
];
const LEVEL_DBFS = -23;
const CALLERS = 2;
const FLITE_TURNS = 80;
const KOKORO_TURNS = 30;
/** The longest silence that ends a turn, and everything after it on a slow machine. */
const ANSWER_MS_MAX = 8_000;
/** The room is silent again. */
const REST_MS = 700;

const NOTES = [
  "First audio: the first sample above −45 dBFS that the client's player played. The figures at the top are flite's.",
  "The moment of the endpoint is reckoned back from the arrival of the server's metrics, sent with the first frame: what that message takes on its way (less than a millisecond here) is missing from endpointToFirstAudioMs.",
  "endOfSpeechToFirstAudioMs counts from the end of the recording's labelled speech. The built-in responder stands for the language model.",
  "playoutMs: from the metrics' arrival to the first sample played; the player's 60 ms of lead and the silence at the voice's beginning are in it.",
];
