/** `/v1/sessions`: start, look at, end a session, and buy tickets for its socket. */
import {
  AntiphonError,
  type SessionCreated,
  SessionCreatedSchema,
  type TicketGranted,
  TicketGrantedSchema,
} from "@antiphon/protocol";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import type { AppEnv } from "../app.ts";
import {
  authenticateCreator,
  bearerOf,
  createResumeToken,
  hashSecret,
  ownerOfKey,
  publicOriginOf,
} from "../auth.ts";
import { unwrap } from "../outcome.ts";
import type { Credential } from "../session-object.ts";
import { SessionViewSchema, viewOf } from "../session-view.ts";
import { signTicket } from "../ticket.ts";
import type { Operation } from "./openapi.ts";
import { newSession, sessionAt, streamUrl } from "./session-address.ts";

export function sessionRoutes(): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  routes.post("/v1/sessions", smallBody, async (context) => {
    const config = context.get("config");
    const owner = await authenticateCreator(context.req.raw, config);
    await readBody(context, SessionRequestSchema);
    const { sessionId, stub } = newSession(context.env);
    const resumeToken = createResumeToken();
    await stub.create(owner, await hashSecret(resumeToken));
    const created: SessionCreated = { ...(await offer(context, sessionId)), resumeToken };
    return context.json(created, 201);
  });
  routes.get("/v1/sessions/:id", async (context) => {
    const sessionId = context.req.param("id");
    const credential = await credentialOf(context);
    const facts = unwrap(await sessionAt(context.env, sessionId).describe(credential));
    return context.json(viewOf(sessionId, facts));
  });
  routes.delete("/v1/sessions/:id", async (context) => {
    const credential = await credentialOf(context);
    unwrap(await sessionAt(context.env, context.req.param("id")).end(credential));
    return context.body(null, 204);
  });
  routes.post("/v1/sessions/:id/tickets", smallBody, async (context) => {
    const sessionId = context.req.param("id");
    const presented = requireBearer(context);
    await readBody(context, z.object({}));
    const resumeToken = createResumeToken();
    const stub = sessionAt(context.env, sessionId);
    unwrap(await stub.renew(await hashSecret(presented), await hashSecret(resumeToken)));
    const granted: TicketGranted = { ...(await offer(context, sessionId)), resumeToken };
    return context.json(granted);
  });
  return routes;
}

/** A socket's address and one ticket for it. */
async function offer(context: Context<AppEnv>, sessionId: string) {
  const config = context.get("config");
  const { ticket, expiresAtMs } = await signTicket({
    sessionId,
    secret: config.ticketSecret,
    nowMs: Date.now(),
  });
  return {
    sessionId,
    transport: "websocket" as const,
    streamUrl: streamUrl(publicOriginOf(context.req.raw, config), sessionId),
    ticket,
    ticketExpiresAt: new Date(expiresAtMs).toISOString(),
  };
}

async function credentialOf(context: Context<AppEnv>): Promise<Credential> {
  const presented = requireBearer(context);
  const owner = await ownerOfKey(presented, context.get("config").apiKeys);
  if (owner !== undefined) return { kind: "owner", owner };
  return { kind: "resume", hash: await hashSecret(presented) };
}

function requireBearer(context: Context<AppEnv>): string {
  const presented = bearerOf(context.req.raw);
  if (presented !== undefined) return presented;
  throw new AntiphonError("unauthenticated", "Send `authorization: Bearer <token>`.");
}

/** No body at all is an empty one. Unknown fields are ignored: nothing about access is ever taken from a body. */
async function readBody(context: Context<AppEnv>, schema: z.ZodType): Promise<void> {
  const text = await context.req.text();
  let body: unknown = {};
  try {
    if (text !== "") body = JSON.parse(text);
  } catch (cause) {
    throw new AntiphonError("invalid_argument", "The body is not JSON.", { cause });
  }
  const result = schema.safeParse(body);
  if (!result.success) throw new AntiphonError("invalid_argument", z.prettifyError(result.error));
}

/** What a session runs with is said on its socket (`session_start`); nothing is needed here. */
const SessionRequestSchema = z.object({});

const BODY_BYTES_MAX = 4 * 1024;

const smallBody = bodyLimit({
  maxSize: BODY_BYTES_MAX,
  onError: () => {
    throw new AntiphonError("too_large", `A body has at most ${BODY_BYTES_MAX} bytes here.`);
  },
});

export const SESSION_OPERATIONS: readonly Operation[] = [
  {
    method: "post",
    path: "/v1/sessions",
    summary: "Start a session",
    security: "api-key",
    body: SessionRequestSchema,
    answers: { 201: SessionCreatedSchema },
    errors: ["invalid_argument", "unauthenticated", "permission_denied", "too_large"],
  },
  {
    method: "get",
    path: "/v1/sessions/{id}",
    summary: "State, history and figures of a session",
    security: "api-key-or-resume-token",
    answers: { 200: SessionViewSchema },
    errors: ["unauthenticated", "permission_denied", "not_found"],
  },
  {
    method: "delete",
    path: "/v1/sessions/{id}",
    summary: "End a session and forget it",
    security: "api-key-or-resume-token",
    answers: { 204: null },
    errors: ["unauthenticated", "permission_denied", "not_found"],
  },
  {
    method: "post",
    path: "/v1/sessions/{id}/tickets",
    summary: "Trade the resume token for a ticket and a new resume token",
    security: "resume-token",
    body: z.object({}),
    answers: { 200: TicketGrantedSchema },
    errors: ["unauthenticated", "permission_denied", "not_found", "failed_precondition"],
  },
];
