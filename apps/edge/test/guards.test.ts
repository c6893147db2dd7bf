/** Who is let near: origins, guests, hosts, settings. Tables, one line a case. */
import { describe, expect, it, vi } from "vitest";
import { ConfigError, loadConfig } from "../src/config.ts";
import { API_KEY, bearer, createSession, ORIGIN, request, requestUnder } from "./edge.ts";

describe("the Origin of a page", () => {
  const table: [string, string | undefined, boolean][] = [
    ["absent: no browser", undefined, true],
    ["the edge's own", ORIGIN, true],
    ["on the list", "https://good.example", true],
    ["null", "null", false],
    ["a host that begins alike", "https://good.example.evil.com", false],
    ["a host that ends alike", "https://good.evil.com", false],
    ["a subdomain", "https://www.good.example", false],
    ["another scheme", "http://good.example", false],
    ["another case", "https://GOOD.example", false],
    ["another port", "https://good.example:8443", false],
    ["the default port written out", "https://good.example:443", false],
    ["a trailing dot", "https://good.example.", false],
    ["a trailing slash", "https://good.example/", false],
    ["two at once", "https://good.example https://evil.example", false],
  ];

  it.each(table)("%s: %s → allowed %s, before any upgrade", async (_, origin, allowed) => {
    const { sessionId, ticket } = await createSession();
    const response = await request(`/v1/sessions/${sessionId}/stream`, {
      headers: {
        upgrade: "websocket",
        // No ticket that opens anything: what is asked here is only who may ask.
        "sec-websocket-protocol": `antiphon.v1, ticket.${ticket}x`,
        ...(origin === undefined ? {} : { origin }),
      },
    });
    response.webSocket?.accept();
    expect(response.status).toBe(allowed ? 101 : 403);
  });

  it("guards the other routes too, and lets listed pages read the answers", async () => {
    const create = (origin: string) =>
      request("/v1/sessions", { method: "POST", headers: { ...bearer(API_KEY), origin } });
    expect((await create("https://evil.example")).status).toBe(403);
    const listed = await create("https://good.example");
    expect(listed.status).toBe(201);
    expect(listed.headers.get("access-control-allow-origin")).toBe("https://good.example");
    const failed = await request("/v1/sessions", {
      method: "POST",
      headers: { origin: "https://good.example" },
    });
    expect(failed.status).toBe(401);
    expect(failed.headers.get("access-control-allow-origin")).toBe("https://good.example");
    const preflight = (origin: string) =>
      request("/v1/sessions", {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST" },
      });
    expect((await preflight("https://good.example")).status).toBe(204);
    expect((await preflight("https://evil.example")).status).toBe(403);
  });
});

describe("guest mode", () => {
  const HOST = "127.0.0.1:8787";
  const settings = {
    GUEST_MODE: "loopback",
    API_KEYS: "",
    PUBLIC_ORIGINS: `http://${HOST},http://localhost:8787`,
  };
  const json = { "content-type": "application/json" };
  const create = (headers: Record<string, string>, url = `http://${HOST}/v1/sessions`) =>
    requestUnder(settings, url, { method: "POST", headers, body: "{}" });

  const table: [string, Record<string, string>, number][] = [
    ["plain", { host: HOST, ...json }, 201],
    ["by the other name", { host: "localhost:8787", ...json }, 201],
    ["own origin", { host: HOST, origin: `http://${HOST}`, ...json }, 201],
    ["json with a charset", { host: HOST, "content-type": "application/json; charset=utf-8" }, 201],
    ["no Host", json, 403],
    ["a rebound name", { host: "evil.example:8787", ...json }, 403],
    ["no port", { host: "127.0.0.1", ...json }, 403],
    ["another port", { host: "127.0.0.1:8788", ...json }, 403],
    ["another case", { host: "LOCALHOST:8787", ...json }, 403],
    ["a trailing dot", { host: "localhost.:8787", ...json }, 403],
    ["a foreign origin", { host: HOST, origin: "https://evil.example", ...json }, 403],
    ["origin null", { host: HOST, origin: "null", ...json }, 403],
    ["a form's body", { host: HOST, "content-type": "text/plain" }, 403],
    ["a body that only looks like it", { host: HOST, "content-type": "application/jsonp" }, 403],
    ["forwarded", { host: HOST, forwarded: "for=1.2.3.4", ...json }, 403],
    ["x-forwarded-for", { host: HOST, "x-forwarded-for": "1.2.3.4", ...json }, 403],
    ["x-forwarded-host", { host: HOST, "x-forwarded-host": HOST, ...json }, 403],
    ["cf-connecting-ip", { host: HOST, "cf-connecting-ip": "127.0.0.1", ...json }, 403],
    ["x-real-ip", { host: HOST, "x-real-ip": "127.0.0.1", ...json }, 403],
    ["a wrong key all the same", { host: HOST, ...bearer("wrong-key-0123456789"), ...json }, 401],
  ];

  it.each(table)("%s %o → %s", async (_, headers, status) => {
    expect((await create(headers)).status).toBe(status);
  });

  it("believes the Host header, never the address that the request claims", async () => {
    const forged = await create({ host: "evil.example", ...json }, `http://${HOST}/v1/sessions`);
    expect(forged.status).toBe(403);
    const honest = await create({ host: HOST, ...json }, "http://evil.example/v1/sessions");
    expect(honest.status).toBe(201);
    expect(((await honest.json()) as { streamUrl: string }).streamUrl).toContain(`ws://${HOST}/`);
  });

  it("tells a page its own name, whichever of the two it was opened by", async () => {
    const response = await create({ host: "localhost:8787", ...json });
    expect(((await response.json()) as { streamUrl: string }).streamUrl).toContain(
      "ws://localhost:8787/",
    );
  });

  it("opens guests' sessions to their token alone", async () => {
    const session = (await (await create({ host: HOST, ...json })).json()) as {
      sessionId: string;
      resumeToken: string;
    };
    const look = async (token: string) =>
      (
        await requestUnder(settings, `http://${HOST}/v1/sessions/${session.sessionId}`, {
          headers: { host: HOST, ...bearer(token) },
        })
      ).status;
    expect(await look(session.resumeToken)).toBe(200);
    expect(await look("guest")).toBe(403);
    expect(
      (await request(`/v1/sessions/${session.sessionId}`, { headers: bearer(API_KEY) })).status,
    ).toBe(403);
  });

  it("guards page and document by the Host as well", async () => {
    for (const path of ["/", "/openapi.json", "/healthz"]) {
      const response = await requestUnder(settings, `http://${HOST}${path}`, {
        headers: { host: "evil.example" },
      });
      expect(response.status).toBe(403);
    }
  });
});

