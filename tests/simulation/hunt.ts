/** Plants one bug after another and counts in how many seeds it is caught, and by which promise. Owns the hunt, not the bugs. */
import { LISTENER_MUTANTS } from "./mutants/listener-mutants.ts";
import type { Mutant } from "./mutants/patch.ts";
import { SESSION_MUTANTS } from "./mutants/session-mutants.ts";
import { VOICE_MUTANTS } from "./mutants/voice-mutants.ts";
import { type RunResult, simulate } from "./simulation.ts";
import type { Invariant } from "./verdict.ts";

export const MUTANTS: readonly Mutant[] = [
  ...LISTENER_MUTANTS,
  ...VOICE_MUTANTS,
  ...SESSION_MUTANTS,
];

export interface Catch {
  mutant: Mutant;
  seeds: number;
  caught: number;
  firstSeed: number | undefined;
  by: Map<Invariant, number>;
  steps: number;
}

/** `enough`: no more seeds once so many have caught it. */
export async function hunt(
  mutant: Mutant,
  seeds: Iterable<number>,
  enough = Number.POSITIVE_INFINITY,
): Promise<Catch> {
  const found: Catch = {
    mutant,
    seeds: 0,
    caught: 0,
    firstSeed: undefined,
    by: new Map(),
    steps: 0,
  };
  for (const seed of seeds) {
    if (found.caught >= enough) break;
    const { violations, steps } = await simulateWith(mutant, seed);
    found.seeds++;
    found.steps += steps;
    const [first] = violations;
    if (first === undefined) continue;
    found.caught++;
    found.firstSeed ??= seed;
    found.by.set(first.invariant, (found.by.get(first.invariant) ?? 0) + 1);
  }
  return found;
}

/** One seed with the bug in it. */
export async function simulateWith(
  mutant: Mutant,
  seed: number,
  trace = false,
): Promise<RunResult> {
  const uproot = mutant.plant();
  try {
    return await simulate(seed, { trace });
  } finally {
    uproot();
  }
}
