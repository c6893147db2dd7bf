/** Somebody says something over a reply, again and again: the pauses that this leads to. Owns the order of things on one call; judges none of them. */
import { SAMPLE_RATE_HZ } from "@antiphon/audio";
import type { SeededRandom } from "@antiphon/runtime/testing";
import type { Caller } from "./caller.ts";
import type { Pause } from "./pause.ts";
import { drawText } from "./texts.ts";

export interface TalkOverOptions {
  random: SeededRandom;
  /** One of them is said each time. */
  sounds: readonly Int16Array[];
  times: number;
  /** Between one pause's end and the next sound. */
  gapMs: readonly [number, number];
}

/** Keeps a reply playing and talks over it. A sound that nothing came of is counted. */
export async function talkOver(
  caller: Caller,
  { random, sounds, times, gapMs: [gapMin, gapMax] }: TalkOverOptions,
): Promise<{ pauses: Pause[]; missed: number }> {
  const pauses: Pause[] = [];
  let missed = 0;
  // People do not all begin at once.
  await caller.wait(random.next() * gapMax);
  let reply = await caller.startReply(drawText(random, REPLY_WORDS));
  for (let time = 0; time < times; time++) {
    await caller.wait(gapMin + random.next() * (gapMax - gapMin));
    if (reply.done !== undefined || reply.stoppedMs !== undefined || isNearItsEnd(reply)) {
      reply = await caller.startReply(drawText(random, REPLY_WORDS));
      await caller.wait(random.next() * gapMin);
    }
    const before = caller.pauses.length;
    const sound = random.pick(sounds);
    caller.say(sound, random.below(OFFSET_SAMPLES));
    const lengthMs = (sound.length * 1000) / SAMPLE_RATE_HZ;
    const paused = await caller.until(
      () => caller.pauses[before]?.silenceMs !== undefined,
      lengthMs + PAUSE_MS_MAX,
    );
    const pause = caller.pauses[before];
    if (!paused || pause === undefined) {
      missed++;
      continue;
    }
    await caller.until(() => pause.over !== undefined, lengthMs + DECISION_MS_MAX);
    pauses.push(pause);
    if (pause.over === "stopped") await untilTurnOver(caller, pause.arrivedMs);
    caller.forget();
  }
  return { pauses, missed };
}

/** The person's turn has its final words. What was said is not answered over before that. */
export async function untilTurnOver(caller: Caller, sinceMs: number): Promise<boolean> {
  return caller.until(
    () =>
      caller.state?.userSpeaking === false &&
      caller.all("transcript", sinceMs).some(({ message }) => message.final),
    TURN_MS_MAX,
  );
}

/** So many words last 40 s at least, whoever speaks them. */
const REPLY_WORDS = 150;
const isNearItsEnd = (reply: { positionSamples: number }) =>
  reply.positionSamples > 32 * SAMPLE_RATE_HZ;
const OFFSET_SAMPLES = 960;
const PAUSE_MS_MAX = 1_500;
const DECISION_MS_MAX = 5_000;
/** The longest silence that ends a turn, and a transcript on a machine under load. */
const TURN_MS_MAX = 6_000;
