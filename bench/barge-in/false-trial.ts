/** A cough, a key press, a "right" over a reply that goes on. Runs trials on one call and says what came of each; keeps the replies for a closer look. */
import { SAMPLE_RATE_HZ } from "@antiphon/audio";
import type { SeededRandom } from "@antiphon/runtime/testing";
import type { Caller } from "../harness/caller.ts";
import type { HeardReply } from "../harness/heard-reply.ts";
import { silentMs } from "../harness/pause.ts";
import { untilTurnOver } from "../harness/talk-over.ts";
import { drawText } from "../harness/texts.ts";
import type { FalseTrial } from "./trial.ts";
import { decisionsOf } from "./true-trial.ts";

export interface FalseOutcome {
  trial: FalseTrial;
  pauses: number;
  /** The reply did not go on. */
  stopped: boolean;
  /** It was silent for so long. */
  silentMs: number;
  /** The sound's end to the reply's next sample; undefined where it was not paused or did not go on. */
  resumeMs: number | undefined;
  /** Samples of the reply from here to the next trial, or its end. */
  replySamples: number;
  decisions: string[];
}

/** What such trials did to one reply. */
export interface DisturbedReply {
  reply: HeardReply;
  resumed: number;
}

/** One call's. */
export class FalseTrials {
  readonly outcomes: FalseOutcome[] = [];
  readonly replies: DisturbedReply[] = [];
  readonly #caller: Caller;
  readonly #random: SeededRandom;
  #reply: HeardReply | undefined;
  #countedSamples = 0;

  constructor(caller: Caller, random: SeededRandom) {
    this.#caller = caller;
    this.#random = random;
  }

  async run(trial: FalseTrial): Promise<void> {
    const caller = this.#caller;
    const { reply, disturbed } = await this.#ready();
    await caller.wait(trial.gapMs);
    const samples = trial.samples();
    const beganMs = performance.now();
    const spoken = caller.say(samples, this.#random.below(OFFSET_SAMPLES));
    const lengthMs = (samples.length * 1000) / SAMPLE_RATE_HZ;
    await caller.wait(lengthMs + SETTLED_MS);
    const pauses = () => caller.pauses.filter((pause) => pause.arrivedMs >= beganMs);
    await caller.until(() => pauses().every((pause) => pause.over !== undefined), RESUME_MS_MAX);
    // What was said is a turn of its own until it is known to be none.
    if (pauses().length > 0) await untilTurnOver(caller, beganMs);
    await caller.until(() => pauses().every((pause) => pause.over !== undefined), RESUME_MS_MAX);
    const last = pauses().at(-1);
    const endMs = caller.microphone.soundedMs(spoken.endSample) ?? beganMs + lengthMs;
    const hangs = last !== undefined && last.over === undefined;
    const stopped = reply.stoppedMs !== undefined || hangs;
    const resumed = !stopped && last?.over === "resumed";
    this.outcomes.push({
      trial,
      pauses: pauses().length,
      stopped,
      silentMs: pauses().reduce((sum, pause) => sum + silentMs(pause), 0),
      resumeMs: resumed && last.overMs !== undefined ? Math.max(0, last.overMs - endMs) : undefined,
      replySamples: reply.positionSamples - this.#countedSamples,
      decisions: decisionsOf(caller, beganMs),
    });
    this.#countedSamples = reply.positionSamples;
    if (resumed) disturbed.resumed++;
    caller.forget();
  }

  /** A reply that still has something to say. */
  async #ready(): Promise<{ reply: HeardReply; disturbed: DisturbedReply }> {
    const known = this.replies.at(-1);
    const reply = this.#reply;
    const goesOn =
      reply?.done === undefined &&
      reply?.stoppedMs === undefined &&
      (reply?.positionSamples ?? 0) < REPLY_SAMPLES_MAX;
    if (known !== undefined && reply !== undefined && goesOn) return { reply, disturbed: known };
    const started = await this.#caller.startReply(drawText(this.#random, REPLY_WORDS));
    const disturbed = { reply: started, resumed: 0 };
    this.#reply = started;
    this.#countedSamples = 0;
    this.replies.push(disturbed);
    return { reply: started, disturbed };
  }
}

/** 45 s at least; the last trial begins 13 s before that. */
const REPLY_WORDS = 150;
const REPLY_SAMPLES_MAX = 32 * SAMPLE_RATE_HZ;
const OFFSET_SAMPLES = 960;
/** After the sound: whoever pauses does so before. */
const SETTLED_MS = 300;
/** A reply that was not resumed by then is taken to be lost. */
const RESUME_MS_MAX = 4_000;