describe("the page", () => {
  const files: string[] = [];
  const ASSETS = {
    fetch: async (input: Request) => {
      files.push(new URL(input.url).pathname);
      return new Response("<!doctype html>", { headers: { "content-type": "text/html" } });
    },
  };
  const get = (path: string, init: RequestInit = {}) =>
    requestUnder({ ASSETS }, `${ORIGIN}${path}`, init);

  it("is served with a policy that allows its own files and socket, nothing else", async () => {
    const response = await get("/");
    expect(await response.text()).toBe("<!doctype html>");
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy.split("; ")).toEqual(
      expect.arrayContaining([
        "default-src 'self'",
        "script-src 'self'",
        "connect-src 'self' wss://edge.test",
        "worker-src 'self' blob:",
        "frame-ancestors 'none'",
      ]),
    );
    expect(policy).not.toContain("unsafe");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("strict-transport-security")).toContain("max-age");
  });

  it("is read only, and what looks like an API is none of its files", async () => {
    files.length = 0;
    expect((await get("/", { method: "POST" })).status).toBe(404);
    expect((await get("/v1/nothing")).status).toBe(404);
    expect((await get("/internal/nothing")).status).toBe(404);
    expect(files).toEqual([]);
    expect((await get("/assets/page.js", { method: "HEAD" })).status).toBe(200);
    expect(files).toEqual(["/assets/page.js"]);
  });
});

describe("health", () => {
  it("says which part is missing", async () => {
    vi.stubGlobal("fetch", async () => {
      throw new Error("connection refused");
    });
    const response = await requestUnder({}, `${ORIGIN}/healthz`);
    vi.unstubAllGlobals();
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ status: "unavailable", missing: ["orchestrator"] });
  });
});

describe("the settings", () => {
  const good = {
    INTERNAL_SECRET: "i".repeat(32),
    TICKET_SECRET: "t".repeat(32),
    API_KEYS: "k".repeat(16),
    ORCHESTRATOR_URLS: "http://127.0.0.1:1, https://two.example",
  };
  const problemsOf = (settings: Record<string, unknown>): string => {
    try {
      loadConfig(settings);
      return "none";
    } catch (error) {
      if (error instanceof ConfigError) return error.problems.join("\n");
      throw error;
    }
  };

  it("are taken with their defaults", () => {
    expect(loadConfig(good)).toMatchObject({
      guestMode: "off",
      orchestratorUrls: ["http://127.0.0.1:1", "https://two.example"],
      allowedOrigins: [],
      sessionResumeTtlMs: 300_000,
    });
  });

  it("are refused all at once, each by name", () => {
    const problems = problemsOf({
      TICKET_SECRET: "short",
      API_KEYS: "short",
      GUEST_MODE: "yes",
      ALLOWED_ORIGINS: "https://good.example/",
      ORCHESTRATOR_URLS: "ws://127.0.0.1",
      SESSION_RESUME_TTL: "never",
    });
    for (const name of [
      "INTERNAL_SECRET",
      "TICKET_SECRET",
      "API_KEYS",
      "GUEST_MODE",
      "ALLOWED_ORIGINS",
      "ORCHESTRATOR_URLS",
      "SESSION_RESUME_TTL",
    ]) {
      expect(problems).toContain(`${name}: `);
    }
  });

  it("are refused when nobody could start a session, or guests could come from elsewhere", () => {
    expect(problemsOf({ ...good, API_KEYS: "" })).toContain("API_KEYS");
    expect(problemsOf({ ...good, GUEST_MODE: "loopback" })).toContain("PUBLIC_ORIGINS");
    const public_ = { ...good, GUEST_MODE: "loopback", PUBLIC_ORIGINS: "https://edge.test" };
    expect(problemsOf(public_)).toContain("loopback origins alone");
  });

  it("that are unusable fail every request without saying why to the caller", async () => {
    const response = await requestUnder({ TICKET_SECRET: "short" }, `${ORIGIN}/openapi.json`);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("TICKET_SECRET");
  });
});
