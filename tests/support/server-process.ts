/** A server that is no program of ours: starts, says when it is ready, ends. Owns the process; knows nothing of what it serves. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

export interface ServerOptions {
  name: string;
  path: string;
  args: string[];
  /** All of it: what this machine has set for other work must not reach it. */
  env: Record<string, string>;
  isReady: () => Promise<boolean>;
}

export class ServerProcess {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #endWithUs = () => this.#child.kill("SIGKILL");
  #said = "";

  private constructor(options: ServerOptions) {
    this.#name = options.name;
    this.#child = spawn(options.path, options.args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: options.env,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.#said = `${this.#said}${chunk}`.slice(-SAID_CHARS_MAX);
      });
    }
    // "close", not "exit": then its last words have been read.
    this.#exited = once(this.#child, "close").catch((error: Error) => {
      this.#said += error.message;
    });
    process.once("exit", this.#endWithUs);
  }

  /** Rejects with its own words when it leaves instead, or is not ready in time. */
  static async start(options: ServerOptions): Promise<ServerProcess> {
    const server = new ServerProcess(options);
    const deadlineMs = performance.now() + READY_MS_MAX;
    while (!(await options.isReady())) {
      if (server.isGone || performance.now() > deadlineMs) {
        const how = server.isGone ? "left" : "was not ready in time";
        await server.end();
        throw new Error(`${options.name} ${how}:\n${server.said}`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return server;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isGone(): boolean {
    return this.pid === 0 || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** The end of what it wrote. */
  get said(): string {
    return this.#said;
  }

  /** SIGSTOP and the like. */
  signal(signal: NodeJS.Signals): void {
    if (!this.#child.kill(signal)) throw new Error(`${this.#name} takes no ${signal}: it is gone`);
  }

  /** Resolves when it is gone and its ports are free; the hard way at once, else after `graceMs`. */
  async end(graceMs = 0): Promise<void> {
    process.off("exit", this.#endWithUs);
    if (!this.isGone) this.#child.kill(graceMs > 0 ? "SIGTERM" : "SIGKILL");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), graceMs);
    await this.#exited;
    clearTimeout(timer);
  }
}

const READY_MS_MAX = 15_000;
const POLL_MS = 20;
const SAID_CHARS_MAX = 64 * 1024;
