import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { hunt, MUTANTS } from "./hunt.ts";
import { parseOptions, seedsFrom, USAGE } from "./sim-options.ts";
import { simulate } from "./simulation.ts";

/** A few seconds; `npm run -s sim -- --seeds 2000` is the long run. */
const SEEDS = 60;
const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
const run = promisify(execFile);

describe("whatever befalls a conversation", () => {
  it(`no promise is broken (${SEEDS} seeds)`, async () => {
    const broken: string[] = [];
    for (const seed of seedsFrom(1, SEEDS)) {
      const { violations } = await simulate(seed, { trace: false });
      for (const { invariant, what } of violations) {
        broken.push(`seed ${seed}, ${invariant}: ${what}`);
      }
    }
    expect(broken).toEqual([]);
  });
});

describe("a seed", () => {
  it("tells the same story each time, traced or not", async () => {
    for (const seed of [0, 2, 3, 4_294_967_295]) {
      const first = await simulate(seed, { trace: true });
      const second = await simulate(seed, { trace: true });
      const untraced = await simulate(seed, { trace: false });
      expect(second.trace.hash()).toBe(first.trace.hash());
      expect(untraced.steps).toBe(first.steps);
    }
  });

  it("tells it in another process, too, and from a number with leading zeros", async () => {
    const { trace, steps } = await simulate(5, { trace: true });
    const { stdout } = await run(process.execPath, [MAIN, "--seed", "0005"], {
      maxBuffer: 64 * 1024 * 1024,
    });
    const lines = stdout.trimEnd().split("\n");
    const last = JSON.parse(lines.pop() ?? "") as { seeds: number; steps: number };
    const hash = createHash("sha256");
    for (const line of lines) hash.update(line).update("\n");
    expect(hash.digest("hex")).toBe(trace.hash());
    expect(last).toMatchObject({ seeds: 1, steps, violations: 0 });
  });
});

describe("a planted bug", () => {
  it.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
    "is caught: %s",
    async (_name, mutant) => {
      const { caught } = await hunt(mutant, seedsFrom(1, SEEDS), 1);
      expect(caught).toBe(1);
    },
  );
});

describe("the command line", () => {
  it("knows a run, a trace and a hunt", () => {
    expect(parseOptions(["--seeds", "20", "--seed", "007"])).toEqual({
      kind: "run",
      seed: 7,
      seeds: 20,
    });
    expect(parseOptions(["--seed", "4294967295"])).toEqual({ kind: "trace", seed: 4_294_967_295 });
    expect(parseOptions(["--mutants"])).toMatchObject({ kind: "mutants" });
    expect(parseOptions([])).toMatchObject({ kind: "run" });
  });

  it.each([
    ["--seed"],
    ["--seed", "4294967296"],
    ["--seed", "-1"],
    ["--seed", "1.5"],
    ["--seeds", "0"],
    ["--seeds", "many"],
    ["--mutants", "--mutants"],
    ["loud"],
  ])("knows nothing of %s %s", (...args) => {
    expect(parseOptions(args)).toBeUndefined();
  });

  it("says how it is used, and exits with 2, where it was not understood", async () => {
    await expect(run(process.execPath, [MAIN, "--seed", "x"])).rejects.toMatchObject({
      code: 2,
      stderr: USAGE,
    });
  });
});
