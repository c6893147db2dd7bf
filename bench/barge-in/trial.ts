/** The trials of `barge-in`: what is done to a reply, and what came of it. Types and their drawing; runs nothing. */
import { SeededRandom } from "@antiphon/runtime/testing";
import { atLevel, louder } from "../harness/levels.ts";
import type { RecordedSound, RecordedSounds } from "../harness/recorded-speech.ts";
import type { SynthesisedSpeech } from "../harness/synthesised-speech.ts";

/** Somebody speaks: the reply should stop. */
export interface TrueTrial {
  kind: "true";
  /** It is not known what is said: not counted with the others. */
  wordsKnown: boolean;
  name: string;
  samples(): Int16Array;
  /** Of the speech within them. */
  startSample: number;
  /** Into the reply, when it begins. */
  positionMs: number;
}

/** A sound that wants nothing: the reply should go on. */
export interface FalseTrial {
  kind: "false";
  class: "withoutWords" | "backchannels";
  name: string;
  samples(): Int16Array;
  /** After the sound before, or the reply's beginning. */
  gapMs: number;
}

/** The reply alone comes back to the microphone, from its first sample on, on a call of its own. */
export interface EchoTrial {
  kind: "echo";
  lossDb: number;
  delayMs: number;
  voice: string;
}

export type Trial = TrueTrial | FalseTrial | EchoTrial;

/** Each class at least `least` times where there is anything of it, in an order that seed decides. */
export function drawTrials(
  { speech, unknown, wordless }: RecordedSounds,
  backchannels: readonly SynthesisedSpeech[],
  { seed, quick }: { seed: number; quick: boolean },
): Trial[] {
  const random = new SeededRandom(seed);
  const trueTrial = (sound: RecordedSound, levelDbfs: number, wordsKnown: boolean): TrueTrial => ({
    kind: "true",
    wordsKnown,
    name: `${sound.file} ${sound.startMs}–${sound.endMs} at ${levelDbfs} dBFS`,
    samples: () =>
      atLevel(sound.samples, levelDbfs, sound.samples.subarray(sound.startSample, sound.endSample)),
    startSample: sound.startSample,
    positionMs: POSITION_MS_MIN + random.next() * (POSITION_MS_MAX - POSITION_MS_MIN),
  });
  const falseTrial = (
    of: FalseTrial["class"],
    name: string,
    samples: () => Int16Array,
  ): FalseTrial => ({
    kind: "false",
    class: of,
    name,
    samples,
    gapMs: GAP_MS_MIN + random.next() * (GAP_MS_MAX - GAP_MS_MIN),
  });
  const least = quick ? 4 : TRIALS_MIN;
  const trues = repeated(least, speech, (sound) =>
    SPEECH_LEVELS_DBFS.map((level) => trueTrial(sound, level, true)),
  );
  const unknowns = unknown.flatMap((sound) =>
    SPEECH_LEVELS_DBFS.map((level) => trueTrial(sound, level, false)),
  );
  const silent = repeated(quick ? 2 : WORDLESS_MIN, wordless, (sound) =>
    WORDLESS_GAINS_DB.map((gain) =>
      falseTrial("withoutWords", `${sound.file} ${sound.startMs}–${sound.endMs} ${gain} dB`, () =>
        louder(sound.samples, gain),
      ),
    ),
  );
  const hummed = repeated(Math.max(1, least - silent.length), backchannels, (spoken) =>
    SPEECH_LEVELS_DBFS.map((level) =>
      falseTrial("backchannels", `${spoken.voice} "${spoken.text}" at ${level} dBFS`, () =>
        atLevel(spoken.samples, level),
      ),
    ),
  );
  const echoes = ECHO_LOSSES_DB.flatMap((lossDb, row) =>
    ECHO_DELAYS_MS.map(
      (delayMs, column): EchoTrial => ({
        kind: "echo",
        lossDb,
        delayMs,
        voice: VOICES[(row + column) % VOICES.length] ?? "",
      }),
    ),
  );
  const some = <T>(all: T[], count: number) =>
    shuffled(random, all).slice(0, quick ? count : undefined);
  return [
    ...some([...trues, ...(quick ? [] : unknowns)], 4),
    ...some([...silent, ...hummed], 6),
    ...some(echoes, 3),
  ];
}

/** All of them, and all of them again, until there are enough. */
function repeated<S, T>(least: number, sources: readonly S[], each: (source: S) => T[]): T[] {
  const drawn: T[] = [];
  while (sources.length > 0 && drawn.length < least) drawn.push(...sources.flatMap(each));
  return drawn;
}

function shuffled<T>(random: SeededRandom, values: T[]): T[] {
  for (let last = values.length - 1; last > 0; last--) {
    const other = random.below(last + 1);
    const [a, b] = [values[last], values[other]];
    values[last] = b as T;
    values[other] = a as T;
  }
  return values;
}

/** Root mean square over the speech: close to the microphone, as recordings are usually levelled, and from across the room. */
export const SPEECH_LEVELS_DBFS = [-20, -26, -32] as const;
/** Against the recording. */
export const WORDLESS_GAINS_DB = [0, -6, -12] as const;
export const ECHO_LOSSES_DB = [6, 9, 12, 15, 18, 24, 30] as const;
export const ECHO_DELAYS_MS = [20, 60, 120, 200, 300, 400] as const;
/** The loudest echo at which a reply must never stop itself. */
export const ECHO_LOSS_QUIET_DB = 12;
const VOICES = ["slt", "rms", "awb"] as const;

const TRIALS_MIN = 100;
const WORDLESS_MIN = 40;
/** From its first word on. */
const POSITION_MS_MIN = 100;
const POSITION_MS_MAX = 5_000;
const GAP_MS_MIN = 400;
const GAP_MS_MAX = 1_500;
