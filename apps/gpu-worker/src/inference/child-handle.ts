/** The operating system's side of an inference child: fork, IPC, end. Knows nothing of jobs. */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FromChild, ToChild } from "./child-message.ts";

/** What the supervisor needs of a child; tests script one. */
export interface ChildHandle {
  /** Messages to a child that is gone are dropped: `onExit` says so. */
  send(message: ToChild): void;
  onMessage(listener: (message: FromChild) => void): void;
  /** Once. */
  onExit(listener: (how: string) => void): void;
  /** SIGKILL: a hung child hears nothing else. */
  kill(): void;
}

export interface SpawnOptions {
  model: string;
  modelsDirectory: string;
  /** The child's whole environment: none of our secrets are in it. */
  env: Readonly<Record<string, string>>;
}

/** Forks the child with a folder of its own, which is removed after it however it ended. */
export function spawnInferenceChild(options: SpawnOptions): ChildHandle {
  const scratchDirectory = mkdtempSync(join(tmpdir(), "antiphon-inference-"));
  const child: ChildProcess = fork(
    new URL("./inference-child.ts", import.meta.url),
    [options.model, scratchDirectory, options.modelsDirectory],
    {
      serialization: "advanced",
      execArgv: ["--disable-warning=ExperimentalWarning"],
      env: { ...options.env },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    },
  );
  let exited = false;
  const exitListeners: Array<(how: string) => void> = [];
  const leave = (how: string) => {
    if (exited) return;
    exited = true;
    rmSync(scratchDirectory, { recursive: true, force: true });
    for (const listener of exitListeners) listener(how);
  };
  child.on("exit", (code, signal) => leave(signal ?? `code ${code}`));
  // A fork that failed has no `exit`; any other error is followed by one.
  child.on("error", (error) => {
    if (child.pid === undefined) leave(error.message);
  });
  return {
    send: (message) => {
      if (child.connected) child.send(message, () => {});
    },
    onMessage: (listener) => child.on("message", (message) => listener(message as FromChild)),
    onExit: (listener) => exitListeners.push(listener),
    kill: () => child.kill("SIGKILL"),
  };
}
