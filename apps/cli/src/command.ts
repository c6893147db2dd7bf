/** What a command is, and what it gets from the terminal. No command's own behaviour. */
import { parseArgs } from "node:util";
import type { AntiphonClient } from "@antiphon/client";
import type { Clock } from "@antiphon/runtime";

export interface Command {
  name: string;
  /** After `antiphon <name>`. */
  usage: string;
  summary: string;
  /** Name without dashes → what it does; a value's name in capitals makes it take one. */
  options: Readonly<Record<string, CommandOption>>;
  /** Resolves with the exit code. */
  run(args: CommandArgs, context: CommandContext): Promise<number>;
}

export interface CommandOption {
  /** Of the value, for the help; without it the option is a switch. */
  value?: string;
  help: string;
}

export interface CommandContext {
  client: AntiphonClient;
  clock: Clock;
  terminal: Terminal;
  /** Ctrl-C. */
  signal: AbortSignal;
}

/** Where a command prints and reads. */
export interface Terminal {
  stdout(text: string): void;
  stderr(text: string): void;
  /** What is on stdout is read by a person now: lines may be rewritten. */
  stdoutIsLive: boolean;
  stderrIsLive: boolean;
  stdinIsLive: boolean;
  stdin: NodeJS.ReadableStream;
}

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
/** 128 + SIGINT, as shells have it. */
export const EXIT_INTERRUPTED = 130;

/** The command line was wrong; the message says how. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** A command's arguments, by name. */
export class CommandArgs {
  readonly positionals: readonly string[];
  readonly #values: Readonly<Record<string, string | boolean | undefined>>;

  constructor(argv: readonly string[], options: Readonly<Record<string, CommandOption>>) {
    const types = Object.entries(options).map(([name, { value }]) => [
      name,
      { type: value === undefined ? "boolean" : "string" },
    ]);
    try {
      const parsed = parseArgs({
        args: [...argv],
        options: Object.fromEntries(types) as Record<string, { type: "boolean" | "string" }>,
        allowPositionals: true,
      });
      this.#values = parsed.values as Record<string, string | boolean | undefined>;
      this.positionals = parsed.positionals;
    } catch (cause) {
      // parseArgs throws nothing but its own complaints about these arguments.
      throw new UsageError((cause as Error).message);
    }
  }

  has(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  required(name: string): string {
    const value = this.text(name);
    if (value === undefined || value === "") throw new UsageError(`--${name} is missing.`);
    return value;
  }

  number(name: string, range: { min: number; max: number }): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (text.trim() === "" || !(value >= range.min && value <= range.max)) {
      throw new UsageError(`--${name} is a number from ${range.min} to ${range.max}.`);
    }
    return value;
  }

  /** The only argument that is no option. */
  single(what: string): string {
    const [value, ...more] = this.positionals;
    if (value === undefined) throw new UsageError(`${what} is missing.`);
    if (more.length > 0) throw new UsageError(`One ${what} at a time; quote it if it has spaces.`);
    return value;
  }

  none(): void {
    if (this.positionals.length === 0) return;
    throw new UsageError(`"${this.positionals[0]}" is not understood here.`);
  }
}
