/** The whole of `npm start`, for tests: real processes on a port of their own. Starts, names pids, stops; asserts nothing. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isAlive } from "./processes.ts";

export interface Stack {
  /** Of the edge: page and API. */
  url: string;
  port: number;
  /** "launcher", "orchestrator", "worker", "edge"; a restarted service has its new one. */
  pids: Record<string, number>;
  launcher: ChildProcess;
  /** What the launcher has shown so far. */
  said(): string;
  /** Ends everything as Ctrl-C would, and makes sure that nothing is left. */
  stop(): Promise<void>;
}

export interface StackOptions {
  port?: number;
  env?: Record<string, string>;
  /** Further arguments of `npm start`. */
  args?: string[];
}

/** Resolves once a call can be taken; rejects with what the launcher said when it leaves instead. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const port = options.port ?? (await freePort());
  const stateDir = await mkdtemp(join(tmpdir(), "antiphon-stack-"));
  const launcher = fork(START, ["--port", String(port), ...(options.args ?? [])], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: {
      ...process.env,
      LLM_DISCOVERY: "off",
      // What comes with the packages: a test must not depend on what else lies on the machine.
      MODELS: "flite,moonshine",
      EDGE_STATE_DIR: stateDir,
      ...options.env,
    },
  });
  let said = "";
  for (const stream of [launcher.stdout, launcher.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
  const exited = once(launcher, "exit");
  const stack: Stack = {
    url: "",
    port,
    pids: { launcher: launcher.pid ?? 0 },
    launcher,
    said: () => said,
    stop: async () => {
      await end(launcher, exited, stack.pids);
      await rm(stateDir, { recursive: true, force: true });
    },
  };
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  launcher.on(
    "message",
    (message: { type: string; url?: string; pids: Record<string, number> }) => {
      Object.assign(stack.pids, message.pids);
      if (message.type !== "ready") return;
      stack.url = message.url ?? "";
      resolve();
    },
  );
  exited.then(([code]) => reject(new Error(`the launcher left with ${code}:\n${said}`)));
  const timer = setTimeout(() => reject(new Error(`not ready in time:\n${said}`)), READY_MS_MAX);
  try {
    await promise;
    return stack;
  } catch (reason) {
    await stack.stop();
    throw reason;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A port that nobody listens on. Below the range from which systems hand out ports of their own accord: one from in there could be
 * given to another process before the stack takes it.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 50; tries++) {
    const port = PORTS_FROM + Math.floor(Math.random() * PORTS);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error("no free port was found");
}

const PORTS_FROM = 12_000;
const PORTS = 20_000;

async function end(
  launcher: ChildProcess,
  exited: Promise<unknown>,
  pids: Record<string, number>,
): Promise<void> {
  if (launcher.exitCode === null && launcher.signalCode === null) {
    launcher.kill("SIGTERM");
    const timer = setTimeout(() => launcher.kill("SIGKILL"), STOP_MS_MAX);
    await exited;
    clearTimeout(timer);
  }
  const left = Object.entries(pids).filter(([, pid]) => isAlive(pid));
  for (const [name, pid] of left) process.kill(name === "edge" ? -pid : pid, "SIGKILL");
  if (left.length > 0) {
    throw new Error(`the launcher left behind: ${left.map(([name]) => name).join(", ")}`);
  }
}

const START = fileURLToPath(new URL("../../scripts/start.ts", import.meta.url));
const READY_MS_MAX = 90_000;
const STOP_MS_MAX = 20_000;
