/** The edge as it really runs: workerd, a socket, and an orchestrator in another process' place. */
import { readdir, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { join } from "node:path";
import { encodeMicrophoneFrame, FRAME_BYTES, type SessionCreated } from "@antiphon/protocol";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  API_KEY,
  createSession,
  createStateDir,
  type EdgeHost,
  FakeOrchestrator,
  forkEdge,
  INTERNAL_SECRET,
  startEdge,
  TestClient,
} from "./edge-fixture.ts";

let edge: EdgeHost;
let orchestrator: FakeOrchestrator;
let port: number;

beforeAll(async () => {
  const first = await FakeOrchestrator.listen();
  port = first.port;
  await first.crash();
  edge = await startEdge({ ORCHESTRATOR_URLS: `http://127.0.0.1:${port}` });
});

afterAll(async () => {
  await edge.stop();
});

beforeEach(async () => {
  orchestrator = await FakeOrchestrator.listen(port);
});

afterEach(async () => {
  await orchestrator.crash();
});

const connect = (session: SessionCreated) => new TestClient(session.streamUrl, session.ticket);

describe("while a call runs", () => {
  it("carries 500 frames each way, bytes and order kept, text between them", async () => {
    orchestrator.onMessage = (from, data, binary) => from.socket.send(data, { binary });
    const client = connect(await createSession(edge));
    client.socket.once("open", () => client.socket.send('{"type":"session_start"}'));
    await client.message("session_start");
    const sent: Buffer[] = [];
    for (let seq = 0; seq < 500; seq++) {
      const pcm = new Uint8Array(FRAME_BYTES).fill(seq % 251);
      const frame = Buffer.from(encodeMicrophoneFrame({ seq, pcm }));
      sent.push(frame);
      client.socket.send(frame);
      if (seq % 100 === 99) client.socket.send(JSON.stringify({ type: "mark", seq }));
    }
    await client.message("mark", { seq: 499 });
    const upstream = await orchestrator.dial(0);
    expect(upstream.received.filter((m) => m.binary).map((m) => m.data)).toEqual(sent);
    expect(await client.binary(500)).toEqual(sent);
    const order = client.received.map((data) => (typeof data === "string" ? data : "frame"));
    expect(order.indexOf('{"type":"mark","seq":99}')).toBe(101);
    expect(order.indexOf('{"type":"mark","seq":499}')).toBe(505);
    client.socket.close();
    expect(await upstream.closed).toEqual({ code: 1000, reason: "client gone" });
  });

  it("hands over the lease first, with the secret and the subprotocol, uncompressed", async () => {
    const session = await createSession(edge);
    const client = connect(session);
    const upstream = await orchestrator.dial(0);
    expect(upstream.lease).toEqual({
      type: "lease",
      sessionId: session.sessionId,
      leaseEpoch: 1,
      record: null,
      resumeTtlMs: 300_000,
      start: "by-client",
      way: { kind: "socket" },
    });
    expect(upstream.headers.authorization).toBe(`Bearer ${INTERNAL_SECRET}`);
    expect(upstream.headers["sec-websocket-protocol"]).toBe("antiphon.v1");
    expect(upstream.headers["sec-websocket-extensions"]).toBeUndefined();
    expect(client.socket.protocol).toBe("antiphon.v1");
    expect(client.socket.extensions).toBe("");
    client.socket.close();
  });

  it("tells the orchestrator of a client that vanished without a word", async () => {
    const client = connect(await createSession(edge));
    const upstream = await orchestrator.dial(0);
    client.socket.terminate();
    expect(await upstream.closed).toEqual({ code: 1000, reason: "client gone" });
  });

  it("passes the orchestrator's verdict on: its close code reaches the client", async () => {
    const client = connect(await createSession(edge));
    const upstream = await orchestrator.dial(0);
    upstream.socket.close(4429, "overloaded");
    expect(await client.closed).toEqual({ code: 4429, reason: "overloaded" });
  });

  it("ends the session when the orchestrator ends it", async () => {
    const session = await createSession(edge);
    const client = connect(session);
    (await orchestrator.dial(0)).socket.close(1000, "session ended");
    expect((await client.closed).code).toBe(1000);
    const view = await fetch(`${edge.url}/v1/sessions/${session.sessionId}`, {
      headers: { authorization: `Bearer ${session.resumeToken}` },
    });
    expect(await view.json()).toMatchObject({ state: "ended", connected: false });
  });
});

