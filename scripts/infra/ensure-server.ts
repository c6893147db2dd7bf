/** The servers that are written in Go: finds each, or builds it once with the machine's own Go. Runs none of them, and installs no Go. */
import { createHash } from "node:crypto";
import { access, constants, mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { goBuild, goVersion } from "./go-build.ts";
import { withLock } from "./lock-file.ts";

export type ServerName = "livekit-server" | "caddy";

export type FoundServer =
  | { kind: "found"; path: string }
  /** A sentence for people, without its full stop. */
  | { kind: "missing"; reason: string };

export interface EnsureOptions {
  /** Takes what is said while it lasts; stderr by default. */
  say?: (words: string) => void;
  /** Settings and Go's own variables; those of this process by default. */
  env?: NodeJS.ProcessEnv;
}

/**
 * The server, ready to be run; built first where need be, which takes minutes. Never rejects for a machine that cannot build it.
 *
 * What counts, in this order: the server's own variable (`LIVEKIT_SERVER_BIN`, `CADDY_BIN`), what an earlier build left, a build.
 * Builds are kept a user, so that a fresh clone finds them, or under `.cache/` where a home is not to be written to.
 */
export async function ensureServer(
  name: ServerName,
  options: EnsureOptions = {},
): Promise<FoundServer> {
  const { env = process.env, say = (words) => process.stderr.write(`${words}\n`) } = options;
  const found = await lookFor(name, env);
  if (found.kind !== "buildable") return found;
  const { recipe, folders } = found;
  let reason = "no folder could be written to";
  for (const folder of folders) {
    const path = join(folder, name);
    try {
      await mkdir(folder, { recursive: true });
      const lock = {
        path: join(folder, "lock"),
        heldMsMax: HELD_MS_MAX,
        onWait: () => say(`Somebody else is building ${name}; waiting for it.`),
      };
      return await withLock(lock, async () => {
        // Somebody else may have built it while we waited.
        if (await isExecutable(path)) return { kind: "found", path };
        say(`Building ${name} (about two minutes, and only once).`);
        const startedMs = performance.now();
        await sweep(folder, `${name}.`);
        const draft = `${path}.${process.pid}`;
        const built = await goBuild({
          module: join(INFRA, recipe.folder),
          command: recipe.command,
          output: draft,
          timeoutMs: BUILD_MS_MAX,
          env,
        });
        if (built.kind === "failed") {
          await rm(draft, { force: true });
          return { kind: "missing", reason: `it could not be built: ${built.reason}` };
        }
        // Whoever looks sees all of it or nothing.
        await rename(draft, path);
        say(`Built ${name} in ${Math.round((performance.now() - startedMs) / 1000)} s: ${path}`);
        return { kind: "found", path };
      });
    } catch (error) {
      reason = `${folder} could not be written to: ${error instanceof Error ? error.message : error}`;
    }
  }
  return { kind: "missing", reason };
}

/** The server where it is there already; builds nothing. */
export async function findServer(
  name: ServerName,
  env: NodeJS.ProcessEnv = process.env,
): Promise<FoundServer> {
  const found = await lookFor(name, env);
  if (found.kind !== "buildable") return found;
  return { kind: "missing", reason: "it has not been built yet: npm run infra" };
}

async function lookFor(
  name: ServerName,
  env: NodeJS.ProcessEnv,
): Promise<FoundServer | { kind: "buildable"; recipe: Recipe; folders: string[] }> {
  const recipe = RECIPES[name];
  const chosen = env[recipe.variable] ?? "";
  if (chosen !== "") {
    if (await isExecutable(chosen)) return { kind: "found", path: chosen };
    return { kind: "missing", reason: `${recipe.variable} names ${chosen}, which cannot be run` };
  }
  const manifest = await readFile(join(INFRA, recipe.folder, "go.mod"), "utf8");
  const go = await goVersion(env, manifest);
  if (go.kind === "missing") return go;
  const key = createHash("sha256")
    .update(manifest)
    .update(await readFile(join(INFRA, recipe.folder, "go.sum")))
    .update(go.version)
    .digest("hex")
    .slice(0, 16);
  const folders = cachesOf(env).map((cache) => join(cache, "servers", `${name}-${key}`));
  for (const folder of folders) {
    const path = join(folder, name);
    if (await isExecutable(path)) return { kind: "found", path };
  }
  return { kind: "buildable", recipe, folders };
}

/** The best first. */
function cachesOf(env: NodeJS.ProcessEnv): string[] {
  const own = env["ANTIPHON_CACHE_DIR"] ?? "";
  if (own !== "") return [own];
  const user = env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return [join(user, "antiphon"), join(dirname(INFRA), ".cache")];
}

/** What builds that were ended in the middle have left; one that goes on is younger. */
async function sweep(folder: string, prefix: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(folder, name);
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > HELD_MS_MAX) await rm(path, { force: true });
  }
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

interface Recipe {
  /** Names a binary of one's own: for a machine without Go, or to try another version. */
  variable: string;
  /** Under `infra/`: its Go module, which pins it. */
  folder: string;
  command: string;
}

const RECIPES: Readonly<Record<ServerName, Recipe>> = {
  "livekit-server": {
    variable: "LIVEKIT_SERVER_BIN",
    folder: "livekit",
    command: "github.com/livekit/livekit-server/cmd/server",
  },
  caddy: {
    variable: "CADDY_BIN",
    folder: "caddy",
    command: "github.com/caddyserver/caddy/v2/cmd/caddy",
  },
};

const INFRA = fileURLToPath(new URL("../../infra", import.meta.url));
/** Two and a quarter minutes were measured on two cores, download included; a network that swallows packets would take for ever. */
const BUILD_MS_MAX = 8 * 60_000;
/** A minute more than a build may take, so that nobody is passed over who is about to give up. */
const HELD_MS_MAX = BUILD_MS_MAX + 60_000;
