/**
 * First step of every npm script: installs what is missing, then hands over to the Node that this repository brings. Plain
 * JavaScript without dependencies, since it runs on whatever Node (20 or newer) the machine has, before anything is installed.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { env } from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const MODULES = join(ROOT, "node_modules");
const STAMP = join(MODULES, ".antiphon-install.json");
const LOCK = join(ROOT, ".antiphon", "install.lock");
const NODE = join(MODULES, "node", "bin", process.platform === "win32" ? "node.exe" : "node");

/** What each command runs, and how much it needs: "run" is the product alone, "all" its tools and tests too. */
const COMMANDS = {
  start: { level: "run", script: "scripts/start.ts" },
  cli: { level: "run", script: "apps/cli/src/main.ts" },
  test: { level: "all", script: "scripts/test.ts" },
  bench: { level: "all", script: "bench/main.ts" },
  sim: { level: "all", script: "tests/simulation/main.ts" },
  chaos: { level: "all", script: "tests/chaos/main.ts" },
  check: { level: "all", script: "scripts/check.ts" },
  lint: { level: "all", script: "scripts/check.ts", args: ["lint"] },
  typecheck: { level: "all", script: "scripts/check.ts", args: ["typecheck"] },
  proto: { level: "all", script: "scripts/check.ts", args: ["proto"] },
  infra: { level: "all", script: "scripts/infra.ts" },
};

/** Unpacked, on Linux; two inference runtimes and the Workers runtime are most of it. */
const MEGABYTES_ABOUT = { run: 800, all: 1700 };
/** An install on a slow line; whoever holds the lock longer than this is believed dead. */
const LOCK_WAIT_MS = 20 * 60_000;
const POLL_MS = 250;

const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

const say = (words) => process.stderr.write(`${words}\n`);

await main(process.argv[2], process.argv.slice(3));

async function main(name, args) {
  const command = COMMANDS[name];
  if (command === undefined) {
    say(`Usage: npm run ${Object.keys(COMMANDS).join(" | ")}`);
    process.exit(2);
  }
  if (Number(process.versions.node.split(".")[0]) < 20) {
    say(`Antiphon needs Node 20 or newer to install itself; this is ${process.versions.node}.`);
    process.exit(2);
  }
  if (!existsSync(join(ROOT, command.script))) {
    say(`${command.script} is not part of this checkout.`);
    process.exit(2);
  }
  // Before anything is awaited: whoever kills npm takes us along.
  const child = { current: undefined };
  watchParent(child);
  forwardSignals(child);
  await ensureInstalled(command.level, child);
  process.exit(
    await run(child, NODE, [join(ROOT, command.script), ...(command.args ?? []), ...args]),
  );
}

async function ensureInstalled(level, child) {
  if (await isInstalled(level)) return;
  await withLock(async () => {
    // Another one may have installed while we waited.
    if (await isInstalled(level)) return;
    await install(level, child);
  });
}

async function isInstalled(level) {
  if (!existsSync(NODE)) return false;
  const stamp = await readJson(STAMP);
  const hash = await hashOfManifests();
  if (stamp?.hash === hash) return satisfies(stamp.level, level);
  // Somebody ran `npm install` by hand: then what is there speaks for itself.
  const found = stamp === undefined ? await levelFound() : undefined;
  if (found === undefined || !satisfies(found, level)) return false;
  await writeStamp(hash, found);
  return true;
}

function satisfies(installed, needed) {
  return installed === "all" || installed === needed;
}

/** Compares what npm says it installed with the lock; undefined when something is missing or another version. */
async function levelFound() {
  const locked = (await readJson(join(ROOT, "package-lock.json")))?.packages;
  const present = (await readJson(join(MODULES, ".package-lock.json")))?.packages;
  if (locked === undefined || present === undefined) return undefined;
  const isMissing = ([path, entry]) =>
    path !== "" && !entry.optional && !entry.link && present[path]?.version !== entry.version;
  const missing = Object.entries(locked).filter(isMissing);
  if (missing.length === 0) return "all";
  return missing.every(([, entry]) => entry.dev) ? "run" : undefined;
}

