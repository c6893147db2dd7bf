/** `npm run check`: what must hold beside the tests. With an argument only that part: lint, typecheck, proto or bundle. */
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { fileURLToPath } from "node:url";
import { envExample } from "./env-example.ts";
import { watchParent } from "./launch/parent-watch.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const GENERATED = "packages/protocol/src/gen";

watchParent(() => process.exit(1));

const PARTS = {
  lint: () => run("biome", "check", "--error-on-warnings"),
  typecheck: async () => {
    // Others are checked against its declarations.
    await run("tsc", "-b", "packages/audio");
    await turbo("typecheck");
    for (const folder of ["scripts", "tests", "bench"]) await run("tsc", "-p", folder);
  },
  proto: async () => {
    await run("buf", "lint");
    await run("buf", "generate");
  },
  bundle: () => turbo("bundle-check"),
};

const [part] = process.argv.slice(2);
try {
  if (part === undefined) await everything();
  else if (part in PARTS) await PARTS[part as keyof typeof PARTS]();
  else throw new Error(`There is no "${part}"; there is ${Object.keys(PARTS).join(", ")}.`);
} catch (reason) {
  process.stderr.write(`${reason instanceof Error ? reason.message : String(reason)}\n`);
  process.exit(1);
}

async function everything(): Promise<void> {
  await PARTS.lint();
  await PARTS.typecheck();
  await run("buf", "lint");
  await generatedIsCurrent();
  await exampleIsCurrent();
  await PARTS.bundle();
  process.stdout.write("Everything holds.\n");
}

async function generatedIsCurrent(): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), "antiphon-proto-"));
  try {
    await run("buf", "generate", "--output", scratch);
    const [committed, fresh] = await Promise.all([
      contents(join(ROOT, GENERATED)),
      contents(join(scratch, GENERATED)),
    ]);
    const differing = [...new Set([...committed.keys(), ...fresh.keys()])].filter(
      (name) => committed.get(name) !== fresh.get(name),
    );
    if (differing.length > 0) {
      throw new Error(
        `Generated code is not that of the .proto files (${differing.join(", ")}): run npm run proto.`,
      );
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function exampleIsCurrent(): Promise<void> {
  const committed = await readFile(join(ROOT, ".env.example"), "utf8").catch(() => "");
  if (committed !== (await envExample())) {
    throw new Error(
      ".env.example is not that of the configurations: run node scripts/env-example.ts.",
    );
  }
}

async function contents(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return new Map(
    await Promise.all(
      files.map(async ({ parentPath, name }): Promise<[string, string]> => {
        const path = join(parentPath, name);
        return [path.slice(folder.length), await readFile(path, "utf8")];
      }),
    ),
  );
}

function turbo(task: string): Promise<void> {
  return run("turbo", "run", task, "--output-logs=errors-only");
}

function run(command: string, ...args: string[]): Promise<void> {
  const child = spawn(command, args, {
    cwd: ROOT,
    stdio: "inherit",
    env: {
      ...env,
      TURBO_TELEMETRY_DISABLED: "1",
      DO_NOT_TRACK: "1",
      WRANGLER_SEND_METRICS: "false",
    },
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${[command, ...args].join(" ")} failed (${signal ?? code}).`));
    });
  });
}