describe("when the orchestrator is lost in mid-call", () => {
  it("says lost, dials again under a newer lease with the newest record, says restored, and lets nothing pass before session_start", async () => {
    const session = await createSession(edge);
    const client = connect(session);
    const first = await orchestrator.dial(0);
    const put = await putRecord(session.sessionId, first.lease.leaseEpoch, 1);
    expect(put.status).toBe(200);
    await orchestrator.crash();
    await client.message("upstream", { status: "lost" });
    client.socket.send('{"type":"text","text":"into the void"}');
    orchestrator = await FakeOrchestrator.listen(port);
    const second = await orchestrator.dial(0);
    expect(second.lease.leaseEpoch).toBeGreaterThan(first.lease.leaseEpoch);
    expect(second.lease.record).toMatchObject({ sessionId: session.sessionId, turnNumber: 7 });
    await client.message("upstream", { status: "restored" });
    client.socket.send(Buffer.alloc(1928));
    client.socket.send('{"type":"session_start"}');
    orchestrator.onMessage = (from) => from.socket.send('{"type":"seen"}');
    client.socket.send('{"type":"mute"}');
    await client.message("seen");
    expect(second.received.map((m) => m.data.toString())[0]).toBe('{"type":"session_start"}');
    expect((await putRecord(session.sessionId, first.lease.leaseEpoch, 99)).status).toBe(409);
    client.socket.close();
  });

  it("gives up within the budget when no orchestrator comes back: error unavailable, 4503", async () => {
    const client = connect(await createSession(edge));
    await orchestrator.dial(0);
    await orchestrator.crash();
    expect(await client.closed).toEqual({ code: 4503, reason: "unavailable" });
    expect(await client.message("error")).toMatchObject({ code: "unavailable", retryable: true });
    orchestrator = await FakeOrchestrator.listen(port);
  });
});

describe("tickets, as a client sees them", () => {
  it("upgrades a bad ticket to say so: one error, 4401", async () => {
    const session = await createSession(edge);
    const client = new TestClient(session.streamUrl, "no.such.ticket");
    expect(await client.closed).toEqual({ code: 4401, reason: "unauthenticated" });
    expect(client.received).toHaveLength(1);
    expect(orchestrator.dialled).toHaveLength(0);
  });

  it("takes a ticket once", async () => {
    const session = await createSession(edge);
    const client = connect(session);
    await orchestrator.dial(0);
    const replay = connect(session);
    expect((await replay.closed).code).toBe(4401);
    expect(orchestrator.dialled).toHaveLength(1);
    expect(client.socket.readyState).toBe(client.socket.OPEN);
    client.socket.close();
  });

  it("lets a new ticket take the session over and tells the earlier client", async () => {
    const session = await createSession(edge);
    const earlier = connect(session);
    const first = await orchestrator.dial(0);
    const granted = await fetch(`${edge.url}/v1/sessions/${session.sessionId}/tickets`, {
      method: "POST",
      headers: { authorization: `Bearer ${session.resumeToken}` },
    });
    const later = connect((await granted.json()) as SessionCreated);
    const second = await orchestrator.dial(1);
    expect(await earlier.closed).toEqual({ code: 4409, reason: "conflict" });
    expect(await earlier.message("error")).toMatchObject({ code: "conflict" });
    expect((await first.closed).code).toBe(1000);
    expect(second.lease.leaseEpoch).toBe(2);
    second.socket.send('{"type":"hello"}');
    await later.message("hello");
    later.socket.close();
  });
});

