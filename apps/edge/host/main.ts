/**
 * Runs the edge on this machine: the built Worker in real workerd, nothing between. A child of the launcher, in a process group of
 * its own, so that the launcher can end workerd too should this process be killed.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Miniflare } from "miniflare";
import { ConfigError } from "../src/config.ts";
import { ensureBundle } from "./bundle.ts";
import { loadHostConfig, publicOrigins } from "./config.ts";
import { probePort } from "./port.ts";
import { sweepState } from "./state-dir.ts";
import { EDGE_WORKER, miniflareOptions } from "./worker-options.ts";

/** Told to the launcher once the edge answers. */
export interface EdgeReady {
  type: "ready";
  /** Where people open the page, without a slash at the end. */
  url: string;
}

// Here, not at the end: main() runs before the end is reached.
const STATE_ROOT = fileURLToPath(new URL("../../../.antiphon/", import.meta.url));
let runtime: Miniflare | undefined;
let leaving = false;

/** workerd outlives a process that does not dispose of it. */
async function leave(exitCode: number): Promise<void> {
  if (leaving) return;
  leaving = true;
  await runtime?.dispose().catch(() => {});
  process.exit(exitCode);
}

// Before the first await: a launcher killed while we start must not leave us behind.
process.on("disconnect", () => void leave(0));
if (process.connected === false) await leave(0);
process.on("SIGTERM", () => void leave(0));
process.on("SIGINT", () => void leave(0));
process.on("uncaughtException", (error) => {
  console.error("The edge's host failed:", error);
  void leave(1);
});

await main();

async function main(): Promise<void> {
  const config = readConfig();
  const port = await probePort(config.host, config.port);
  if (port === undefined) {
    refuse(
      `Port ${config.port} of ${config.host} is taken. Stop what runs there, or set EDGE_PORT to another.`,
    );
  }
  const stateDir = config.stateDir ?? join(STATE_ROOT, `edge-${port}`);
  await Promise.all([sweepState(stateDir), mkdir(config.pageDir, { recursive: true })]);
  const scriptPath = await ensureBundle();
  if (leaving) return;
  runtime = new Miniflare(
    miniflareOptions({
      host: config.host,
      port,
      scriptPath,
      stateDir,
      pageDir: config.pageDir,
      settings: { PUBLIC_ORIGINS: publicOrigins(config.host, port), ...config.workerSettings },
    }),
  );
  await runtime.unsafeGetDirectURL(EDGE_WORKER);
  const ready: EdgeReady = { type: "ready", url: `http://${config.host}:${port}` };
  if (process.send === undefined) console.error(`The edge answers at ${ready.url}`);
  else process.send(ready);
}

function readConfig() {
  try {
    return loadHostConfig(process.env);
  } catch (error) {
    if (error instanceof ConfigError) refuse(error.message);
    throw error;
  }
}

function refuse(words: string): never {
  console.error(words);
  process.exit(2);
}
