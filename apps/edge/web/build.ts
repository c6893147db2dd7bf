/** Builds the page when its sources are newer than what was built. Called at every start, so it looks first and says little. */
import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const page = fileURLToPath(new URL(".", import.meta.url));
const repository = fileURLToPath(new URL("../../..", import.meta.url));
const outFolder = fileURLToPath(new URL("../dist/page", import.meta.url));
/** Written last: an interrupted build is built again. */
const stamp = fileURLToPath(new URL("../dist/page-built", import.meta.url));

const SOURCE_FOLDERS = [
  page,
  ...["client", "protocol", "audio", "runtime"].map((name) =>
    join(repository, "packages", name, "src"),
  ),
];

/** `built` is false when the page was already as new as its sources. Rejects when it does not build. */
export async function buildPage(options: { force?: boolean } = {}): Promise<{ built: boolean }> {
  if (options.force !== true && (await isCurrent())) return { built: false };
  await rm(stamp, { force: true });
  // Loaded only when needed: most starts build nothing.
  const { build } = await import("vite");
  await build({ configFile: join(page, "vite.config.ts"), logLevel: "warn" });
  await mkdir(join(outFolder, ".."), { recursive: true });
  await writeFile(stamp, "");
  return { built: true };
}

async function isCurrent(): Promise<boolean> {
  const builtMs = await changedMs(stamp);
  const indexMs = await changedMs(join(outFolder, "index.html"));
  if (builtMs === undefined || indexMs === undefined) return false;
  const sources = await Promise.all(SOURCE_FOLDERS.map(newestMs));
  return Math.max(...sources) <= builtMs;
}

/** Of the files and of the folders themselves, whose time tells of a file removed. */
async function newestMs(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true });
  const times = await Promise.all(["", ...entries].map((name) => changedMs(join(folder, name))));
  return Math.max(...times.map((time) => time ?? 0));
}

async function changedMs(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
