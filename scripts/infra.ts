/** `npm run infra`: has the servers that are written in Go ready, one after the other. Exits with 1 when one is missing, and says why. */
import { ensureServer, type ServerName } from "./infra/ensure-server.ts";
import { watchParent } from "./launch/parent-watch.ts";

watchParent(() => process.exit(1));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => process.exit(1));
}

const NAMES: readonly ServerName[] = ["livekit-server", "caddy"];

for (const name of NAMES) {
  const server = await ensureServer(name);
  if (server.kind === "found") process.stdout.write(`${name}: ${server.path}\n`);
  else {
    process.stderr.write(`${name} is missing: ${server.reason}.\n`);
    process.exitCode = 1;
  }
}
