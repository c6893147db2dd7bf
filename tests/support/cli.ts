/** Runs the CLI as a user does: a process of its own, arguments in, output and exit code out. */
import { execFile } from "node:child_process";
import { resolve } from "node:path";

export interface CliResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Ends within `timeoutMs`, by force if need be. */
export function runCli(args: readonly string[], timeoutMs = 120_000): Promise<CliResult> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [resolve(import.meta.dirname, "../../apps/cli/src/main.ts"), ...args],
      { timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: 16 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
        done({ code, stdout, stderr });
      },
    );
  });
}

/** One event of `--json` output. */
export interface CliEvent {
  type: string;
  final?: boolean;
  text?: string;
  interrupted?: boolean;
  endOfSpeechToFirstAudioMs?: number;
  firstAudioLatencyMs?: number;
}

/** Fails on a line that is no JSON: the output is for programs. */
export function eventsOf(stdout: string): CliEvent[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as CliEvent);
}
