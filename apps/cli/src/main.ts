/** The process of the command line: environment, terminal and signals. Everything else is `cli.ts`. */
import { systemClock } from "@antiphon/runtime";
import { runCli } from "./cli.ts";

const interrupted = new AbortController();
// Once: a second Ctrl-C ends the process in the ordinary way.
process.once("SIGINT", () => interrupted.abort(new Error("interrupted")));
process.once("SIGTERM", () => interrupted.abort(new Error("interrupted")));
// `| head` closes our output early: nobody is left to tell.
process.stdout.on("error", () => interrupted.abort(new Error("output closed")));

process.exitCode = await runCli({
  argv: process.argv.slice(2),
  apiKey: process.env["ANTIPHON_API_KEY"],
  clock: systemClock,
  terminal: {
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
    stdoutIsLive: process.stdout.isTTY === true,
    stderrIsLive: process.stderr.isTTY === true,
    stdinIsLive: process.stdin.isTTY === true,
    stdin: process.stdin,
  },
  signal: interrupted.signal,
});
