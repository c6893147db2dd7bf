/** How miniflare is told to run the Worker: the edge on a socket of its own, the page in a second worker behind it. */
import { readFileSync } from "node:fs";
import type { MiniflareOptions } from "miniflare";
import { z } from "zod";

export interface WorkerOptions {
  host: string;
  port: number;
  scriptPath: string;
  stateDir: string;
  pageDir: string;
  settings: Readonly<Record<string, string>>;
}

/**
 * The direct socket matters: miniflare's entry worker lets any client rewrite `request.url`, and negotiates compression with every
 * browser. It still listens, on another loopback port, where the check of the Host header refuses everybody.
 */
export function miniflareOptions(options: WorkerOptions): MiniflareOptions {
  const { compatibilityDate, compatibilityFlags } = readCompatibility();
  return {
    cf: false,
    host: options.host,
    port: 0,
    durableObjectsPersist: options.stateDir,
    workers: [
      {
        name: EDGE_WORKER,
        modules: true,
        scriptPath: options.scriptPath,
        compatibilityDate,
        compatibilityFlags,
        durableObjects: { SESSION: { className: SESSION_CLASS, useSQLite: true } },
        bindings: { ...options.settings },
        serviceBindings: { ASSETS: "page" },
        unsafeDirectSockets: [{ host: options.host, port: options.port }],
      },
      {
        name: "page",
        compatibilityDate,
        modules: true,
        script:
          'export default { fetch: () => new Response("There is no such file.", { status: 404 }) }',
        assets: { directory: options.pageDir, routerConfig: { has_user_worker: true } },
      },
    ],
  };
}

/** `unsafeGetDirectURL` asks for it by name. */
export const EDGE_WORKER = "edge";

/** The Durable Object's class; its files are in the folder `edge-<class>` of the state. */
export const SESSION_CLASS = "SessionObject";

/** From the one configuration of the Worker. Its comments stand on lines of their own. */
function readCompatibility() {
  const text = readFileSync(new URL("../wrangler.jsonc", import.meta.url), "utf8");
  const json: unknown = JSON.parse(text.replaceAll(/^\s*\/\/.*$/gm, ""));
  const { compatibility_date, compatibility_flags } = WranglerSchema.parse(json);
  return { compatibilityDate: compatibility_date, compatibilityFlags: compatibility_flags };
}

const WranglerSchema = z.object({
  compatibility_date: z.string(),
  compatibility_flags: z.array(z.string()),
});
