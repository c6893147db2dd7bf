/** A reply that hears itself: a loudspeaker, a room, a microphone, and nobody else. Runs one trial on a call of its own. */
import type { SessionOptions } from "@antiphon/protocol";
import type { SeededRandom } from "@antiphon/runtime/testing";
import { deviceClock } from "../harness/load.ts";
import { Room } from "../harness/room.ts";
import type { Stack } from "../harness/stacks.ts";
import { drawText } from "../harness/texts.ts";
import type { EchoTrial } from "./trial.ts";
import { decisionsOf } from "./true-trial.ts";

export interface EchoOutcome {
  trial: EchoTrial;
  pauses: number;
  stopped: boolean;
  /** What was taken for a turn of somebody's. */
  turns: string[];
  staleSamples: number;
  decisions: string[];
}

export async function runEchoTrial(
  stack: Stack,
  trial: EchoTrial,
  options: { number: number; session: SessionOptions; random: SeededRandom },
): Promise<EchoOutcome> {
  const { number, session, random } = options;
  const room = new Room({ lossDb: trial.lossDb, delayMs: trial.delayMs });
  const caller = await stack.call(
    { clock: deviceClock, number, room },
    { ...session, voice: trial.voice },
  );
  try {
    const beganMs = performance.now();
    const reply = await caller.startReply(drawText(random, REPLY_WORDS));
    await caller.until(() => reply.done !== undefined, REPLY_MS_MAX);
    // What was heard at its end may still become a turn.
    await caller.wait(AFTERWARDS_MS);
    return {
      trial,
      pauses: caller.pauses.length,
      stopped: reply.stoppedMs !== undefined,
      turns: caller
        .all("transcript")
        .filter(({ message }) => message.final && message.text !== "")
        .map(({ message }) => message.text),
      staleSamples: caller.staleSamples,
      decisions: decisionsOf(caller, beganMs),
    };
  } finally {
    await caller.hangUp();
  }
}

/** About seven seconds. */
const REPLY_WORDS = 18;
const REPLY_MS_MAX = 25_000;
const AFTERWARDS_MS = 800;
