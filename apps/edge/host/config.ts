/** What the embedded host needs to know, from its environment. The Worker's own settings are checked by the Worker's `config.ts`. */
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { ConfigError, loadConfig } from "../src/config.ts";

export interface HostConfig {
  host: string;
  /** 0: any free one. */
  port: number;
  /** Undefined: derived from the port, since two hosts on one folder would share each other's sessions. */
  stateDir: string | undefined;
  pageDir: string;
  /** Handed to the Worker; without PUBLIC_ORIGINS where they follow from the address. */
  workerSettings: Readonly<Record<string, string>>;
}

/** Throws a ConfigError that names every bad setting, the Worker's included. */
export function loadHostConfig(env: Readonly<Record<string, string | undefined>>): HostConfig {
  const present = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ""),
  );
  const result = HostSchema.safeParse(present);
  const problems = result.success
    ? []
    : result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  const workerSettings = Object.fromEntries(
    WORKER_SETTINGS.flatMap((name) => {
      const value = present[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const host = result.data?.EDGE_HOST ?? HOST_DEFAULT;
  if (present["GUEST_MODE"] === "loopback" && !isLoopback(host)) {
    problems.push("EDGE_HOST: expected a loopback address while GUEST_MODE is loopback");
  }
  try {
    // The port is not known yet where any will do; for the form of an origin each is as good.
    loadConfig({ PUBLIC_ORIGINS: publicOrigins(host, 1), ...workerSettings });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problems.push(...error.problems);
  }
  if (!result.success || problems.length > 0) throw new ConfigError(problems);
  const { EDGE_PORT: port, EDGE_STATE_DIR: stateDir, PAGE_DIR: pageDir } = result.data;
  return { host, port, stateDir, pageDir, workerSettings };
}

/**
 * The names under which people on this machine reach the host; each is an origin of its own to a browser. None for an address
 * that other machines reach: what they call it, only PUBLIC_ORIGINS can say.
 */
export function publicOrigins(host: string, port: number): string {
  if (!isLoopback(host)) return "";
  return [host, "localhost"].map((name) => `http://${name}:${port}`).join(",");
}

const isLoopback = (host: string) => /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);

const HOST_DEFAULT = "127.0.0.1";
const PORT_DEFAULT = 8787;
const PORT_FORM = "expected a port, 0 to 65535";

const WORKER_SETTINGS = [
  "INTERNAL_SECRET",
  "TICKET_SECRET",
  "API_KEYS",
  "GUEST_MODE",
  "ALLOWED_ORIGINS",
  "PUBLIC_ORIGINS",
  "ORCHESTRATOR_URLS",
  "SESSION_RESUME_TTL",
] as const;

const HostSchema = z.object({
  EDGE_HOST: z.ipv4("expected an IPv4 address to listen on").default(HOST_DEFAULT),
  EDGE_PORT: z.coerce
    .number({ error: PORT_FORM })
    .int(PORT_FORM)
    .min(0, PORT_FORM)
    .max(65_535, PORT_FORM)
    .default(PORT_DEFAULT),
  EDGE_STATE_DIR: z.string().optional(),
  PAGE_DIR: z.string().default(fileURLToPath(new URL("../dist/page", import.meta.url))),
});
