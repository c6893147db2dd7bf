/** What the simulator was asked to do. Pure. */

export type SimOptions =
  | { kind: "trace"; seed: number }
  | { kind: "run"; seed: number; seeds: number }
  | { kind: "mutants"; seed: number; seeds: number };

export const USAGE = `Usage: npm run -s sim -- [--seeds N] [--seed FIRST] [--mutants]

  --seeds N              N conversations, from seed FIRST on (default: seed 1)
  --seed S               one conversation, and its trace, a line an event
  --mutants              plants each known bug and counts in how many seeds it is caught

N is at least 1; a seed is a whole number from 0 to 4294967295. Exit 1 where a promise is violated or a bug is not caught.
`;

/** Undefined for arguments that mean nothing. */
export function parseOptions(args: readonly string[]): SimOptions | undefined {
  let seed: number | undefined;
  let seeds: number | undefined;
  let mutants = false;
  for (let at = 0; at < args.length; at++) {
    const arg = args[at];
    if (arg === "--mutants" && !mutants) mutants = true;
    else if (arg === "--seed" && seed === undefined) {
      seed = wholeNumber(args[++at], SEED_MAX);
      if (seed === undefined) return undefined;
    } else if (arg === "--seeds" && seeds === undefined) {
      seeds = wholeNumber(args[++at], SEEDS_MAX);
      if (seeds === undefined || seeds === 0) return undefined;
    } else return undefined;
  }
  if (mutants) return { kind: "mutants", seed: seed ?? FIRST_SEED, seeds: seeds ?? MUTANT_SEEDS };
  if (seed !== undefined && seeds === undefined) return { kind: "trace", seed };
  return { kind: "run", seed: seed ?? FIRST_SEED, seeds: seeds ?? RUN_SEEDS };
}

/** After the last seed comes the first. */
export function* seedsFrom(first: number, count: number): Iterable<number> {
  for (let index = 0; index < count; index++) yield (first + index) % (SEED_MAX + 1);
}

/** Digits only: leading zeros are as good as none. */
function wholeNumber(text: string | undefined, max: number): number | undefined {
  if (text === undefined || !/^\d{1,64}$/u.test(text)) return undefined;
  const value = Number(text);
  return value <= max ? value : undefined;
}

const SEED_MAX = 0xffff_ffff;
const SEEDS_MAX = 1_000_000;
const FIRST_SEED = 1;
const RUN_SEEDS = 200;
/** The rarest bug shows in two or three of these. */
const MUTANT_SEEDS = 60;
