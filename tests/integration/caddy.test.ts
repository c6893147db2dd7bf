/** The Caddyfile of production in front of small upstreams: what goes where over TLS, and what no caller may reach or claim. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { type Caddy, caddyMissing, checkCaddyfile, startCaddy } from "../support/caddy.ts";
import { isAlive } from "../support/processes.ts";

describe.skipIf(caddyMissing)("the Caddyfile", () => {
  it.each([
    ["of one's own machine", {}],
    ["of a public name", { ANTIPHON_SITE: "voice.example.org", EDGE_UPSTREAM: "edge:8787" }],
  ])("is valid with the settings %s", async (_, env) => {
    const { code, said } = await checkCaddyfile("validate", env);
    expect(said).toContain("Valid configuration");
    expect(code).toBe(0);
  });

  it("is formatted as Caddy formats it", async () => {
    const { code, said } = await checkCaddyfile("fmt");
    expect(code, said).toBe(0);
  });
});

describe.skipIf(caddyMissing)("Caddy in front of edge and LiveKit", () => {
  let edge: Upstream;
  let livekit: Upstream;
  let caddy: Caddy;
  beforeAll(async () => {
    [edge, livekit] = await Promise.all([startUpstream("edge"), startUpstream("livekit")]);
    caddy = await startCaddy({ edge: edge.address, livekit: livekit.address });
  });
  afterAll(async () => {
    await caddy?.stop();
    edge?.server.close();
    livekit?.server.close();
  });

  it.each([
    ["/", "edge"],
    ["/v1/sessions", "edge"],
    ["/rtc/v1/validate", "livekit"],
    ["/rtc", "livekit"],
    // LiveKit's server API and health are no caller's business.
    ["/twirp/livekit.RoomService/ListRooms", "edge"],
    ["/rtcfoo", "edge"],
  ])("takes %s to the %s", async (path, name) => {
    expect(await get(caddy, path)).toMatchObject({ status: 200, seen: { name, path } });
  });

  it("carries WebSockets both ways, with subprotocol, text and bytes", async () => {
    for (const [path, name] of [
      ["/v1/sessions/s/stream", "edge"],
      ["/rtc/v1", "livekit"],
    ]) {
      const socket = new WebSocket(`wss://localhost:${caddy.port}${path}`, ["antiphon.v1"], {
        ca: caddy.authority,
      });
      await once(socket, "open");
      expect(socket.protocol).toBe("antiphon.v1");
      const received: Array<string | Buffer> = [];
      const both = new Promise<void>((resolve) => {
        socket.on("message", (data: Buffer, binary) => {
          received.push(binary ? data : data.toString());
          if (received.length === 3) resolve();
        });
      });
      socket.send("hello");
      socket.send(Buffer.from([0, 255, 7]));
      await both;
      expect(received).toEqual([name, "hello", Buffer.from([0, 255, 7])]);
      socket.close(4409, "conflict");
      // A close code is part of the protocol: it must arrive.
      expect(await (name === "edge" ? edge : livekit).closed).toBe(4409);
    }
  });

  it("says who really calls, whatever the caller claims", async () => {
    const { seen } = await get(caddy, "/", {
      "x-forwarded-for": "203.0.113.9",
      "cf-connecting-ip": "203.0.113.9",
      "true-client-ip": "203.0.113.9",
      "x-real-ip": "203.0.113.9",
    });
    expect(JSON.stringify(seen.headers)).not.toContain("203.0.113.9");
    expect(seen.headers).toMatchObject({
      host: `localhost:${caddy.port}`,
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "https",
    });
  });

  it("sends whoever comes without TLS to where it is", async () => {
    const { status, headers } = await fetch(`${caddy.httpUrl}/page`, { redirect: "manual" });
    // Its port is what a container or a firewall maps 443 to, so people are told 443.
    expect([status, headers.get("location")]).toEqual([308, "https://localhost/page"]);
  });

  it("is known under its address too, to who trusts its authority", async () => {
    const answer = await get({ ...caddy, url: `https://127.0.0.1:${caddy.port}` }, "/");
    expect(answer.status).toBe(200);
    await expect(get({ ...caddy, authority: "" }, "/")).rejects.toThrow(/certificate/);
  });

  it("leaves nothing behind", async () => {
    const { pid } = caddy;
    await caddy.stop();
    expect(isAlive(pid)).toBe(false);
  });
});

interface Seen {
  name: string;
  path: string;
  headers: IncomingHttpHeaders;
}

interface Upstream {
  server: Server;
  /** Host and port. */
  address: string;
  /** The code with which its first socket was closed. */
  closed: Promise<number>;
}

/** Answers with what it saw, and echoes on sockets after it has said its name. */
async function startUpstream(name: string): Promise<Upstream> {
  const server = createServer((request, response) => {
    const seen: Seen = { name, path: request.url ?? "", headers: request.headers };
    response.setHeader("content-type", "application/json").end(JSON.stringify(seen));
  });
  const { promise: closed, resolve } = Promise.withResolvers<number>();
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => {
    socket.send(name);
    socket.on("message", (data, binary) => socket.send(data, { binary }));
    socket.on("close", resolve);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, closed, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function get(
  { url, authority }: Pick<Caddy, "url" | "authority">,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; seen: Seen }> {
  return new Promise((resolve, reject) => {
    const call = request(`${url}${path}`, { ca: authority, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, seen: JSON.parse(text) }),
      );
    });
    call.on("error", reject).end();
  });
}
