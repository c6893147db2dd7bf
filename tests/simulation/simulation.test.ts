import { describe, expect, it } from "vitest";
import { hunt, MUTANTS } from "./hunt.ts";
import { simulate } from "./simulation.ts";

const SEEDS = 20;
/** Every planted bug shows in one of so many seeds; most in the first. */
const HUNT_SEEDS_MAX = 16;

describe("conversations in virtual time", () => {
  it(`keep their promises, whatever happens to them (${SEEDS} seeds)`, async () => {
    let steps = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const result = await simulate(seed, { trace: false });
      steps += result.steps;
      expect(result.violations, `npm run -s sim -- --seed ${seed}`).toEqual([]);
    }
    expect(steps).toBeGreaterThan(SEEDS * 1_000);
  });

  it("replay to the same story", async () => {
    for (const seed of [7, 4_294_967_295]) {
      const first = await simulate(seed, { trace: true });
      const second = await simulate(seed, { trace: true });
      expect(first.trace.lines.length).toBeGreaterThan(100);
      expect(second.trace.lines).toEqual(first.trace.lines);
    }
  });

  it.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
    "would not with a planted bug: %s",
    async (_, mutant) => {
      for (let seed = 1; seed <= HUNT_SEEDS_MAX; seed++) {
        if ((await hunt(mutant, [seed])).caught > 0) return;
      }
      expect.fail(`not caught in ${HUNT_SEEDS_MAX} seeds: ${mutant.bug}`);
    },
  );
});
