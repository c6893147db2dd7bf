/** The socket: tickets, takeover, what passes, what ends it. The orchestrator is scripted. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { SignJWT, UnsecuredJWT } from "jose";
import { describe, expect, it, vi } from "vitest";
import { signTicket } from "../src/ticket.ts";
import {
  API_KEY,
  actAs,
  bearer,
  buyTicket,
  connect,
  createSession,
  openStream,
  request,
  stubOf,
  type TestClient,
  TICKET_SECRET,
  useFakeOrchestrator,
} from "./edge.ts";

const orchestrator = useFakeOrchestrator();

const errorOf = (client: TestClient) =>
  client.received.map((data) => JSON.parse(data as string)).filter((m) => m.type === "error");

describe("tickets", () => {
  const claims = { iss: "antiphon", aud: "edge" };
  const sign = (
    sid: string,
    change: { claims?: object; secret?: string; alg?: string; jti?: string; ttl?: number } = {},
  ) => {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({
      sid,
      ...claims,
      iat: now,
      exp: now + (change.ttl ?? 30),
      ...change.claims,
    })
      .setProtectedHeader({ alg: change.alg ?? "HS256" })
      .setJti(change.jti ?? crypto.randomUUID())
      .sign(new TextEncoder().encode(change.secret ?? TICKET_SECRET));
  };
  const now = () => Math.floor(Date.now() / 1000);

  it("open the socket, and only the protocol is echoed", async () => {
    const session = await createSession();
    const client = await openStream(session.sessionId, await sign(session.sessionId));
    expect(client.protocol).toBe("antiphon.v1");
    await orchestrator.current.dial(0);
  });

  const refused: [string, number, (sid: string) => Promise<string | undefined> | string][] = [
    ["missing", 4401, async () => undefined],
    ["empty", 4401, () => ""],
    ["not a token", 4401, () => "a.b.c"],
    ["signed with another key", 4401, (sid) => sign(sid, { secret: "x".repeat(32) })],
    ["signed with another algorithm", 4401, (sid) => sign(sid, { alg: "HS512" })],
    [
      "unsigned, alg none",
      4401,
      (sid) => new UnsecuredJWT({ sid, jti: "j", ...claims, iat: now(), exp: now() + 30 }).encode(),
    ],
    ["by another issuer", 4401, (sid) => sign(sid, { claims: { iss: "evil" } })],
    ["for another audience", 4401, (sid) => sign(sid, { claims: { aud: "orchestrator" } })],
    ["without expiry", 4401, (sid) => sign(sid, { claims: { exp: undefined } })],
    ["without a moment of issue", 4401, (sid) => sign(sid, { claims: { iat: undefined } })],
    ["without a session", 4401, (sid) => sign(sid, { claims: { sid: undefined } })],
    ["without an id", 4401, (sid) => sign(sid, { jti: "" })],
    [
      "expired",
      4401,
      async (sessionId) =>
        (await signTicket({ sessionId, secret: TICKET_SECRET, nowMs: Date.now() - 31_000 })).ticket,
    ],
    [
      "made to live for an hour, a minute ago",
      4401,
      (sid) => sign(sid, { claims: { iat: now() - 60, exp: now() + 3600 } }),
    ],
    ["for another session", 4403, async () => sign((await createSession()).sessionId)],
  ];

  it.each(refused)("%s: one error, then %s, nothing dialled", async (_, code, ticketFor) => {
    const { sessionId } = await createSession();
    const client = await openStream(sessionId, await ticketFor(sessionId));
    expect((await client.closed).code).toBe(code);
    expect(client.received).toHaveLength(1);
    expect(errorOf(client)).toHaveLength(1);
    expect(client.protocol).toBe("antiphon.v1");
    expect(orchestrator.current.dialled).toHaveLength(0);
  });

  it("are spent at the first use, even when the session was left again", async () => {
    const session = await createSession();
    const first = await connect(session);
    await orchestrator.current.dial(0);
    const replay = await connect(session);
    expect((await replay.closed).code).toBe(4401);
    first.socket.close(1000);
    await first.closed;
    expect((await (await connect(session)).closed).code).toBe(4401);
    expect(orchestrator.current.dialled).toHaveLength(1);
  });

  it("open nothing without our subprotocol, nor without an upgrade", async () => {
    const session = await createSession();
    const response = await request(`/v1/sessions/${session.sessionId}/stream`, {
      headers: { upgrade: "websocket", "sec-websocket-protocol": `ticket.${session.ticket}` },
    });
    expect(response.status).toBe(101);
    expect(response.headers.get("sec-websocket-protocol")).toBeNull();
    response.webSocket?.accept();
    const plain = await request(`/v1/sessions/${session.sessionId}/stream`);
    expect(plain.status).toBe(400);
    expect(orchestrator.current.dialled).toHaveLength(0);
  });
});

describe("while a call runs", () => {
  it("carries both ways unchanged and in order, what came early included", async () => {
    orchestrator.current.refusals = 2;
    const session = await createSession();
    const client = await connect(session);
    client.socket.send('{"type":"session_start"}');
    const frames = Array.from({ length: 50 }, (_, n) => new Uint8Array(1928).fill(n));
    for (const frame of frames) client.socket.send(frame);
    const upstream = await orchestrator.current.dial(0);
    expect(upstream.url).toBe("http://orchestrator.test/internal/stream");
    orchestrator.current.onMessage = (from, data) => from.socket.send(data);
    client.socket.send("the end");
    await expect.poll(() => upstream.received.length).toBe(52);
    expect(upstream.received[0]).toBe('{"type":"session_start"}');
    expect(
      upstream.received.slice(1, 51).map((data) => new Uint8Array(data as ArrayBuffer)),
    ).toEqual(frames);
    await expect.poll(() => client.received.at(-1)).toBe("the end");
  });

  it("lets a second client take the session over and tells the first", async () => {
    const session = await createSession();
    const first = await connect(session);
    const dialled = await orchestrator.current.dial(0);
    const second = await connect(await buyTicket(session.sessionId, session.resumeToken));
    expect(await first.closed).toEqual({ code: 4409, reason: "conflict" });
    expect(errorOf(first)).toMatchObject([{ code: "conflict", retryable: false }]);
    await expect.poll(() => dialled.closes).toEqual([{ code: 1000, reason: "client gone" }]);
    expect((await orchestrator.current.dial(1)).lease.leaseEpoch).toBe(2);
    expect(second.received).toEqual([]);
    const view = await request(`/v1/sessions/${session.sessionId}`, { headers: bearer(API_KEY) });
    expect(await view.json()).toMatchObject({ state: "connected", leaseEpoch: 2 });
  });

  it.each([
    ["binary", new Uint8Array(64 * 1024 + 1)],
    ["text", "x".repeat(64 * 1024 + 1)],
    ["text of long characters", "€".repeat(22_000)],
  ])("ends with 4413 over a message that is too large (%s)", async (_, message) => {
    const client = await connect(await createSession());
    const upstream = await orchestrator.current.dial(0);
    client.socket.send(message);
    expect(await client.closed).toEqual({ code: 4413, reason: "too_large" });
    expect(errorOf(client)).toMatchObject([{ code: "too_large" }]);
    await expect.poll(() => upstream.closes.length).toBe(1);
    expect(upstream.received).toEqual([]);
  });

  it("takes a message of exactly the limit", async () => {
    const client = await connect(await createSession());
    const upstream = await orchestrator.current.dial(0);
    client.socket.send(new Uint8Array(64 * 1024));
    await expect.poll(() => upstream.received.length).toBe(1);
  });

  it("ends with 4429 when a client floods it", async () => {
    const client = await connect(await createSession());
    await orchestrator.current.dial(0);
    for (let n = 0; n < 5_000; n++) client.socket.send("x");
    expect(await client.closed).toEqual({ code: 4429, reason: "overloaded" });
    expect(errorOf(client)).toMatchObject([{ code: "overloaded", retryAfterMs: 1_000 }]);
  });

  it("tells the orchestrator at once when the client goes, and keeps the session for a while", async () => {
    const session = await createSession();
    const client = await connect(session);
    const upstream = await orchestrator.current.dial(0);
    client.socket.close(1001, "tab closed");
    await expect.poll(() => upstream.closes).toEqual([{ code: 1000, reason: "client gone" }]);
    const view = await request(`/v1/sessions/${session.sessionId}`, { headers: bearer(API_KEY) });
    const seen = (await view.json()) as { state: string; expiresAt: string };
    expect(seen.state).toBe("disconnected");
    expect(Date.parse(seen.expiresAt)).toBeLessThanOrEqual(Date.now() + 300_000);
    await connect(await buyTicket(session.sessionId, session.resumeToken));
    expect((await orchestrator.current.dial(1)).lease.leaseEpoch).toBe(2);
  });

  it("is ended after a day", async () => {
    const session = await createSession();
    const client = await connect(session);
    await orchestrator.current.dial(0);
    await runInDurableObject(stubOf(session.sessionId), (_, state) => {
      state.storage.sql.exec("UPDATE session SET expires_at_ms = ?", Date.now());
    });
    await runDurableObjectAlarm(stubOf(session.sessionId));
    expect((await client.closed).code).toBe(4504);
  });
});

describe("when the orchestrator closes", () => {
  const closeWith = async (code: number, reason: string) => {
    const session = await createSession();
    const client = await connect(session);
    const upstream = await orchestrator.current.dial(0);
    await actAs(session.sessionId, () => upstream.socket.close(code, reason));
    return { session, client };
  };

  it.each([4400, 4409, 4412, 4429, 4500])("passes its verdict %s on", async (code) => {
    const { client } = await closeWith(code, "its word");
    expect(await client.closed).toEqual({ code, reason: "its word" });
    expect(orchestrator.current.dialled).toHaveLength(1);
  });

  it("normally, ends the session: readable for a while, not to be taken up", async () => {
    const { session, client } = await closeWith(1000, "session ended");
    expect((await client.closed).code).toBe(1000);
    const view = await request(`/v1/sessions/${session.sessionId}`, { headers: bearer(API_KEY) });
    expect(await view.json()).toMatchObject({ state: "ended" });
    const ticket = await request(`/v1/sessions/${session.sessionId}/tickets`, {
      method: "POST",
      headers: bearer(session.resumeToken),
    });
    expect(ticket.status).toBe(400);
  });

  it.each([1001, 1011, 1012, 4503])("with %s, finds another one", async (code) => {
    const { client } = await closeWith(code, "");
    const second = await orchestrator.current.dial(1);
    expect(second.lease.leaseEpoch).toBe(2);
    await expect
      .poll(() => client.received)
      .toEqual(['{"type":"upstream","status":"lost"}', '{"type":"upstream","status":"restored"}']);
    client.socket.send('{"type":"playback"}');
    client.socket.send(new Uint8Array(1928));
    client.socket.send('{"type":"session_start"}');
    client.socket.send('{"type":"resume"}');
    await expect
      .poll(() => second.received)
      .toEqual(['{"type":"session_start"}', '{"type":"resume"}']);
  });

  it("again and again, gives up: unavailable, 4503", async () => {
    const session = await createSession();
    const client = await connect(session);
    let dropped = 0;
    let over = false;
    void client.closed.then(() => {
      over = true;
    });
    await expect
      .poll(
        async () => {
          const next = orchestrator.current.dialled[dropped];
          if (next !== undefined) {
            dropped += 1;
            await actAs(session.sessionId, () => next.socket.close(1012, ""));
          }
          return over;
        },
        { timeout: 20_000, interval: 20 },
      )
      .toBe(true);
    expect((await client.closed).code).toBe(4503);
    expect(errorOf(client)).toMatchObject([{ code: "unavailable" }]);
    expect(dropped).toBeGreaterThan(3);
    expect(dropped).toBeLessThan(20);
  });
});

describe("when the object was moved or restarted", () => {
  it("finds nobody connected, keeps the session, and takes its client up again", async () => {
    const session = await createSession();
    const client = await connect(session);
    const upstream = await orchestrator.current.dial(0);
    client.socket.close(1000);
    await expect.poll(() => upstream.closes.length).toBe(1);
    await runInDurableObject(stubOf(session.sessionId), (_, state) => {
      state.storage.sql.exec("UPDATE session SET state = 'connected'");
    });
    await evictDurableObject(stubOf(session.sessionId));
    const view = await request(`/v1/sessions/${session.sessionId}`, { headers: bearer(API_KEY) });
    expect(await view.json()).toMatchObject({ state: "disconnected", connected: false });
    await connect(await buyTicket(session.sessionId, session.resumeToken));
    expect((await orchestrator.current.dial(1)).lease.leaseEpoch).toBe(2);
  });
});

describe("the log", () => {
  it("holds ids and codes, no ticket, token, secret or word that was said", async () => {
    const lines: string[] = [];
    for (const level of ["info", "warn", "error"] as const) {
      vi.spyOn(console, level).mockImplementation((line: unknown) => lines.push(String(line)));
    }
    const session = await createSession();
    const client = await connect(session);
    const upstream = await orchestrator.current.dial(0);
    client.socket.send('{"type":"text","text":"canary-said"}');
    await expect.poll(() => upstream.received.length).toBe(1);
    await actAs(session.sessionId, () => upstream.socket.send('{"text":"canary-answered"}'));
    await expect.poll(() => client.received.length).toBe(1);
    await actAs(session.sessionId, () => upstream.socket.close(4500, "canary-reason"));
    await client.closed;
    await (await connect(session)).closed;
    await request(`/v1/sessions/${session.sessionId}`, { headers: bearer("canary-token") });
    const all = lines.join("\n");
    expect(lines.every((line) => JSON.parse(line).sessionId === session.sessionId)).toBe(true);
    for (const secret of ["canary", session.ticket, session.resumeToken, API_KEY, TICKET_SECRET]) {
      expect(all).not.toContain(secret);
    }
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
      "session created",
      "client connected",
      "call over",
    ]);
  });
});
