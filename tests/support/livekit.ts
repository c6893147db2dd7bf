/** A real livekit-server for tests, benches and chaos: on loopback alone, with the configuration of production but for ports and addresses. */
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ensureServer, findServer } from "../../scripts/infra/ensure-server.ts";
import { ServerProcess } from "./server-process.ts";
import { freePort } from "./stack.ts";

export interface LivekitServer {
  /** What clients dial: `ws://…`. */
  readonly url: string;
  /** Of the server API: `http://…`. */
  readonly httpUrl: string;
  readonly apiKey: string;
  readonly apiSecret: string;
  readonly ports: LivekitPorts;
  /** Another one after each restart. */
  readonly pid: number;
  /** The end of what it wrote, over all its lives. */
  said(): string;
  /** SIGSTOP, SIGCONT. */
  signal(signal: NodeJS.Signals): void;
  /** Gone at once, with every room: what a crash is. */
  kill(): Promise<void>;
  /** On the same ports with the same key, whether it still runs or not: killed first. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface LivekitPorts {
  /** Signalling and server API. */
  http: number;
  udp: number;
  tcp: number;
}

const found = await findServer("livekit-server");

/** Use with `skipIf`. Why is said before the first test, by `real-servers.ts`. */
export const livekitMissing = found.kind === "missing";

/** Resolves when it takes calls. Builds the server where nobody has yet; rejects with the reason where that cannot be. */
export async function startLivekit(): Promise<LivekitServer> {
  const server = await ensureServer("livekit-server");
  if (server.kind === "missing") throw new Error(`livekit-server is missing: ${server.reason}`);
  const apiKey = `test-${randomBytes(4).toString("hex")}`;
  const apiSecret = randomBytes(32).toString("hex");
  for (let tries = 1; ; tries++) {
    const ports = { http: await freePort(), udp: await freeUdpPort(), tcp: await freePort() };
    const start = () =>
      ServerProcess.start({
        name: "livekit-server",
        path: server.path,
        args: [],
        // By environment: arguments are everybody's to read.
        env: { LIVEKIT_CONFIG: testConfig(ports), LIVEKIT_KEYS: `${apiKey}: ${apiSecret}` },
        isReady: () => answers(`http://127.0.0.1:${ports.http}`),
      });
    try {
      return handleOf(await start(), start, { apiKey, apiSecret, ports });
    } catch (error) {
      // Somebody else may have taken a port between our look and its start.
      if (tries === STARTS_MAX) throw error;
    }
  }
}

/** The configuration of production with other ports, and no address but 127.0.0.1. */
export function testConfig(ports: LivekitPorts): string {
  const production = readFileSync(PRODUCTION, "utf8");
  const config = production
    .replace(/^port: .*\n/m, `port: ${ports.http}\nbind_addresses: ["127.0.0.1"]\n`)
    .replace(
      /^rtc:\n(?:(?: .*)?\n)+/m,
      `rtc:
  udp_port: ${ports.udp}
  tcp_port: ${ports.tcp}
  node_ip: 127.0.0.1
  use_external_ip: false
  enable_loopback_candidate: true
  interfaces: { includes: [lo] }

`,
    );
  if (!config.includes("bind_addresses") || !config.includes("enable_loopback_candidate")) {
    throw new Error("livekit.yaml has no port or rtc where tests look for them");
  }
  return config;
}

function handleOf(
  first: ServerProcess,
  start: () => Promise<ServerProcess>,
  { apiKey, apiSecret, ports }: Pick<LivekitServer, "apiKey" | "apiSecret" | "ports">,
): LivekitServer {
  let current = first;
  let before = "";
  return {
    url: `ws://127.0.0.1:${ports.http}`,
    httpUrl: `http://127.0.0.1:${ports.http}`,
    apiKey,
    apiSecret,
    ports,
    get pid() {
      return current.pid;
    },
    said: () => before + current.said,
    signal: (signal) => current.signal(signal),
    // Not SIGTERM: it would wait without end for whoever is still in a room.
    kill: () => current.end(),
    restart: async () => {
      await current.end();
      before += current.said;
      current = await start();
    },
    stop: () => current.end(),
  };
}

/** Free for TCP as well, as it happens. */
async function freeUdpPort(): Promise<number> {
  for (let tries = 0; tries < 50; tries++) {
    const port = await freePort();
    const socket = createSocket("udp4");
    const free = await new Promise<boolean>((resolve) => {
      socket.once("error", () => resolve(false));
      socket.bind(port, "127.0.0.1", () => socket.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error("no free UDP port was found");
}

/** Not to be asked of one that was stopped for seconds: it calls itself sick until it has counted itself again. */
async function answers(url: string): Promise<boolean> {
  try {
    const { ok } = await fetch(url, { signal: AbortSignal.timeout(1_000) });
    return ok;
  } catch {
    return false;
  }
}

const PRODUCTION = fileURLToPath(new URL("../../infra/livekit/livekit.yaml", import.meta.url));
const STARTS_MAX = 3;
