/** The Worker as a test speaks to it: requests, a client's socket, a scripted orchestrator in the place of the outbound `fetch`. */

import { runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import {
  type LeaseMessage,
  type SessionCreated,
  SessionCreatedSchema,
  SOCKET_SUBPROTOCOL,
  type TicketGranted,
  TicketGrantedSchema,
} from "@antiphon/protocol";
import { afterEach, beforeEach, vi } from "vitest";
import { createApp } from "../src/app.ts";
import type { Env } from "../src/env.ts";
import type { SessionObject } from "../src/session-object.ts";

export const bindings = env as unknown as Env;
export const ORIGIN = "https://edge.test";
export const API_KEY = "workerd-api-key-0123456789";
export const OTHER_KEY = "other-api-key-0123456789";
export const TICKET_SECRET = "workerd-ticket-secret-0123456789ab";
export const INTERNAL_SECRET = "workerd-internal-secret-0123456789";

const worker = (exports as unknown as { default: Fetcher }).default;

export function request(path: string, init: RequestInit = {}): Promise<Response> {
  return worker.fetch(`${ORIGIN}${path}`, init);
}

/** The same routes under other settings. */
export async function requestUnder(
  settings: Record<string, unknown>,
  url: string,
  init: RequestInit = {},
): Promise<Response> {
  return createApp().fetch(new Request(url, init), { ...bindings, ...settings });
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

export async function createSession(key = API_KEY): Promise<SessionCreated> {
  const response = await request("/v1/sessions", { method: "POST", headers: bearer(key) });
  return SessionCreatedSchema.parse(await response.json());
}

export async function buyTicket(sessionId: string, resumeToken: string): Promise<TicketGranted> {
  const response = await askTicket(sessionId, resumeToken);
  return TicketGrantedSchema.parse(await response.json());
}

export function askTicket(sessionId: string, resumeToken: string): Promise<Response> {
  return request(`/v1/sessions/${sessionId}/tickets`, {
    method: "POST",
    headers: bearer(resumeToken),
  });
}

export function stubOf(sessionId: string): DurableObjectStub<SessionObject> {
  return bindings.SESSION.get(bindings.SESSION.idFromString(sessionId));
}

export function putRecord(sessionId: string, record: object, secret = INTERNAL_SECRET) {
  return request(`/internal/sessions/${sessionId}/record`, {
    method: "PUT",
    headers: bearer(secret),
    body: JSON.stringify({ sessionId, ...record }),
  });
}

/** What a client saw on its socket, in order. */
export interface TestClient {
  socket: WebSocket;
  protocol: string | null;
  received: (string | ArrayBuffer)[];
  closed: Promise<{ code: number; reason: string }>;
}

export async function openStream(
  sessionId: string,
  ticket: string | undefined,
  headers: Record<string, string> = {},
): Promise<TestClient> {
  const protocols = [SOCKET_SUBPROTOCOL, ...(ticket === undefined ? [] : [`ticket.${ticket}`])];
  const response = await request(`/v1/sessions/${sessionId}/stream`, {
    headers: { upgrade: "websocket", "sec-websocket-protocol": protocols.join(", "), ...headers },
  });
  const socket = response.webSocket;
  if (socket === null) throw new Error(`refused with ${response.status}`);
  const received: (string | ArrayBuffer)[] = [];
  socket.binaryType = "arraybuffer";
  socket.addEventListener("message", (event) => void received.push(event.data));
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason }));
  });
  socket.accept();
  return { socket, protocol: response.headers.get("sec-websocket-protocol"), received, closed };
}

export const connect = (session: SessionCreated | TicketGranted) =>
  openStream(session.sessionId, session.ticket);

/** One socket that the edge dialled. It belongs to the session's object: act on it through `actAs`. */
export interface DialledSocket {
  url: string;
  headers: Headers;
  lease: LeaseMessage;
  socket: WebSocket;
  received: (string | ArrayBuffer)[];
  closes: { code: number; reason: string }[];
}

/** Stands in for every orchestrator while a test runs. */
export class FakeOrchestrator {
  readonly dialled: DialledSocket[] = [];
  /** How many dials are answered 503 before one is taken. */
  refusals = 0;
  /** Runs in the session's object. */
  onMessage: (from: DialledSocket, data: string | ArrayBuffer) => void = () => {};

  readonly fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    if (String(input).endsWith("/healthz")) return new Response("ok");
    if (this.refusals > 0) {
      this.refusals -= 1;
      return new Response("draining", { status: 503 });
    }
    const [client, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
    const headers = new Headers(init?.headers);
    let dialled: DialledSocket | undefined;
    const closes: DialledSocket["closes"] = [];
    server.binaryType = "arraybuffer";
    server.addEventListener("message", ({ data }) => {
      if (dialled !== undefined) {
        dialled.received.push(data);
        this.onMessage(dialled, data);
        return;
      }
      const lease = JSON.parse(data as string) as LeaseMessage;
      dialled = { url: String(input), headers, lease, socket: server, received: [], closes };
      this.dialled.push(dialled);
    });
    server.addEventListener("close", ({ code, reason }) => void closes.push({ code, reason }));
    server.accept();
    return new Response(null, { status: 101, webSocket: client });
  };

  /** The socket dialled as number `index`, once its lease is there. */
  dial(index: number): Promise<DialledSocket> {
    return vi.waitFor(
      () => {
        const found = this.dialled[index];
        if (found === undefined) throw new Error(`no dial number ${index}`);
        return found;
      },
      { timeout: 5_000, interval: 5 },
    );
  }
}

/** Does something with the orchestrator's end of a socket, in the context it belongs to. */
export function actAs(sessionId: string, act: () => void): Promise<void> {
  return runInDurableObject(stubOf(sessionId), act);
}

/** A fresh orchestrator for each test of a file. */
export function useFakeOrchestrator(): { current: FakeOrchestrator } {
  const holder = { current: new FakeOrchestrator() };
  beforeEach(() => {
    holder.current = new FakeOrchestrator();
    vi.stubGlobal("fetch", holder.current.fetch);
  });
  afterEach(() => {
    vi.unstubAllGlobals();
  });
  return holder;
}
