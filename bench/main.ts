/** `npm run -s bench -- NAME`: one bench by its name. Owns arguments, where results are kept, and what makes a run void; measures nothing itself. */
import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { watchParent } from "../scripts/launch/parent-watch.ts";
import type { Bench } from "./bench.ts";
import { stopEverything } from "./harness/stacks.ts";

const BENCHES: Readonly<Record<string, () => Promise<{ bench: Bench }>>> = {
  control: () => import("./control.ts"),
  turn: () => import("./turn.ts"),
  "barge-in": () => import("./barge-in.ts"),
  heard: () => import("./heard.ts"),
};

const RESULTS = fileURLToPath(new URL("./results/", import.meta.url));
/** Half of what is measured at the finest: a generator that is later than this measures itself. */
const LATENESS_P99_MS_MAX = 5;
const VOID_NOTE = `A run is void when the generator's own ticks were more than ${LATENESS_P99_MS_MAX} ms late at the 99th percentile.`;

process.on("SIGINT", () => void leave(130));
process.on("SIGTERM", () => void leave(143));
process.on("SIGHUP", () => void leave(129));
watchParent(() => void leave(1));

await main(process.argv.slice(2));

async function main(args: string[]): Promise<void> {
  const { name, options } = await readArguments(args);
  const startedMs = performance.now();
  const load = BENCHES[name];
  if (load === undefined) return refuse(`There is no bench "${name}".`);
  const { bench } = await load();
  const progress = (words: string) => {
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    process.stderr.write(`[${name} ${seconds} s] ${words}\n`);
  };
  try {
    const { generator, figures, notes } = await bench.run({ ...options, progress });
    const isVoid = generator.p99Ms > LATENESS_P99_MS_MAX;
    const result = {
      bench: name,
      void: isVoid,
      ...figures,
      generator,
      seed: options.seed,
      quick: options.quick,
      seconds: Math.round((performance.now() - startedMs) / 1000),
      date: new Date().toISOString(),
      node: process.version,
      cores: availableParallelism(),
      notes: [...notes, VOID_NOTE],
    };
    if (isVoid) {
      progress(`void: the generator's own p99 lateness was ${generator.p99Ms} ms`);
    }
    await mkdir(RESULTS, { recursive: true });
    const file = `${RESULTS}${name}${options.quick ? ".quick" : ""}.json`;
    await writeFile(file, `${JSON.stringify(result, null, 2)}\n`);
    process.stdout.write(`${JSON.stringify(result)}\n`);
    process.exitCode = isVoid ? 1 : 0;
  } catch (reason) {
    process.stderr.write(`${reason instanceof Error ? reason.stack : String(reason)}\n`);
    process.exitCode = 1;
  } finally {
    await stopEverything();
  }
  process.exit();
}

async function readArguments(args: string[]) {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        quick: { type: "boolean", default: false },
        seed: { type: "string", default: "1" },
        sessions: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      process.stdout.write(await usage());
      process.exit(0);
    }
    const [name, ...rest] = positionals;
    if (name === undefined || rest.length > 0 || !Object.hasOwn(BENCHES, name)) {
      return refuse(
        name === undefined ? "Which bench?" : `There is no bench "${positionals.join(" ")}".`,
      );
    }
    const sessions = values.sessions === undefined ? undefined : whole(values.sessions, "sessions");
    return { name, options: { quick: values.quick, seed: whole(values.seed, "seed"), sessions } };
  } catch (reason) {
    return refuse(reason instanceof Error ? reason.message : String(reason));
  }
}

function whole(text: string, name: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} takes a whole number, not "${text}".`);
  return Number(text);
}

async function refuse(words: string): Promise<never> {
  process.stderr.write(`${words}\n\n${await usage()}`);
  process.exit(2);
}

async function usage(): Promise<string> {
  const lines = await Promise.all(
    Object.entries(BENCHES).map(
      async ([name, load]) => `  ${name.padEnd(12)}${(await load()).bench.summary}`,
    ),
  );
  return `Usage: npm run -s bench -- NAME [options]

${lines.join("\n")}

  --quick        a small run, to see that everything works
  --seed N       what is drawn at random is drawn from it (default 1)
  --sessions N   sessions at once, instead of the bench's own number
  --help         this text

Recorded speech is found through ANTIPHON_AUDIO_DIR, models through ANTIPHON_MODELS_DIR. The last line of the output is the result;
it is kept in bench/results/, too.
`;
}

async function leave(code: number): Promise<void> {
  await stopEverything();
  process.exit(code);
}
