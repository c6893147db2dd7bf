/** `npm run -s sim`: conversations drawn from seeds, each step checked; the hunt for planted bugs. Owns arguments, progress and what is printed. */
import { hunt, MUTANTS } from "./hunt.ts";
import { parseOptions, seedsFrom, USAGE } from "./sim-options.ts";
import { type RunResult, simulate } from "./simulation.ts";

interface Totals {
  seeds: number;
  steps: number;
  violations: number;
  mutantsCaught: number;
  mutants: number;
}

const totals: Totals = { seeds: 0, steps: 0, violations: 0, mutantsCaught: 0, mutants: 0 };

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const startedMs = performance.now();
  if (options.kind === "trace") await showOne(options.seed);
  else if (options.kind === "run") await runAll(options.seed, options.seeds);
  else await huntAll(options.seed, options.seeds);
  const { seeds, steps, violations, mutantsCaught, mutants } = totals;
  const stepsPerSecond = Math.round((steps * 1000) / (performance.now() - startedMs));
  console.log(JSON.stringify({ seeds, steps, stepsPerSecond, violations, mutantsCaught, mutants }));
  return violations > 0 || mutantsCaught < mutants ? 1 : 0;
}

/** The whole story, a line an event. */
async function showOne(seed: number): Promise<void> {
  const result = await simulate(seed, { trace: true });
  count(result);
  for (const line of result.trace.lines) console.log(line);
  sayViolations(result);
}

async function runAll(firstSeed: number, seeds: number): Promise<void> {
  for (const seed of seedsFrom(firstSeed, seeds)) {
    const result = await simulate(seed, { trace: false });
    count(result);
    if (result.violations.length > 0 && totals.violations <= FAILURES_SHOWN_MAX)
      await explain(seed);
    progress(totals.seeds, seeds, `${totals.violations} violated`);
  }
}

/** Each bug in as many seeds as are wanted; before that the same seeds without one. */
async function huntAll(firstSeed: number, seeds: number): Promise<void> {
  totals.mutants = MUTANTS.length;
  await runAll(firstSeed, seeds);
  console.log(`without a bug: ${totals.violations} of ${seeds} seeds violate a promise`);
  for (const [index, mutant] of MUTANTS.entries()) {
    const {
      caught,
      steps,
      by,
      firstSeed: caughtIn,
    } = await hunt(mutant, seedsFrom(firstSeed, seeds));
    totals.steps += steps;
    if (caught > 0) totals.mutantsCaught++;
    const promises = [...by].sort((a, b) => b[1] - a[1]).map(([name, times]) => `${name} ${times}`);
    console.log(
      `${mutant.name.padEnd(26)} ${
        caught === 0
          ? "NOT CAUGHT"
          : `caught in ${caught} of ${seeds} seeds, first in ${caughtIn}: ${promises.join(", ")}`
      }`,
    );
    console.log(`${"".padEnd(26)} ${mutant.bug}`);
    progress(index + 1, MUTANTS.length, mutant.name);
  }
}

function count(result: RunResult): void {
  totals.seeds++;
  totals.steps += result.steps;
  if (result.violations.length > 0) totals.violations++;
}

/** Runs it again, which gives the same, with its story. */
async function explain(seed: number): Promise<void> {
  const result = await simulate(seed, { trace: true });
  const { lines } = result.trace;
  clearProgress();
  if (lines.length > TRACE_LINES_MAX)
    console.log(`… ${lines.length - TRACE_LINES_MAX} lines before`);
  for (const line of lines.slice(-TRACE_LINES_MAX)) console.log(line.slice(0, LINE_CHARS_MAX));
  sayViolations(result);
  console.log(`Again, from the beginning: npm run -s sim -- --seed ${seed}`);
}

function sayViolations({ seed, violations }: RunResult): void {
  for (const { invariant, atMs, what } of violations.slice(0, VIOLATIONS_SHOWN_MAX)) {
    console.log(`seed ${seed} at ${atMs.toFixed(2)} ms violates "${invariant}": ${what}`);
  }
}

function progress(done: number, all: number, note: string): void {
  if (!process.stderr.isTTY) return;
  const filled = Math.round((BAR_CHARS * done) / all);
  const bar = "█".repeat(filled) + "░".repeat(BAR_CHARS - filled);
  process.stderr.write(`\r\u001b[K${bar} ${done}/${all} ${note}${done === all ? "\n" : ""}`);
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
}

/** Stories of more failures say no more than those of the first. */
const FAILURES_SHOWN_MAX = 3;
const VIOLATIONS_SHOWN_MAX = 5;
const TRACE_LINES_MAX = 200;
const LINE_CHARS_MAX = 400;
const BAR_CHARS = 30;

process.exitCode = await main(process.argv.slice(2));
