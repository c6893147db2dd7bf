/** The worker's program: settings from the environment, signals, the launcher's channel. Everything else is `server.ts`. */
import { setPriority } from "node:os";
import { systemClock } from "@antiphon/runtime";
import { createLog } from "@antiphon/runtime/log";
import { ConfigError, loadConfig, printableConfig } from "./config.ts";
import { startWorkerServer, type WorkerServer } from "./server.ts";

/** A third of the weight of a process at 0; its models' processes have less. */
const NICENESS = 5;
// Alone on a machine it changes nothing. Beside an orchestrator, what is made a second ahead yields to what is heard now.
setPriority(NICENESS);

let server: WorkerServer | undefined;
let signals = 0;

// Before the first await: a launcher that dies while we start must not leave us behind.
if (process.send !== undefined) {
  process.on("disconnect", () => process.exit(0));
  if (!process.connected) process.exit(0);
}

const config = readConfig();
if (process.argv.includes("--check-config")) {
  console.log(JSON.stringify(printableConfig(config), null, 2));
  process.exit(0);
}
const log = createLog({
  name: "gpu-worker",
  level: config.logLevel,
  pii: process.env["ANTIPHON_LOG_PII"] === "1",
});
// connect-node prints twenty lines for each caller that breaks off in mid-stream. Ours are JSON, and that is no fault.
console.error = (...said: unknown[]) =>
  log.debug({ err: said.find((part) => part instanceof Error) }, "library reported an error");
process.on("SIGTERM", leave);
process.on("SIGINT", leave);

try {
  server = await startWorkerServer({ config, clock: systemClock, log, childEnv: childEnv() });
  if (signals > 0) drainAndExit(server);
  await server.settled;
  process.send?.({ type: "ready", port: server.port, address: server.address });
} catch (reason) {
  log.error({ err: reason }, "worker could not start");
  process.exit(1);
}

function readConfig() {
  try {
    return loadConfig(process.env);
  } catch (reason) {
    if (!(reason instanceof ConfigError)) throw reason;
    console.error(reason.message);
    process.exit(2);
  }
}

/** The first signal drains; a second one finds that too slow. */
function leave(): void {
  signals++;
  if (signals > 1) process.exit(1);
  if (server !== undefined) drainAndExit(server);
}

function drainAndExit(running: WorkerServer): void {
  running.drain().then(
    () => process.exit(0),
    (reason: unknown) => {
      log.error({ err: reason }, "worker could not leave in order");
      process.exit(1);
    },
  );
}

/** Models run other people's code: they get what finds libraries and folders, and no secret. */
function childEnv(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"]) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}
