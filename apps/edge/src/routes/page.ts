/** The page: files from the ASSETS binding with the security headers that make them safe to serve. */
import { AntiphonError } from "@antiphon/protocol";
import { Hono } from "hono";
import type { AppEnv } from "../app.ts";
import { ownOrigins } from "../auth.ts";

export function pageRoutes(): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  routes.all("*", async (context) => {
    const request = context.req.raw;
    if (request.method !== "GET" && request.method !== "HEAD") {
      throw new AntiphonError("not_found", "There is nothing at this address; see /openapi.json.");
    }
    const asset = await context.env.ASSETS.fetch(request);
    const answer = new Response(asset.body, asset);
    const own = ownOrigins(request, context.get("config"));
    for (const [name, value] of Object.entries(securityHeaders(own))) {
      answer.headers.set(name, value);
    }
    return answer;
  });
  return routes;
}

/** No inline script, no other host. Sockets of the own host are named: not every browser reads them into 'self'. */
function securityHeaders(ownOrigins: readonly string[]): Record<string, string> {
  const sockets = ownOrigins.map((origin) => origin.replace(/^http/, "ws")).join(" ");
  return {
    "content-security-policy": [
      "default-src 'self'",
      "script-src 'self'",
      "worker-src 'self' blob:",
      `connect-src 'self' ${sockets}`,
      "img-src 'self' data:",
      "media-src 'self' blob:",
      "object-src 'none'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join("; "),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=(), display-capture=()",
    ...(ownOrigins.every((origin) => origin.startsWith("https:"))
      ? { "strict-transport-security": "max-age=31536000" }
      : {}),
  };
}
