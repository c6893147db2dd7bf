import { describe, expect, it } from "vitest";
import { DirectoryDownSchema, DirectoryUpSchema } from "./directory-message.ts";
import { SessionCreatedSchema, SessionRequestSchema, TicketGrantedSchema } from "./edge-api.ts";
import {
  EdgeCommandSchema,
  HandoverSchema,
  heldSessionPath,
  holderPath,
  LeaseMessageSchema,
  recordPath,
} from "./lease-api.ts";

const roundTrip = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;

describe("a lease", () => {
  it("comes back from JSON as it was", () => {
    const lease = {
      type: "lease",
      sessionId: "s",
      leaseEpoch: 2,
      record: { version: 1 },
      resumeTtlMs: 1_000,
      start: "standby",
      way: { kind: "livekit", room: "r-1" },
    };
    expect(LeaseMessageSchema.parse(roundTrip(lease))).toEqual(lease);
  });

  it("of an edge that knows one way alone is for a client that begins over a socket", () => {
    const lease = { type: "lease", sessionId: "s", leaseEpoch: 1, record: null };
    expect(LeaseMessageSchema.parse(lease)).toEqual({
      ...lease,
      resumeTtlMs: 300_000,
      start: "by-client",
      way: { kind: "socket" },
    });
  });

  it("into a room without a name is none", () => {
    const lease = { type: "lease", sessionId: "s", leaseEpoch: 1, record: null };
    const way = { kind: "livekit", room: "" };
    expect(LeaseMessageSchema.safeParse({ ...lease, way }).success).toBe(false);
  });
});

describe("a hand-over", () => {
  it.each([
    { phase: "prepare", leaseEpoch: 1 },
    { phase: "commit", leaseEpoch: 1, record: { version: 4 } },
    { phase: "abort", leaseEpoch: 1 },
  ])("asks for $phase", (body) => {
    expect(HandoverSchema.parse(roundTrip(body))).toEqual(body);
  });

  it.each([
    { type: "commit", record: { version: 4 } },
    { type: "revoke", reason: "the person speaks" },
  ])("is told to the successor as $type", (command) => {
    expect(EdgeCommandSchema.parse(roundTrip(command))).toEqual(command);
  });
});

describe("the directory's messages", () => {
  it.each([
    {
      type: "hello",
      orchestratorId: "o-1",
      url: "http://127.0.0.1:7",
      publicUrl: "http://127.0.0.1:8",
      sessionsMax: 16,
      draining: false,
      sessions: [{ sessionId: "s", leaseEpoch: 3 }],
    },
    { type: "beat", seq: 1, sessions: 2, load: 0.25, draining: true },
  ])("$type comes back from JSON as it was", (message) => {
    expect(DirectoryUpSchema.parse(roundTrip(message))).toEqual(message);
  });

  it.each([
    {
      type: "welcome",
      ttlMs: 3_000,
      beatMs: 1_000,
      ticketKey: "key",
      allowedOrigins: ["https://good.example"],
      lost: ["s"],
    },
    { type: "beat_ack", seq: 1 },
  ])("$type comes back from JSON as it was", (message) => {
    expect(DirectoryDownSchema.parse(roundTrip(message))).toEqual(message);
  });
});

describe("what the edge answers to a client", () => {
  const socket = {
    sessionId: "s",
    streamUrl: "wss://edge.test/v1/sessions/s/stream",
    ticket: "t",
    ticketExpiresAt: "2026-01-01T00:00:00.000Z",
    resumeToken: "r",
  };
  const livekit = {
    url: "wss://livekit.test",
    token: "t",
    expiresAt: "2026-01-01T00:01:00.000Z",
  };

  it.each([
    ["created", SessionCreatedSchema],
    ["granted", TicketGrantedSchema],
  ])("when a way is %s names the transport; the WebSocket where it does not", (_, schema) => {
    expect(schema.parse(socket)).toEqual({ ...socket, transport: "websocket" });
    const offered = { ...socket, transport: "livekit", livekit };
    expect(schema.parse(roundTrip(offered))).toEqual(offered);
  });

  it("is asked for by what the client can do", () => {
    const wish = { transports: ["livekit", "websocket"] };
    expect(SessionRequestSchema.parse(wish)).toEqual(wish);
    expect(SessionRequestSchema.parse({})).toEqual({});
    expect(SessionRequestSchema.safeParse({ transports: ["pigeon"] }).success).toBe(false);
  });
});

describe("internal paths", () => {
  it("hold an id as it is, whatever is in it", () => {
    expect(recordPath("a/b")).toBe("/internal/sessions/a%2Fb/record");
    expect(holderPath("s", "mints/spend")).toBe("/internal/sessions/s/mints/spend");
    expect(heldSessionPath("s")).toBe("/internal/sessions/s");
    expect(heldSessionPath("s", "release")).toBe("/internal/sessions/s/release");
  });
});
