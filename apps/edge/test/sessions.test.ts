/** The HTTP routes: who may do what to which session, and what they are told. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { ErrorBodySchema, RESUME_TOKEN_GRACE_MS } from "@antiphon/protocol";
import { describe, expect, it } from "vitest";
import { createApp } from "../src/app.ts";
import { SessionStore } from "../src/session-store.ts";
import {
  API_KEY,
  askTicket,
  bearer,
  bindings,
  buyTicket,
  connect,
  createSession,
  INTERNAL_SECRET,
  OTHER_KEY,
  putRecord,
  request,
  stubOf,
  useFakeOrchestrator,
} from "./edge.ts";

const orchestrator = useFakeOrchestrator();

const codeOf = async (response: Response) =>
  ErrorBodySchema.parse(await response.json()).error.code;

describe("starting a session", () => {
  it("answers 201 with a socket's address, a ticket and a resume token", async () => {
    const session = await createSession();
    expect(session.streamUrl).toBe(`wss://edge.test/v1/sessions/${session.sessionId}/stream`);
    expect(session.transport).toBe("websocket");
    expect(session.resumeToken).toMatch(/^[\w-]{43}$/);
    const expiresIn = Date.parse(session.ticketExpiresAt) - Date.now();
    expect(expiresIn).toBeGreaterThan(0);
    expect(expiresIn).toBeLessThanOrEqual(30_000);
  });

  it.each([
    ["no key", {}],
    ["a wrong key", bearer("wrong-api-key-0123456789")],
    ["an empty key", { authorization: "Bearer " }],
    ["another scheme", { authorization: `Basic ${API_KEY}` }],
    ["a part of a key", bearer(API_KEY.slice(0, -1))],
    ["two keys at once", bearer(`${API_KEY} ${OTHER_KEY}`)],
    ["the list of keys", bearer(`${API_KEY},${OTHER_KEY}`)],
  ])("refuses %s", async (_, headers) => {
    const response = await request("/v1/sessions", { method: "POST", headers });
    expect(response.status).toBe(401);
    expect(await codeOf(response)).toBe("unauthenticated");
  });

  it.each([
    ["text", "not json", 400, "invalid_argument"],
    ["a list", "[]", 400, "invalid_argument"],
    ["too much", JSON.stringify({ pad: "x".repeat(5_000) }), 413, "too_large"],
  ])("refuses %s as a body", async (_, body, status, code) => {
    const response = await request("/v1/sessions", {
      method: "POST",
      headers: bearer(API_KEY),
      body,
    });
    expect(response.status).toBe(status);
    expect(await codeOf(response)).toBe(code);
  });

  it("refuses a body that says no length and grows too large", async () => {
    const stream = () =>
      new Response("x".repeat(600 * 1024)).body?.pipeThrough(new TransformStream()) ?? null;
    const create = await request("/v1/sessions", {
      method: "POST",
      headers: bearer(API_KEY),
      body: stream(),
    });
    expect(create.status).toBe(413);
    const { sessionId } = await createSession();
    const record = await request(`/internal/sessions/${sessionId}/record`, {
      method: "PUT",
      headers: bearer(INTERNAL_SECRET),
      body: stream(),
    });
    expect(record.status).toBe(413);
  });

  it("takes nothing about access from the body", async () => {
    const response = await request("/v1/sessions", {
      method: "POST",
      headers: bearer(API_KEY),
      body: JSON.stringify({ sessionId: "mine", room: "other", roomAdmin: true }),
    });
    expect(response.status).toBe(201);
    expect(((await response.json()) as { sessionId: string }).sessionId).not.toBe("mine");
  });

  it("never gives out an id twice, nor one that can be counted on from another", () => {
    const ids = Array.from({ length: 10_000 }, () => bindings.SESSION.newUniqueId().toString());
    expect(new Set(ids).size).toBe(10_000);
    expect(new Set(ids.map((id) => id.slice(0, 16))).size).toBe(10_000);
  });
});

describe("looking at a session", () => {
  it("shows its life to the owner and to the resume token", async () => {
    const { sessionId, resumeToken } = await createSession();
    for (const token of [API_KEY, resumeToken]) {
      const view = await request(`/v1/sessions/${sessionId}`, { headers: bearer(token) });
      expect(view.status).toBe(200);
      expect(await view.json()).toMatchObject({
        sessionId,
        state: "new",
        connected: false,
        leaseEpoch: 0,
        conversation: null,
      });
    }
  });

  it("shows what the orchestrator recorded: history and figures", async () => {
    const session = await createSession();
    await connect(session);
    await orchestrator.current.dial(0);
    const stored = await putRecord(session.sessionId, {
      leaseEpoch: 1,
      version: 1,
      turnNumber: 2,
      state: "speaking",
      history: [
        { role: "user", text: "Hello." },
        { role: "assistant", text: "Good", interrupted: true },
      ],
      options: { voice: "slt", language: "en", instructions: "secret of the program" },
      metrics: { turns: 2, framesSent: 90, framesReceived: 700, firstAudioLatencyMs: 210 },
    });
    expect(stored.status).toBe(200);
    const view = await request(`/v1/sessions/${session.sessionId}`, {
      headers: bearer(session.resumeToken),
    });
    const text = await view.text();
    expect(text).not.toContain("secret of the program");
    expect(JSON.parse(text)).toMatchObject({
      state: "connected",
      connected: true,
      leaseEpoch: 1,
      conversation: {
        state: "speaking",
        turnNumber: 2,
        voice: "slt",
        history: [
          { role: "user", text: "Hello.", interrupted: false },
          { role: "assistant", text: "Good", interrupted: true },
        ],
        metrics: {
          turns: 2,
          framesSent: 90,
          framesReceived: 700,
          firstAudioLatencyMs: 210,
          endOfSpeechToFirstAudioMs: null,
        },
      },
    });
  });

  it("opens a session to its own key and token alone", async () => {
    const mine = await createSession(API_KEY);
    const theirs = await createSession(OTHER_KEY);
    const look = async (id: string, headers: Record<string, string>) =>
      (await request(`/v1/sessions/${id}`, { headers })).status;
    expect(await look(mine.sessionId, {})).toBe(401);
    expect(await look(mine.sessionId, bearer(OTHER_KEY))).toBe(403);
    expect(await look(mine.sessionId, bearer(theirs.resumeToken))).toBe(403);
    expect(await look(theirs.sessionId, bearer(API_KEY))).toBe(403);
    expect(await look(theirs.sessionId, bearer(OTHER_KEY))).toBe(200);
  });

  it.each([
    ["made up", "f".repeat(64)],
    ["not an id at all", "..%2f..%2fetc"],
    ["an id with one digit changed", "changed"],
  ])("answers 404 for an id that is %s", async (_, id) => {
    const { sessionId } = await createSession();
    const digit = sessionId.startsWith("0") ? "1" : "0";
    const asked = id === "changed" ? digit + sessionId.slice(1) : id;
    const response = await request(`/v1/sessions/${asked}`, { headers: bearer(API_KEY) });
    expect(response.status).toBe(404);
    expect(await codeOf(response)).toBe("not_found");
  });
});

describe("resume tokens", () => {
  it("are replaced at each use; the old one is taken for the grace", async () => {
    const session = await createSession();
    const second = await buyTicket(session.sessionId, session.resumeToken);
    const third = await buyTicket(session.sessionId, session.resumeToken);
    expect(new Set([session.resumeToken, second.resumeToken, third.resumeToken]).size).toBe(3);
    expect(second.ticket).not.toBe(session.ticket);
    expect((await askTicket(session.sessionId, second.resumeToken)).status).toBe(200);
  });

  it("stop being taken when the grace is over, however often they were used in it", async () => {
    const { sessionId } = await createSession();
    await runInDurableObject(stubOf(sessionId), (_, state) => {
      const store = new SessionStore(state.storage);
      const [first] = store.resumeHashes(0);
      store.addResumeHash("second", 1_000);
      store.addResumeHash("third", 2_000);
      expect(store.resumeHashes(1_000 + RESUME_TOKEN_GRACE_MS - 1)).toContain(first);
      expect(store.resumeHashes(1_000 + RESUME_TOKEN_GRACE_MS)).toEqual(["second", "third"]);
      expect(store.resumeHashes(2_000 + RESUME_TOKEN_GRACE_MS)).toEqual(["third"]);
    });
  });

  it("do not pile up when one is used over and over", async () => {
    const { sessionId } = await createSession();
    await runInDurableObject(stubOf(sessionId), (_, state) => {
      const store = new SessionStore(state.storage);
      for (let n = 0; n < 100; n++) store.addResumeHash(`hash-${n}`, 1_000);
      expect(store.resumeHashes(1_000)).toHaveLength(8);
      expect(store.resumeHashes(1_000)).toContain("hash-99");
    });
  });

  it("are stored as hashes, and are no key to anything else", async () => {
    const session = await createSession();
    await runInDurableObject(stubOf(session.sessionId), (_, state) => {
      const rows = state.storage.sql.exec("SELECT hash FROM resume_token").toArray();
      expect(rows).toHaveLength(1);
      expect(JSON.stringify(rows)).not.toContain(session.resumeToken);
    });
    expect((await askTicket(session.sessionId, API_KEY)).status).toBe(403);
    expect((await askTicket(session.sessionId, session.ticket)).status).toBe(403);
    const create = await request("/v1/sessions", {
      method: "POST",
      headers: bearer(session.resumeToken),
    });
    expect(create.status).toBe(401);
  });
});

describe("ending a session", () => {
  it("closes both sides normally and leaves nothing stored", async () => {
    const session = await createSession();
    const client = await connect(session);
    const upstream = await orchestrator.current.dial(0);
    const ended = await request(`/v1/sessions/${session.sessionId}`, {
      method: "DELETE",
      headers: bearer(session.resumeToken),
    });
    expect(ended.status).toBe(204);
    expect((await client.closed).code).toBe(1000);
    await expect.poll(() => upstream.closes).toEqual([{ code: 1000, reason: "client gone" }]);
    await expectErased(session.sessionId);
    expect((await askTicket(session.sessionId, session.resumeToken)).status).toBe(404);
  });
});

describe("a session that nobody uses", () => {
  it("is erased by its alarm when its time is over, and not before", async () => {
    const { sessionId } = await createSession();
    expect(await runDurableObjectAlarm(stubOf(sessionId))).toBe(true);
    const early = await request(`/v1/sessions/${sessionId}`, { headers: bearer(API_KEY) });
    expect(early.status).toBe(200);
    await expire(sessionId);
    expect(await runDurableObjectAlarm(stubOf(sessionId))).toBe(true);
    await expectErased(sessionId);
    expect(await runDurableObjectAlarm(stubOf(sessionId))).toBe(false);
  });

  it("is gone for everybody as soon as its time is over, late as the alarm may be", async () => {
    const session = await createSession();
    await expire(session.sessionId);
    const view = await request(`/v1/sessions/${session.sessionId}`, { headers: bearer(API_KEY) });
    expect(view.status).toBe(404);
    expect((await askTicket(session.sessionId, session.resumeToken)).status).toBe(404);
    expect((await (await connect(session)).closed).code).toBe(4404);
  });

  it("survives alarms that come for nothing, and is armed again after each", async () => {
    const { sessionId } = await createSession();
    await runInDurableObject(stubOf(sessionId), async (object, state) => {
      await object.alarm();
      await object.alarm();
      expect(await state.storage.getAlarm()).not.toBeNull();
    });
  });
});

describe("the record", () => {
  const live = async () => {
    const session = await createSession();
    await connect(session);
    await orchestrator.current.dial(0);
    return session;
  };
  const put = async (sessionId: string, leaseEpoch: number, version: number, turnNumber = 0) =>
    (await putRecord(sessionId, { leaseEpoch, version, turnNumber })).status;

  it("is stored, repeated without harm, and refused when stale", async () => {
    const { sessionId } = await live();
    expect(await put(sessionId, 1, 5)).toBe(200);
    expect(await put(sessionId, 1, 5, 9)).toBe(200);
    expect(await put(sessionId, 1, 4)).toBe(409);
    expect(await put(sessionId, 1, 6)).toBe(200);
    await runInDurableObject(stubOf(sessionId), (_, state) => {
      const [row] = state.storage.sql.exec("SELECT version, json FROM record").toArray();
      expect(row?.["version"]).toBe(6);
      expect(JSON.parse(String(row?.["json"])).turnNumber).toBe(0);
    });
  });

  it("is taken from the newest holder of the session alone", async () => {
    const session = await live();
    expect(await put(session.sessionId, 1, 9)).toBe(200);
    expect(await put(session.sessionId, 2, 1)).toBe(409);
    await connect(await buyTicket(session.sessionId, session.resumeToken));
    const second = await orchestrator.current.dial(1);
    expect(second.lease).toMatchObject({ leaseEpoch: 2, record: { version: 9 } });
    expect(await put(session.sessionId, 1, 10)).toBe(409);
    expect(await put(session.sessionId, 2, 1)).toBe(200);
  });

  it.each([
    ["no secret", {}],
    ["an API key", bearer(API_KEY)],
    ["a near miss", bearer("workerd-internal-secret-012345678")],
  ])("is refused with %s", async (_, headers) => {
    const { sessionId } = await live();
    const response = await request(`/internal/sessions/${sessionId}/record`, {
      method: "PUT",
      headers,
      body: JSON.stringify({ sessionId, leaseEpoch: 1, version: 1 }),
    });
    expect(response.status).toBe(401);
  });

  it("is refused when it is no record, another session's, too large, or nobody's", async () => {
    const { sessionId } = await live();
    const other = await createSession();
    expect((await putRecord(sessionId, { version: "seven" })).status).toBe(400);
    expect((await putRecord(sessionId, { sessionId: other.sessionId })).status).toBe(400);
    const pad = [{ role: "user", text: "x".repeat(512 * 1024) }];
    expect((await putRecord(sessionId, { version: 1, history: pad })).status).toBe(413);
    expect((await putRecord("f".repeat(64), { version: 1 })).status).toBe(404);
    await expire(sessionId);
    expect(await put(sessionId, 1, 1)).toBe(404);
  });
});

describe("the document", () => {
  it("describes every route of the Worker, with bodies and errors", async () => {
    const document = (await (await request("/openapi.json")).json()) as {
      openapi: string;
      paths: Record<string, Record<string, { responses: Record<string, object> }>>;
    };
    expect(document.openapi).toBe("3.1.0");
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const routed = createApp()
      .routes.filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
    expect(described.sort()).toEqual([...new Set(routed)].sort());
    const create = document.paths["/v1/sessions"]?.["post"]?.responses;
    expect(Object.keys(create ?? {})).toEqual(["201", "400", "401", "403", "413"]);
    expect(JSON.stringify(create?.["201"])).toContain("resumeToken");
  });
});

describe("health", () => {
  it("is ok when an orchestrator answers", async () => {
    const response = await request("/healthz");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: "ok" });
  });
});

async function expire(sessionId: string): Promise<void> {
  await runInDurableObject(stubOf(sessionId), (_, state) => {
    state.storage.sql.exec("UPDATE session SET expires_at_ms = ?", Date.now());
  });
}

async function expectErased(sessionId: string): Promise<void> {
  const view = await request(`/v1/sessions/${sessionId}`, { headers: bearer(API_KEY) });
  expect(view.status).toBe(404);
  await runInDurableObject(stubOf(sessionId), async (_, state) => {
    const tables = state.storage.sql
      .exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '_cf_%'")
      .toArray();
    expect(tables).toEqual([]);
    expect(await state.storage.getAlarm()).toBeNull();
  });
}
