/** The machine's own Go: whether it is new enough for a module, and one build with it. Downloads what the module pins, never another Go. */
import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { promisify } from "node:util";

export interface GoBuild {
  /** The folder of `go.mod`. */
  module: string;
  /** The package of the command. */
  command: string;
  output: string;
  timeoutMs: number;
  env: NodeJS.ProcessEnv;
}

/** What `go version` says, system and processor included. `manifest` is the text of a go.mod, whose `go` line says what it needs. */
export async function goVersion(
  env: NodeJS.ProcessEnv,
  manifest: string,
): Promise<{ kind: "found"; version: string } | { kind: "missing"; reason: string }> {
  const needed = /^go (\S+)$/m.exec(manifest)?.[1];
  if (needed === undefined) throw new Error("a go.mod without a go line");
  try {
    // Outside of any module, since an old Go refuses to say a word inside one that is too new for it.
    const { stdout } = await run("go", ["version"], { cwd: tmpdir(), env: settled(env) });
    const version = stdout.trim();
    const present = /\bgo(\d+\.\d+(?:\.\d+)?)/.exec(version)?.[1];
    if (present !== undefined && !isOlder(present, needed)) return { kind: "found", version };
    return { kind: "missing", reason: `it needs Go ${needed} or newer, and this is "${version}"` };
  } catch (error) {
    const absent = error instanceof Error && "code" in error && error.code === "ENOENT";
    return {
      kind: "missing",
      reason: absent
        ? `there is no Go here to build it with (${needed} or newer: https://go.dev/dl/)`
        : `Go could not be run: ${wordsOf(error)}`,
    };
  }
}

export async function goBuild(
  build: GoBuild,
): Promise<{ kind: "built" } | { kind: "failed"; reason: string }> {
  const child = run(
    "go",
    ["build", "-trimpath", "-ldflags=-s -w", "-o", build.output, build.command],
    {
      cwd: build.module,
      env: settled(build.env),
      timeout: build.timeoutMs,
      maxBuffer: 16 * 1024 * 1024,
    },
  );
  // Whoever is ended in the middle takes it along.
  const end = () => child.child.kill();
  process.once("exit", end);
  try {
    await child;
    return { kind: "built" };
  } catch (error) {
    const killed = error instanceof Error && "killed" in error && error.killed === true;
    const reason = killed
      ? `it took more than ${Math.round(build.timeoutMs / 60_000)} minutes`
      : wordsOf(error);
    return { kind: "failed", reason };
  } finally {
    process.off("exit", end);
  }
}

/** Compares numbers, not letters: 1.9 is older than 1.25. */
export function isOlder(version: string, than: string): boolean {
  const [left, right] = [version, than].map((text) => text.split(".").map(Number));
  for (let part = 0; part < 3; part++) {
    const difference = (left?.[part] ?? 0) - (right?.[part] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** What a person has set for other work must not change what is built. */
function settled(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return {
    ...env,
    // Exactly what go.sum names, or an error.
    GOFLAGS: "-mod=readonly -buildvcs=false",
    GOWORK: "off",
    // No other Go is fetched behind anyone's back.
    GOTOOLCHAIN: "local",
    // Both servers are pure Go: so it needs no C compiler, and runs on any Linux of its kind.
    CGO_ENABLED: "0",
  };
}

/** The last lines are the ones that say why; what was downloaded is no reason. */
function wordsOf(error: unknown): string {
  const stderr = error instanceof Error && "stderr" in error ? String(error.stderr) : "";
  const lines = stderr
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("go: downloading"));
  if (lines.length > 0) return lines.slice(-LINES_MAX).join("; ");
  return error instanceof Error ? error.message : String(error);
}

const run = promisify(execFile);
const LINES_MAX = 3;
