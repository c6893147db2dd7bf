/** One child process of the launcher: start, ready, exit, end. Owns the process and its log; decides nothing about restarts. */
import { type ChildProcess, fork } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { LogFile } from "./log-file.ts";
import { screenLine } from "./log-line.ts";

export interface ServiceOptions {
  name: string;
  /** Relative to the repository. */
  script: string;
  env: NodeJS.ProcessEnv;
  /** Leads a process group of its own, which ends with it: for a service whose children would outlive it. */
  ownGroup: boolean;
  logPath: string;
  onLine: (line: string) => void;
  /** Not after `stop` was called. */
  onExit: (service: Service, how: string) => void;
}

export class Service {
  readonly name: string;
  readonly child: ChildProcess;
  /** What the service said when it was ready; rejects when it leaves instead. */
  readonly ready: Promise<Record<string, unknown>>;
  readonly #options: ServiceOptions;
  readonly #log: LogFile;
  readonly #exited: Promise<string>;
  #wasReady = false;
  #stopping = false;
  #groupEnded = false;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.name = options.name;
    this.#log = new LogFile(options.logPath);
    this.child = fork(fileURLToPath(new URL(`../../${options.script}`, import.meta.url)), [], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      detached: options.ownGroup,
      env: options.env,
    });
    const ready = Promise.withResolvers<Record<string, unknown>>();
    const exited = Promise.withResolvers<string>();
    this.ready = ready.promise;
    this.#exited = exited.promise;
    // Whoever waits for it hears of it; a service that is no longer waited for may fail unheard.
    this.ready.catch(() => {});
    this.#follow(this.child.stdout);
    this.#follow(this.child.stderr);
    this.child.on("message", (message: Record<string, unknown>) => {
      if (message["type"] !== "ready") return;
      this.#wasReady = true;
      ready.resolve(message);
    });
    this.child.once("error", (error) => exited.resolve(`could not be started: ${error.message}`));
    this.child.once("exit", (code, signal) => {
      // Now, not at "close": what it left behind holds its pipes open.
      this.#killGroup();
      const how = signal === null ? `left with exit code ${code}` : `was ended by ${signal}`;
      this.child.once("close", () => exited.resolve(how));
      setTimeout(() => exited.resolve(how), LAST_WORDS_MS).unref();
    });
    void this.#exited.then((how) => {
      ready.reject(new Error(`The ${this.name} ${how}; its own words are above.`));
      void this.#log.close();
      if (!this.#stopping) options.onExit(this, how);
    });
  }

  get wasReady(): boolean {
    return this.#wasReady;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Asks it to leave, and ends it if it has not within the deadline. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    this.child.kill("SIGTERM");
    const timer = setTimeout(() => this.kill(), deadlineMs);
    await this.#exited;
    clearTimeout(timer);
  }

  /** At once, with everything it started. */
  kill(): void {
    this.#stopping = true;
    this.#killGroup();
    this.child.kill("SIGKILL");
  }

  #killGroup(): void {
    if (!this.#options.ownGroup || this.child.pid === undefined || this.#groupEnded) return;
    // Once it has left, its number may be another's.
    this.#groupEnded = this.child.exitCode !== null || this.child.signalCode !== null;
    try {
      process.kill(-this.child.pid, "SIGKILL");
    } catch {
      // Nobody is left in it: as it should be.
    }
  }

  #follow(stream: Readable | null): void {
    if (stream === null) return;
    createInterface({ input: stream }).on("line", (line) => {
      this.#log.write(line);
      const words = screenLine(this.name, line.slice(0, LINE_CHARS_MAX));
      if (words !== undefined && !this.#stopping) this.#options.onLine(words);
    });
  }
}

/** Its last lines may still be in a pipe; a grandchild that hangs may hold that pipe for ever. */
const LAST_WORDS_MS = 300;
const LINE_CHARS_MAX = 2_000;
