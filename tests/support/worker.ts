/** One real gpu-worker process for tests, on a free port of its own. Starts, names its family, stops; asserts nothing. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { familyOf, isAlive } from "./processes.ts";

export interface WorkerProcess {
  process: ChildProcess;
  port: number;
  address: string;
  /** Of the worker and its inference children, as they were when it was ready. */
  family: number[];
  /** Resolves with exit code or signal. */
  exited: Promise<number | string>;
  /** What it has written to stderr. */
  said(): string;
  /** Ends it in order if it still runs, and makes sure that nothing of its family is left. */
  stop(): Promise<void>;
}

export const WORKER_SECRET = "a secret for tests alone";

export async function startWorker(
  models: string,
  env: Record<string, string> = {},
): Promise<WorkerProcess> {
  const worker = fork(fileURLToPath(MAIN), [], {
    stdio: ["ignore", "inherit", "pipe", "ipc"],
    env: { ...process.env, MODELS: models, INTERNAL_SECRET: WORKER_SECRET, ...env },
  });
  let said = "";
  worker.stderr?.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  const exited = once(worker, "exit").then(([code, signal]) => (signal ?? code) as number | string);
  const ready = once(worker, "message").then(([message]) => message as Ready);
  const lost = exited.then((how): never => {
    throw new Error(`the worker left with ${how}:\n${said}`);
  });
  lost.catch(() => {});
  const { port, address } = await Promise.race([ready, lost]);
  const family = familyOf(worker.pid ?? 0);
  return {
    process: worker,
    port,
    address,
    family,
    exited,
    said: () => said,
    async stop() {
      if (worker.exitCode === null && worker.signalCode === null) worker.kill("SIGTERM");
      await exited;
      await gone(family);
    },
  };
}

/** Resolves when none of these processes runs; rejects when one still does after a while. */
export async function gone(family: readonly number[]): Promise<void> {
  for (let look = 0; look < LOOKS_MAX; look++) {
    if (!family.some(isAlive)) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  const left = family.filter(isAlive);
  for (const pid of left) process.kill(pid, "SIGKILL");
  throw new Error(`still running: ${left.join(", ")}`);
}

interface Ready {
  port: number;
  address: string;
}

const MAIN = new URL("../../apps/gpu-worker/src/main.ts", import.meta.url);
const LOOK_MS = 50;
const LOOKS_MAX = 100;