describe("the host", () => {
  it("keeps sessions over a restart of the edge", async () => {
    const stateDir = await createStateDir();
    const settings = { ORCHESTRATOR_URLS: orchestrator.url, EDGE_STATE_DIR: stateDir };
    const before = await startEdge(settings);
    const session = await createSession(before);
    const client = connect(session);
    await orchestrator.dial(0);
    before.child.kill("SIGTERM");
    await client.closed;
    await before.stop();
    const after = await startEdge(settings);
    const view = await fetch(`${after.url}/v1/sessions/${session.sessionId}`, {
      headers: { authorization: `Bearer ${API_KEY}` },
    });
    expect(await view.json()).toMatchObject({ state: "disconnected", leaseEpoch: 1 });
    await after.stop();
    await rm(stateDir, { recursive: true, force: true });
  });

  it("forgets a session whose client stays away: erased by its alarm, swept from the disk at the next start", async () => {
    const stateDir = await createStateDir();
    const settings = {
      ORCHESTRATOR_URLS: orchestrator.url,
      EDGE_STATE_DIR: stateDir,
      SESSION_RESUME_TTL: "1",
    };
    const before = await startEdge(settings);
    const gone = await createSession(before);
    const kept = await createSession(before);
    const client = connect(gone);
    await orchestrator.dial(0);
    client.socket.close();
    await expect.poll(before.said, { timeout: 10_000 }).toContain("session erased");
    await before.stop();
    const after = await startEdge(settings);
    const files = await readdir(join(stateDir, "edge-SessionObject"));
    expect(files.filter((name) => name.startsWith(gone.sessionId))).toEqual([]);
    const look = async ({ sessionId }: SessionCreated) =>
      (
        await fetch(`${after.url}/v1/sessions/${sessionId}`, {
          headers: { authorization: `Bearer ${API_KEY}` },
        })
      ).status;
    expect(await look(gone)).toBe(404);
    expect(await look(kept)).toBe(200);
    await after.stop();
    await rm(stateDir, { recursive: true, force: true });
  });

  it("leaves no process behind, whether told to stop or left alone", async () => {
    for (const part of ["SIGTERM", "disconnect"] as const) {
      const host = await startEdge({ ORCHESTRATOR_URLS: orchestrator.url });
      const gone = new Promise((resolve) => host.child.once("exit", resolve));
      if (part === "disconnect") host.child.disconnect();
      else host.child.kill(part);
      await gone;
      // The kernel takes a moment to bury workerd once its owner is gone.
      await expect.poll(() => groupLives(host.pid), { timeout: 5_000 }).toBe(false);
      await host.stop();
    }
  });

  it("leaves no process behind when its launcher dies while it starts", async () => {
    const stateDir = await createStateDir();
    for (const afterMs of [0, 300, 600, 900]) {
      const booting = forkEdge({ ORCHESTRATOR_URLS: orchestrator.url, EDGE_STATE_DIR: stateDir });
      setTimeout(() => booting.child.connected && booting.child.disconnect(), afterMs);
      await new Promise((resolve) => booting.child.once("exit", resolve));
      await expect.poll(() => groupLives(booting.child.pid ?? 0), { timeout: 5_000 }).toBe(false);
    }
    await rm(stateDir, { recursive: true, force: true });
  });

  it("says in words that its port is taken", async () => {
    const url = new URL(edge.url);
    const ORCHESTRATOR_URLS = orchestrator.url;
    await expect(startEdge({ EDGE_PORT: url.port, ORCHESTRATOR_URLS })).rejects.toThrow(
      `left with 2: Port ${url.port} of 127.0.0.1 is taken.`,
    );
  });

  it("names every bad setting and leaves with 2", async () => {
    const problems = await startEdge({ INTERNAL_SECRET: "short", EDGE_PORT: "many" }).catch(String);
    expect(problems).toContain("left with 2");
    expect(problems).toContain("INTERNAL_SECRET: expected a secret of at least 32 characters");
    expect(problems).toContain("EDGE_PORT: expected a port, 0 to 65535");
    expect(problems).toContain("ORCHESTRATOR_URLS: expected at least one");
  });

  it("answers on its own socket alone: the Host header decides for guests, whatever else is claimed", async () => {
    const guest = await startEdge({
      GUEST_MODE: "loopback",
      API_KEYS: "",
      ORCHESTRATOR_URLS: orchestrator.url,
    });
    const { host } = new URL(guest.url);
    const ask = (headers: Record<string, string>) => rawPost(guest.url, headers);
    const json = { "content-type": "application/json" };
    expect(await ask({ host, ...json })).toBe(201);
    expect(await ask({ host: "evil.example", ...json })).toBe(403);
    expect(await ask({ host: "evil.example", "MF-Original-URL": guest.url, ...json })).toBe(403);
    expect(await ask({ host, "cf-connecting-ip": "127.0.0.1", ...json })).toBe(403);
    expect(await ask({ host, origin: "http://evil.example", ...json })).toBe(403);
    expect(await ask({ host, "content-type": "text/plain" })).toBe(403);
    await guest.stop();
  });
});

function putRecord(sessionId: string, leaseEpoch: number, version: number): Promise<Response> {
  return fetch(`${edge.url}/internal/sessions/${sessionId}/record`, {
    method: "PUT",
    headers: { authorization: `Bearer ${INTERNAL_SECRET}`, "content-type": "application/json" },
    body: JSON.stringify({ sessionId, leaseEpoch, version, turnNumber: 7, state: "listening" }),
  });
}

function groupLives(pid: number): boolean {
  try {
    return process.kill(-pid, 0);
  } catch {
    return false;
  }
}

/** `fetch` will not send a Host of our choice. Resolves with the status. */
function rawPost(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(Number(new URL(url).port), "127.0.0.1");
    socket.once("error", reject);
    socket.once("data", (data) => {
      resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(data.toString())?.[1]));
      socket.destroy();
    });
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    socket.write(
      `POST /v1/sessions HTTP/1.1\r\n${lines.join("\r\n")}\r\ncontent-length: 2\r\n\r\n{}`,
    );
  });
}
