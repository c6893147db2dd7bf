/** The orchestrator as a process: environment in, signals and exit codes out. */
import { ConfigError, loadConfig, printableConfig } from "./config.ts";
import { startOrchestrator } from "./server.ts";

/** Set before anything is awaited: a launcher that dies while we start takes us along. */
const launcherGone = new Promise<string>((resolve) => {
  if (process.send === undefined) return;
  process.once("disconnect", () => resolve("launcher gone"));
  if (!process.connected) resolve("launcher gone");
});
const signalled = new Promise<string>((resolve) => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve(signal));
});

try {
  const config = loadConfig(process.env);
  if (process.argv.includes("--check-config")) {
    console.log(JSON.stringify(printableConfig(config), null, 2));
    process.exit(0);
  }
  void launcherGone.then(() => process.exit(1));
  const orchestrator = await startOrchestrator(config, (reason) => {
    // Deaf, this process is worse than none: whoever started it starts another.
    console.error(reason);
    process.exit(1);
  });
  const { streamUrl, registryUrl, responder } = orchestrator;
  process.send?.({ type: "ready", streamUrl, registryUrl, responder });
  await signalled;
  await orchestrator.close();
  process.exit(0);
} catch (reason) {
  console.error(reason instanceof ConfigError ? reason.message : reason);
  process.exit(reason instanceof ConfigError ? 2 : 1);
}
