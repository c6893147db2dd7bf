/** A real Caddy for tests: `infra/caddy/Caddyfile` on loopback, with an authority of its own that nobody else trusts. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { fileURLToPath } from "node:url";
import { ensureServer, findServer } from "../../scripts/infra/ensure-server.ts";
import { ServerProcess } from "./server-process.ts";
import { freePort } from "./stack.ts";

export interface Caddy {
  /** `https://localhost:…`; also good for 127.0.0.1. */
  readonly url: string;
  readonly port: number;
  /** Of its unencrypted port, which only sends people on to the other. */
  readonly httpUrl: string;
  /** The certificate to trust, as PEM. */
  readonly authority: string;
  /** The same as a file, for NODE_EXTRA_CA_CERTS. Gone with it. */
  readonly authorityPath: string;
  readonly pid: number;
  said(): string;
  stop(): Promise<void>;
}

export interface CaddyOptions {
  /** Host and port. */
  edge: string;
  livekit: string;
}

const found = await findServer("caddy");

/** Use with `skipIf`. Why is said before the first test, by `real-servers.ts`. */
export const caddyMissing = found.kind === "missing";

/** Resolves when it takes calls over TLS. */
export async function startCaddy(options: CaddyOptions): Promise<Caddy> {
  const path = await binary();
  for (let tries = 1; ; tries++) {
    const [port, httpPort] = [await freePort(), await freePort()];
    const data = await mkdtemp(join(tmpdir(), "antiphon-caddy-"));
    const authorityPath = join(data, "caddy", "pki", "authorities", "local", "root.crt");
    try {
      const server = await ServerProcess.start({
        name: "caddy",
        path,
        args: ["run", "--config", CADDYFILE, "--adapter", "caddyfile"],
        env: {
          HOME: data,
          XDG_DATA_HOME: data,
          XDG_CONFIG_HOME: data,
          ANTIPHON_SITE: "localhost, 127.0.0.1",
          CADDY_BIND: "127.0.0.1",
          CADDY_HTTP_PORT: String(httpPort),
          CADDY_HTTPS_PORT: String(port),
          EDGE_UPSTREAM: options.edge,
          LIVEKIT_UPSTREAM: options.livekit,
        },
        isReady: () => greets(port, authorityPath),
      });
      return {
        url: `https://localhost:${port}`,
        port,
        httpUrl: `http://localhost:${httpPort}`,
        authority: await readFile(authorityPath, "utf8"),
        authorityPath,
        pid: server.pid,
        said: () => server.said,
        stop: async () => {
          await server.end(STOP_MS_MAX);
          await rm(data, { recursive: true, force: true });
        },
      };
    } catch (error) {
      await rm(data, { recursive: true, force: true });
      // Somebody else may have taken a port between our look and its start.
      if (tries === STARTS_MAX) throw error;
    }
  }
}

/** What Caddy says about its configuration, and whether it takes it; settings beside the defaults in `env`. */
export async function checkCaddyfile(
  command: "validate" | "fmt",
  env: Record<string, string> = {},
): Promise<{ code: number; said: string }> {
  const data = await mkdtemp(join(tmpdir(), "antiphon-caddy-"));
  const args =
    command === "fmt"
      ? ["fmt", "--diff", CADDYFILE]
      : ["validate", "--config", CADDYFILE, "--adapter", "caddyfile"];
  try {
    const child = spawn(await binary(), args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { HOME: data, XDG_DATA_HOME: data, XDG_CONFIG_HOME: data, ...env },
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        said += chunk;
      });
    }
    const [code] = await once(child, "close");
    return { code, said };
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

async function binary(): Promise<string> {
  const server = await ensureServer("caddy");
  if (server.kind === "missing") throw new Error(`caddy is missing: ${server.reason}`);
  return server.path;
}

/** It listens before it has its certificates. */
async function greets(port: number, authorityPath: string): Promise<boolean> {
  const ca = await readFile(authorityPath).catch(() => undefined);
  if (ca === undefined) return false;
  const names = ["localhost", "127.0.0.1"];
  const greeted = await Promise.all(names.map((name) => shakesHands(port, name, ca)));
  return greeted.every(Boolean);
}

function shakesHands(port: number, name: string, ca: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    // An address is no server name; whom it is asked for shows in the certificate alone.
    const asked = name === "localhost" ? { servername: name } : {};
    const socket = connect({ host: "127.0.0.1", port, ca, ...asked, timeout: 1_000 });
    const settle = (ready: boolean) => {
      socket.destroy();
      resolve(ready);
    };
    socket.once("secureConnect", () => settle(true));
    socket.once("error", () => settle(false));
    socket.once("timeout", () => settle(false));
  });
}

const CADDYFILE = fileURLToPath(new URL("../../infra/caddy/Caddyfile", import.meta.url));
const STARTS_MAX = 3;
/** It lets requests under way end first. */
const STOP_MS_MAX = 2_000;
