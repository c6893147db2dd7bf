/** The Worker's routes in one place, what guards them, and the one way an error leaves. Owns no session. */
import { AntiphonError, ERROR_MAP, type ErrorBody, publicError } from "@antiphon/protocol";
import { Hono } from "hono";
import { cors } from "hono/cors";
import { checkGuestRequest, checkOrigin } from "./auth.ts";
import { type EdgeConfig, loadConfig } from "./config.ts";
import type { Env } from "./env.ts";
import { describeError, logEvent } from "./log.ts";
import { healthRoutes } from "./routes/health.ts";
import { openapiRoutes } from "./routes/openapi.ts";
import { pageRoutes } from "./routes/page.ts";
import { recordRoutes } from "./routes/record.ts";
import { sessionRoutes } from "./routes/sessions.ts";
import { streamRoutes } from "./routes/stream.ts";

/** What every route finds in its context. */
export interface AppEnv {
  Bindings: Env;
  Variables: { config: EdgeConfig };
}

export function createApp(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.use(async (context, next) => {
    const config = configOf(context.env);
    context.set("config", config);
    checkGuestRequest(context.req.raw, config);
    await next();
  });
  app.use("/v1/*", async (context, next) => {
    checkOrigin(context.req.raw, context.get("config"));
    await next();
  });
  app.use(
    "/v1/*",
    // Preflights of foreign origins were refused above; what is left may read the answers.
    cors({
      origin: (origin) => origin,
      allowHeaders: ["authorization", "content-type"],
      allowMethods: ["GET", "POST", "DELETE"],
      maxAge: 600,
    }),
  );
  app.route("/", sessionRoutes());
  app.route("/", streamRoutes());
  app.route("/", recordRoutes());
  app.route("/", healthRoutes());
  app.route("/", openapiRoutes());
  app.all("/v1/*", () => {
    throw new AntiphonError("not_found", "There is nothing at this address; see /openapi.json.");
  });
  app.all("/internal/*", () => {
    throw new AntiphonError("not_found", "There is nothing at this address.");
  });
  app.route("/", pageRoutes());
  app.onError((reason, context) => {
    const error = errorOf(reason);
    if (error.code === "internal") {
      logEvent("error", "request failed", {
        method: context.req.method,
        route: context.req.path.replaceAll(/[0-9a-f]{64}/g, ":id"),
        error: describeError(error),
      });
    }
    const body: ErrorBody = { error: publicError(error) };
    return new Response(JSON.stringify(body), {
      status: ERROR_MAP[error.code].http,
      headers: { ...retryAfter(error), "content-type": "application/json" },
    });
  });
  return app;
}

/** The platform's own errors carry flags instead of a class; Hono's tells a body that grew too large while it was read. */
function errorOf(reason: unknown): AntiphonError {
  if (reason instanceof AntiphonError) return reason;
  const { name, overloaded, retryable } = (reason ?? {}) as PlatformError;
  if (name === "BodyLimitError") {
    return new AntiphonError("too_large", "The body is too large.", { cause: reason });
  }
  if (overloaded === true) {
    return new AntiphonError("overloaded", "The session is busy; try again in a second.", {
      cause: reason,
      details: { retryAfterMs: 1_000 },
    });
  }
  if (retryable === true) {
    return new AntiphonError("unavailable", "The session was moved; try again.", { cause: reason });
  }
  return AntiphonError.from(reason);
}

interface PlatformError {
  name?: string;
  overloaded?: boolean;
  retryable?: boolean;
}

function retryAfter(error: AntiphonError): Record<string, string> {
  const { retryAfterMs } = publicError(error);
  return retryAfterMs === undefined ? {} : { "retry-after": `${Math.ceil(retryAfterMs / 1000)}` };
}

/** Bindings change only with a new isolate, so each set is read once. */
function configOf(env: Env): EdgeConfig {
  const known = configs.get(env);
  if (known !== undefined) return known;
  const config = loadConfig(env);
  configs.set(env, config);
  return config;
}

const configs = new WeakMap<Env, EdgeConfig>();
