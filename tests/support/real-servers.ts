/** What the integration tests have ready before the first of them: vitest's global setup. Owns no server: tests start their own. */
import { ensureServer, type ServerName } from "../../scripts/infra/ensure-server.ts";

const NEEDED: ReadonlyArray<[ServerName, string]> = [
  ["livekit-server", "tests over a real LiveKit"],
  ["caddy", "tests behind a real Caddy"],
];

/** Before everything else, since a build beside tests would falsify their times. */
export async function setup(): Promise<void> {
  for (const [name, tests] of NEEDED) {
    const server = await ensureServer(name);
    if (server.kind === "missing") {
      process.stderr.write(`SKIPPED: ${tests} need ${name}: ${server.reason}.\n`);
    }
  }
}
