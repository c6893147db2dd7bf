/** `npm start`: every process of Antiphon on this machine. Owns arguments, the screen and signals; processes are the launcher's. */
import { existsSync } from "node:fs";
import { env } from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ModelState } from "@antiphon/protocol/worker";
import { probePort } from "../apps/edge/host/port.ts";
import { banner } from "./launch/banner.ts";
import { Launcher, wordsOf } from "./launch/launcher.ts";
import { findNeuralVoice } from "./launch/neural-voice.ts";
import { watchParent } from "./launch/parent-watch.ts";
import { Progress } from "./launch/progress.ts";

const HELP = `Usage: npm start -- [options]

  --port N      where the page and the API answer (default 8787; 0: any free one)
  --voice NAME  the voice of sessions that ask for none
  --models A,B  the models that the worker loads (default: flite,moonshine, and kokoro where its files are)
  --help        this text

Settings are also read from the environment and from a file .env; .env.example lists them.
`;

const progress = new Progress();
let launcher: Launcher | undefined;
let leaving = false;
let leavingSinceMs = 0;

process.on("SIGINT", () => interrupt(130));
process.on("SIGTERM", () => interrupt(143));
process.on("SIGHUP", () => interrupt(129));
// Started by a program instead of a shell: it may vanish without a signal.
if (process.send !== undefined) process.on("disconnect", () => void leave(1));
watchParent(() => void leave(1));
process.on("uncaughtException", (error) => {
  progress.line(`The launcher failed: ${error.stack ?? error.message}`);
  launcher?.kill();
  process.exit(1);
});

await main();

async function main(): Promise<void> {
  const envFile = fileURLToPath(new URL("../.env", import.meta.url));
  if (existsSync(envFile)) process.loadEnvFile(envFile);
  const options = readArguments();
  const port = await probePort("127.0.0.1", options.port);
  if (port === undefined) {
    refuse(
      `Port ${options.port} is taken, perhaps by another Antiphon. Stop that one, or choose another: npm start -- --port ${options.port + 1}`,
    );
  }
  const settings = { ...env, ...options.settings };
  const neural = findNeuralVoice(settings);
  if (neural.hint !== undefined) progress.line(neural.hint);
  if (neural.model !== undefined) settings["VOICE_IF_FAST"] = neural.model;
  launcher = new Launcher({
    port,
    env: settings,
    onStep: (step) => progress.step(step),
    onLine: (line) => progress.line(line),
    onFatal: (words) => {
      progress.line(words);
      void leave(1);
    },
    onRestarted: () => process.send?.({ type: "restarted", pids: launcher?.pids }),
  });
  try {
    const launched = await launcher.start();
    if (leaving) return;
    if (options.voice !== undefined && !launched.models.some(has(options.voice))) {
      throw new Error(
        `No model that is ready has the voice "${options.voice}". There are: ${launched.models.flatMap(({ voices }) => voices).join(", ")}.`,
      );
    }
    const seconds = progress.done();
    process.stdout.write(`${banner(launched, seconds, settings["VOICE"] ?? "")}\n`);
    process.send?.({ type: "ready", url: launched.url, pids: launcher.pids });
  } catch (reason) {
    if (leaving) return;
    progress.done();
    progress.line(wordsOf(reason));
    await leave(1);
  }
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: "string", default: env["EDGE_PORT"] ?? "8787" },
        voice: { type: "string" },
        models: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      process.stdout.write(HELP);
      process.exit(0);
    }
    const port = Number(values.port);
    if (!/^\d+$/.test(values.port) || port > 65_535) {
      throw new Error(`--port takes a number from 0 to 65535, not "${values.port}".`);
    }
    const settings: Record<string, string> = {};
    if (values.voice !== undefined) settings["VOICE"] = values.voice;
    if (values.models !== undefined) settings["MODELS"] = values.models;
    return { port, voice: values.voice, settings };
  } catch (reason) {
    return refuse(`${wordsOf(reason)}\n\n${HELP}`);
  }
}

const has =
  (voice: string) =>
  ({ voices, state }: { voices: string[]; state: ModelState }) =>
    state === ModelState.READY && voices.includes(voice);

/** A Ctrl-C reaches us up to three times at once: from the terminal, from npm, from the bootstrap. */
function interrupt(exitCode: number): void {
  if (leaving && performance.now() - leavingSinceMs > INSISTS_MS) {
    launcher?.kill();
    process.exit(exitCode);
  }
  void leave(exitCode);
}

async function leave(exitCode: number): Promise<void> {
  if (leaving) return;
  leaving = true;
  leavingSinceMs = performance.now();
  progress.done();
  await launcher?.stop();
  launcher?.kill();
  process.exit(exitCode);
}

function refuse(words: string): never {
  progress.line(words);
  process.exit(2);
}

/** Nobody presses Ctrl-C twice within this unless the first was enough. */
const INSISTS_MS = 1_000;
