import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ensureServer, findServer } from "./ensure-server.ts";
import { isOlder } from "./go-build.ts";

let folder = "";
let env: NodeJS.ProcessEnv = {};
const said: string[] = [];
const say = (words: string) => void said.push(words);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "antiphon-infra-"));
  await mkdir(join(folder, "bin"));
  env = { PATH: `${join(folder, "bin")}:/usr/bin:/bin`, ANTIPHON_CACHE_DIR: join(folder, "cache") };
  said.length = 0;
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe("a server that somebody names", () => {
  it("is that one", async () => {
    env["CADDY_BIN"] = "/bin/true";
    expect(await ensureServer("caddy", { env, say })).toEqual({ kind: "found", path: "/bin/true" });
  });

  it("is missing where it cannot be run, and nothing is built in its place", async () => {
    await fakeGo("go1.99.0", "exit 3");
    env["LIVEKIT_SERVER_BIN"] = join(folder, "nowhere");
    const found = await ensureServer("livekit-server", { env, say });
    expect(found).toMatchObject({
      kind: "missing",
      reason: expect.stringContaining("LIVEKIT_SERVER_BIN"),
    });
    expect(said).toEqual([]);
  });
});

describe("a machine's Go", () => {
  it("is asked for where there is none", async () => {
    env["PATH"] = join(folder, "bin");
    const found = await ensureServer("livekit-server", { env, say });
    expect(found).toMatchObject({
      kind: "missing",
      reason: expect.stringContaining("there is no Go"),
    });
  });

  it("is refused in words where it is too old", async () => {
    await fakeGo("go1.19.8", "exit 3");
    const found = await ensureServer("caddy", { env, say });
    expect(found).toMatchObject({
      kind: "missing",
      reason: expect.stringMatching(/needs Go 1\.26/),
    });
    expect(said).toEqual([]);
  });

  it("builds once for all who ask at the same time, and not again", async () => {
    await fakeGo("go1.99.0", `echo one >> ${join(folder, "builds")}; sleep 0.2; ${MAKES_OUTPUT}`);
    const [left, right] = await Promise.all([
      ensureServer("caddy", { env, say }),
      ensureServer("caddy", { env, say }),
    ]);
    expect(left.kind).toBe("found");
    expect(right).toEqual(left);
    expect(await ensureServer("caddy", { env, say })).toEqual(left);
    expect(await findServer("caddy", env)).toEqual(left);
    expect(await readFile(join(folder, "builds"), "utf8")).toBe("one\n");
    expect(said.filter((words) => words.startsWith("Somebody else is building"))).toHaveLength(1);
    const [kept] = await readdir(join(folder, "cache", "servers"));
    expect(await readdir(join(folder, "cache", "servers", kept ?? ""))).toEqual(["caddy"]);
  });

  it("builds anew when it is another Go", async () => {
    await fakeGo("go1.99.0", MAKES_OUTPUT);
    const before = await ensureServer("caddy", { env, say });
    await fakeGo("go1.99.1", MAKES_OUTPUT);
    expect(await findServer("caddy", env)).toMatchObject({ kind: "missing" });
    expect(await ensureServer("caddy", { env, say })).not.toEqual(before);
  });

  it("says why it could not build, and leaves nothing behind", async () => {
    await fakeGo("go1.99.0", "echo 'go: downloading x' >&2; echo 'no route to host' >&2; exit 1");
    const found = await ensureServer("caddy", { env, say });
    expect(found).toEqual({
      kind: "missing",
      reason: "it could not be built: no route to host",
    });
    const [kept] = await readdir(join(folder, "cache", "servers"));
    expect(await readdir(join(folder, "cache", "servers", kept ?? ""))).toEqual([]);
  });

  it("passes over the lock of one that has died", async () => {
    await fakeGo("go1.99.0", MAKES_OUTPUT);
    const found = await ensureServer("caddy", { env, say });
    if (found.kind !== "found") throw new Error(found.reason);
    await rm(found.path);
    // No process has this number: it is above what Linux gives out.
    await writeFile(join(found.path, "..", "lock"), "4194305");
    expect(await ensureServer("caddy", { env, say })).toEqual(found);
  });
});

describe("versions of Go", () => {
  it("are compared as numbers", () => {
    expect(isOlder("1.9", "1.25.0")).toBe(true);
    expect(isOlder("1.25", "1.25.0")).toBe(false);
    expect(isOlder("1.26.8", "1.26.0")).toBe(false);
    expect(isOlder("1.24.13", "1.25.0")).toBe(true);
  });
});

/** A Go that says a version and builds by a line of shell. */
async function fakeGo(version: string, build: string): Promise<void> {
  const path = join(folder, "bin", "go");
  const script = `#!/bin/sh\nif [ "$1" = version ]; then echo "go version ${version} linux/amd64"; exit; fi\n${build}\n`;
  await writeFile(path, script);
  await chmod(path, 0o755);
}

/** The path stands behind `-o`. */
const MAKES_OUTPUT = `while [ "$1" != -o ]; do shift; done; echo '#!/bin/sh' > "$2"; chmod +x "$2"`;
