/** `GET /healthz`: whether a call could be taken now. */
import { Hono } from "hono";
import { z } from "zod";
import type { AppEnv } from "../app.ts";
import { anyOrchestratorHealthy } from "../orchestrator-link.ts";
import type { Operation } from "./openapi.ts";

export function healthRoutes(): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  // The answer alone is kept: a promise of one request cannot be awaited by another here.
  let last: { healthy: boolean; atMs: number } | undefined;
  routes.get("/healthz", async (context) => {
    if (last === undefined || Date.now() - last.atMs >= KEPT_MS) {
      const healthy = await anyOrchestratorHealthy(context.get("config").orchestratorUrls);
      last = { healthy, atMs: Date.now() };
    }
    return last.healthy
      ? context.json({ status: "ok" })
      : context.json({ status: "unavailable", missing: ["orchestrator"] }, 503);
  });
  return routes;
}

/** Probes come from many places at once; orchestrators should hear of one a second. */
const KEPT_MS = 1_000;

export const HEALTH_OPERATIONS: readonly Operation[] = [
  {
    method: "get",
    path: "/healthz",
    summary: "Whether a call could be taken now",
    security: "none",
    answers: {
      200: z.object({ status: z.literal("ok") }),
      503: z.object({ status: z.literal("unavailable"), missing: z.array(z.string()) }),
    },
    errors: [],
  },
];
