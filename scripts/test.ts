/** `npm test`: every test of the repository in one run. Owns the last line of the output, which says how many passed, failed and were skipped. */
import { env } from "node:process";
import { parseCLI, type Reporter, startVitest, type TestModule } from "vitest/node";
import { watchParent } from "./launch/parent-watch.ts";

watchParent(() => process.exit(1));
// A test run is nobody's business but ours.
Object.assign(env, {
  WRANGLER_SEND_METRICS: "false",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  DO_NOT_TRACK: "1",
  LLM_DISCOVERY: "off",
});

const counts = { passed: 0, failed: 0, skipped: 0 };

const counter: Reporter = {
  onTestRunEnd(modules, unhandledErrors) {
    for (const module of modules) count(module);
    // An error outside every test is nobody's pass.
    counts.failed += unhandledErrors.length;
  },
};

const { filter, options } = parseCLI(["vitest", "run", ...process.argv.slice(2)]);
const vitest = await startVitest(filter, {
  ...options,
  watch: false,
  reporters: ["default", counter],
});
await vitest.close();

const { passed, failed, skipped } = counts;
const ranNothing = passed + failed === 0;
if (ranNothing) process.stdout.write("No test ran.\n");
// Alone and last: a process that is still printing would come after it.
process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`, () => {
  process.exit(failed > 0 || ranNothing ? 1 : 0);
});

function count(module: TestModule): void {
  let tests = 0;
  for (const test of module.children.allTests()) {
    tests++;
    const { state } = test.result();
    // What never came to an end did not pass.
    counts[state === "passed" || state === "skipped" ? state : "failed"] += 1;
  }
  const errors = module.errors().length;
  const suiteErrors = [...module.children.allSuites()].filter((suite) => suite.errors().length > 0);
  counts.failed += suiteErrors.length + errors;
  if (tests === 0 && errors === 0 && module.state() === "failed") counts.failed += 1;
}
