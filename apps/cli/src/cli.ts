/** The command line: finds the command, its arguments and the server, and turns what happens into an exit code. */
import { AntiphonClient } from "@antiphon/client";
import type { Clock } from "@antiphon/runtime";
import { chat } from "./chat.ts";
import {
  type Command,
  CommandArgs,
  type CommandOption,
  EXIT_FAILED,
  EXIT_INTERRUPTED,
  EXIT_OK,
  EXIT_USAGE,
  type Terminal,
  UsageError,
} from "./command.ts";
import { doctor } from "./doctor.ts";
import { explainError } from "./explain-error.ts";
import { say } from "./say.ts";
import { talk } from "./talk.ts";
import { transcribe } from "./transcribe.ts";
import { voices } from "./voices.ts";

export interface CliOptions {
  argv: readonly string[];
  /** ANTIPHON_API_KEY. */
  apiKey: string | undefined;
  clock: Clock;
  terminal: Terminal;
  /** Ctrl-C. */
  signal: AbortSignal;
}

/** Resolves with the exit code; rejects never. */
export async function runCli(options: CliOptions): Promise<number> {
  const { argv, terminal, signal, clock } = options;
  const [name, ...rest] = argv;
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    terminal.stdout(overview());
    return name === undefined ? EXIT_USAGE : EXIT_OK;
  }
  const command = COMMANDS.find((candidate) => candidate.name === name);
  try {
    if (command === undefined) throw new UsageError(`There is no command "${name}".`);
    const args = new CommandArgs(rest, { ...command.options, ...COMMON_OPTIONS });
    if (args.has("help")) {
      terminal.stdout(helpOf(command));
      return EXIT_OK;
    }
    const apiKey = args.text("api-key") ?? options.apiKey;
    const client = new AntiphonClient({
      url: serverUrl(args),
      clock,
      ...(apiKey === undefined ? {} : { apiKey }),
    });
    return await command.run(args, { client, clock, terminal, signal });
  } catch (reason) {
    if (reason instanceof UsageError) {
      const help = command === undefined ? "--help" : `${command.name} --help`;
      terminal.stderr(`${reason.message}\nSee \`npm run -s cli -- ${help}\`.\n`);
      return EXIT_USAGE;
    }
    if (signal.aborted) return EXIT_INTERRUPTED;
    terminal.stderr(`${explainError(reason)}\n`);
    return EXIT_FAILED;
  }
}

function serverUrl(args: CommandArgs): string {
  const url = args.text("url") ?? URL_DEFAULT;
  const parsed = URL.parse(url);
  if (parsed?.protocol === "http:" || parsed?.protocol === "https:") return url;
  throw new UsageError(`--url is http://HOST:PORT or https://HOST, not "${url}".`);
}

function overview(): string {
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(12)}${summary}`);
  return `Talks to an Antiphon server.\n\n  npm run -s cli -- COMMAND [OPTIONS]\n\n${lines.join("\n")}\n\nCOMMAND --help says more.\n`;
}

function helpOf(command: Command): string {
  const lines = Object.entries({ ...command.options, ...COMMON_OPTIONS }).map(
    ([name, { value, help }]) => {
      const option = `--${name}${value === undefined ? "" : ` ${value}`}`;
      return `  ${option.padEnd(22)}${help}`;
    },
  );
  return `npm run -s cli -- ${command.usage}\n\n${command.summary}\n\n${lines.join("\n")}\n`;
}

const COMMANDS: readonly Command[] = [talk, say, transcribe, chat, voices, doctor];

const URL_DEFAULT = "http://127.0.0.1:8787";

const COMMON_OPTIONS: Readonly<Record<string, CommandOption>> = {
  url: { value: "URL", help: `of the server; ${URL_DEFAULT} without it` },
  "api-key": { value: "KEY", help: "or ANTIPHON_API_KEY; guests need none" },
  help: { help: "this" },
};