async function install(level, child) {
  // What was installed with the tools keeps them.
  const stamp = await readJson(STAMP);
  const hasTools = stamp?.level === "all" || existsSync(join(MODULES, "vitest"));
  const target = level === "all" || hasTools ? "all" : "run";
  const what =
    target === "all" ? "Antiphon with its tools and tests" : "what Antiphon needs to run";
  say(
    `Installing ${what}: about ${MEGABYTES_ABOUT[target]} MB on disk, usually about a minute, and only once.`,
  );
  const startedMs = Date.now();
  const npm = env.npm_execpath;
  const [file, ...before] = npm === undefined ? ["npm"] : [process.execPath, npm];
  const flags = [
    "--loglevel=error",
    "--no-fund",
    "--no-audit",
    // Said both ways: NODE_ENV=production would leave the tools out, too.
    target === "run" ? "--omit=dev" : "--include=dev",
  ];
  const ticker = setInterval(() => {
    const seconds = Math.round((Date.now() - startedMs) / 1000);
    if (process.stderr.isTTY) process.stderr.write(`\r… ${seconds} s `);
  }, 1000);
  // Its script would fetch GPU libraries that nobody asked for.
  const added = { ONNXRUNTIME_NODE_INSTALL: "skip" };
  // All words to stderr: what a command prints on stdout may be read by a program.
  const code = await run(child, file, [...before, "install", ...flags], added, ["inherit", 2, 2]);
  clearInterval(ticker);
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  if (code !== 0 || !existsSync(NODE)) {
    say(
      "The installation failed; npm's own words are above. Is the registry reachable, and is there room on the disk?",
    );
    process.exit(code === 0 ? 1 : code);
  }
  await writeStamp(await hashOfManifests(), target);
  const seconds = Math.round((Date.now() - startedMs) / 1000);
  say(`Installed ${await megabytesOf(MODULES)} MB in ${seconds} s.`);
}

async function hashOfManifests() {
  const hash = createHash("sha256");
  for (const file of await manifests()) hash.update(file).update(await readFile(join(ROOT, file)));
  return hash.digest("hex");
}

async function manifests() {
  const files = ["package.json", "package-lock.json"];
  for (const folder of ["apps", "packages"]) {
    for (const name of (await readdir(join(ROOT, folder))).sort()) {
      const file = join(folder, name, "package.json");
      if (existsSync(join(ROOT, file))) files.push(file);
    }
  }
  return files;
}

function writeStamp(hash, level) {
  return writeFile(STAMP, `${JSON.stringify({ hash, level })}\n`);
}

async function readJson(path) {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** Two first starts side by side must not install into one folder at once. */
async function withLock(work) {
  await mkdir(join(ROOT, ".antiphon"), { recursive: true });
  const giveUpMs = Date.now() + LOCK_WAIT_MS;
  let said = false;
  for (;;) {
    try {
      const file = await open(LOCK, "wx");
      await file.writeFile(String(process.pid));
      await file.close();
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (Date.now() > giveUpMs || !(await isHeld())) await rm(LOCK, { force: true });
    else if (!said) say("Another start is installing; waiting for it.");
    said = true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  process.once("exit", () => void rm(LOCK, { force: true }));
  try {
    await work();
  } finally {
    await rm(LOCK, { force: true });
  }
}

async function isHeld() {
  const pid = Number(await readFile(LOCK, "utf8").catch(() => ""));
  if (!(pid > 0)) {
    // Just created, and not yet written; or by somebody who died in that moment.
    const age = await stat(LOCK).then(
      (found) => Date.now() - found.mtimeMs,
      () => 0,
    );
    return age < 5_000;
  }
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

async function megabytesOf(folder) {
  let bytes = 0;
  // Binaries are linked from several places, and lie on the disk once.
  const seen = new Set();
  const pending = [folder];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const entry of await readdir(next, { withFileTypes: true })) {
      const path = join(next, entry.name);
      if (entry.isDirectory()) pending.push(path);
      else if (entry.isFile()) {
        const { ino, size } = await stat(path);
        if (!seen.has(ino)) bytes += size;
        seen.add(ino);
      }
    }
  }
  return Math.round(bytes / 1e6);
}

/** Runs to the end and answers as a shell would: the exit code, or 128 and the signal's number. */
function run(child, file, args, added = {}, stdio = "inherit") {
  return new Promise((resolve) => {
    const path = [join(MODULES, ".bin"), join(MODULES, "node", "bin"), env.PATH];
    child.current = spawn(file, args, {
      cwd: ROOT,
      stdio,
      shell: file === "npm" && process.platform === "win32",
      env: {
        ...env,
        PATH: path.join(delimiter),
        // A child that starts after our death would not see its parent change.
        ANTIPHON_PARENT_PID: String(process.pid),
        ...added,
      },
    });
    child.current.once("error", (error) => {
      say(`${file} could not be started: ${error.message}`);
      resolve(1);
    });
    child.current.once("exit", (code, signal) => {
      child.current = undefined;
      resolve(code ?? 128 + (SIGNAL_NUMBERS[signal] ?? 0));
    });
  });
}

/** The child decides what a signal means; without one there is nothing left to do. */
function forwardSignals(child) {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      if (child.current === undefined) process.exit(128 + SIGNAL_NUMBERS[signal]);
      child.current.kill(signal);
    });
  }
}

function watchParent(child) {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid === parent) return;
    // It watches us in turn; this is quicker.
    child.current?.kill("SIGTERM");
    process.exit(1);
  }, POLL_MS).unref();
}
