/** The Worker as one script, built when a source is newer. The page is built by others. */
import { mkdir, readdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Path of a bundle no older than the sources of the edge and of the packages it shares. */
export async function ensureBundle(): Promise<string> {
  if (await isFresh()) return BUNDLE;
  await mkdir(fileURLToPath(new URL("../dist/host/", import.meta.url)), { recursive: true });
  // Two hosts may build at once: each writes its own file, the last one in place wins, and both are the same.
  const scratch = `${BUNDLE}.${process.pid}`;
  await build({
    entryPoints: [fileURLToPath(new URL("../src/index.ts", import.meta.url))],
    outfile: scratch,
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    logLevel: "silent",
  });
  await rename(scratch, BUNDLE);
  return BUNDLE;
}

async function isFresh(): Promise<boolean> {
  const built = await stat(BUNDLE).catch(() => undefined);
  if (built === undefined) return false;
  const folders = [new URL("../src/", import.meta.url)];
  const packages = new URL("../../../packages/", import.meta.url);
  for (const name of await readdir(packages)) folders.push(new URL(`${name}/src/`, packages));
  const newest = await Promise.all(folders.map((folder) => newestMs(fileURLToPath(folder))));
  return newest.every((ms) => ms < built.mtimeMs);
}

/** Folders count too: a file that was removed changes only its folder. */
async function newestMs(folder: string): Promise<number> {
  const own = await stat(folder).catch(() => undefined);
  if (own === undefined) return 0;
  const names = await readdir(folder, { recursive: true });
  const times = await Promise.all(names.map((name) => stat(join(folder, name))));
  return Math.max(own.mtimeMs, ...times.map((time) => time.mtimeMs));
}

const BUNDLE = fileURLToPath(new URL("../dist/host/worker.js", import.meta.url));
