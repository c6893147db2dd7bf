/** Work shared out among several calls on one clock. Owns the calls; knows nothing of what they do. */
import type { Lateness } from "../bench.ts";
import type { Caller } from "./caller.ts";
import { DeviceClock } from "./device-clock.ts";

/** One clock a process: several would be late for each other. */
export const deviceClock = new DeviceClock();

/** Of everything that ran in this process. */
export function generatorLateness(): Lateness {
  return deviceClock.lateness();
}

/** Opens so many calls, one after another, works on all at once and hangs up. */
export async function onCalls<T>(
  count: number,
  open: (number: number) => Promise<Caller>,
  work: (caller: Caller, number: number) => Promise<T>,
): Promise<{ results: T[]; staleSamples: number; lateFrames: number; underruns: number }> {
  const callers: Caller[] = [];
  try {
    for (let number = 0; number < count; number++) callers.push(await open(number));
    const results = await Promise.all(callers.map((caller, number) => work(caller, number)));
    const sum = (of: (caller: Caller) => number) =>
      callers.reduce((total, caller) => total + of(caller), 0);
    return {
      results,
      staleSamples: sum((caller) => caller.staleSamples),
      lateFrames: sum((caller) => caller.lateFrames),
      underruns: sum((caller) => caller.underruns),
    };
  } finally {
    await Promise.all(callers.map((caller) => caller.hangUp()));
  }
}
