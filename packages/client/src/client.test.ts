import { FakeClock, settle } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import { AntiphonClient } from "./client.ts";

const CREATED = {
  sessionId: "s1",
  transport: "websocket",
  streamUrl: "ws://edge.test/v1/sessions/s1/stream",
  ticket: "t1",
  ticketExpiresAt: "2026-01-01T00:00:30.000Z",
  resumeToken: "k1",
};

/** A fetch that answers each request with the next of these, and the requests it saw. */
function scriptedFetch(...answers: (Response | Error)[]) {
  const requests: { url: string; init: RequestInit }[] = [];
  const fetch = (async (url: string, init: RequestInit) => {
    requests.push({ url, init });
    const answer = answers.shift();
    if (answer instanceof Response) return answer;
    throw answer;
  }) as unknown as typeof globalThis.fetch;
  return { fetch, requests };
}

function clientWith(...answers: (Response | Error)[]) {
  const { fetch, requests } = scriptedFetch(...answers);
  const clock = new FakeClock();
  const client = new AntiphonClient({ url: "http://edge.test/", apiKey: "a1", fetch, clock });
  return { client, requests, clock };
}

describe("the HTTP client", () => {
  it("creates a session with the key, and renews its ticket with the resume token", async () => {
    const { client, requests, clock } = clientWith(
      Response.json(CREATED, { status: 201 }),
      Response.json({ ...CREATED, ticket: "t2", resumeToken: "k2" }),
    );
    expect(await client.createSession()).toEqual(CREATED);
    expect((await client.renewTicket("s1", "k1")).resumeToken).toBe("k2");
    expect(requests.map(({ url, init }) => [init.method, url])).toEqual([
      ["POST", "http://edge.test/v1/sessions"],
      ["POST", "http://edge.test/v1/sessions/s1/tickets"],
    ]);
    expect(requests.map(({ init }) => new Headers(init.headers).get("authorization"))).toEqual([
      "Bearer a1",
      "Bearer k1",
    ]);
    expect(new Headers(requests[0]?.init.headers).get("content-type")).toBe("application/json");
    expect(clock.pendingTimers).toBe(0);
  });

  it("gives the server's own error", async () => {
    const error = {
      code: "overloaded",
      message: "All workers are busy.",
      retryable: true,
      retryAfterMs: 2_000,
    };
    const { client } = clientWith(Response.json({ error }, { status: 429 }));
    await expect(client.createSession()).rejects.toMatchObject({
      code: "overloaded",
      message: "All workers are busy.",
      details: { retryAfterMs: 2_000 },
    });
  });

  it("reads the status where the body is somebody else's", async () => {
    const { client } = clientWith(new Response("<html>", { status: 502 }));
    await expect(client.createSession()).rejects.toMatchObject({ code: "unavailable" });
  });

  it("says so when what answers is not Antiphon", async () => {
    const { client } = clientWith(Response.json({ hello: "world" }));
    await expect(client.createSession()).rejects.toThrow("not Antiphon's");
  });

  it("says so when nobody is there", async () => {
    const { client } = clientWith(new TypeError("fetch failed"));
    await expect(client.health()).rejects.toMatchObject({
      code: "unavailable",
      message: "http://edge.test cannot be reached.",
    });
  });

  it("gives up after the deadline", async () => {
    const clock = new FakeClock();
    const fetch = ((_: string, init: RequestInit) =>
      new Promise((_, reject) => {
        init.signal?.addEventListener("abort", () => reject(init.signal?.reason));
      })) as unknown as typeof globalThis.fetch;
    const client = new AntiphonClient({ url: "http://edge.test", fetch, clock });
    const answer = client.createSession();
    answer.catch(() => {});
    await settle();
    clock.advance(10_000);
    await expect(answer).rejects.toMatchObject({ code: "deadline_exceeded" });
  });
});
