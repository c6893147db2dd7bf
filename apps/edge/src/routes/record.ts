/** `PUT /internal/sessions/:id/record`: where orchestrators keep what must outlive them. */
import { AntiphonError, RECORD_BYTES_MAX } from "@antiphon/protocol";
import { recordFromJson, recordToJson, type SessionRecord } from "@antiphon/protocol/record";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import type { AppEnv } from "../app.ts";
import { bearerOf, secretsEqual } from "../auth.ts";
import { unwrap } from "../outcome.ts";
import type { Operation } from "./openapi.ts";
import { sessionAt } from "./session-address.ts";

export function recordRoutes(): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  routes.put("/internal/sessions/:id/record", recordSize, async (context) => {
    const presented = bearerOf(context.req.raw);
    if (
      presented === undefined ||
      !(await secretsEqual(presented, context.get("config").internalSecret))
    ) {
      throw new AntiphonError("unauthenticated", "Send the internal secret.");
    }
    const sessionId = context.req.param("id");
    const record = await readRecord(context);
    if (record.sessionId !== sessionId) {
      throw new AntiphonError("invalid_argument", "The record is of another session.");
    }
    const stub = sessionAt(context.env, sessionId);
    unwrap(await stub.putRecord(JSON.stringify(recordToJson(record))));
    return context.json({ stored: true });
  });
  return routes;
}

async function readRecord(context: Context<AppEnv>): Promise<SessionRecord> {
  const text = await context.req.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new AntiphonError("invalid_argument", "The body is not JSON.", { cause });
  }
  return recordFromJson(json);
}

const recordSize = bodyLimit({
  maxSize: RECORD_BYTES_MAX,
  onError: () => {
    throw new AntiphonError("too_large", `A record has at most ${RECORD_BYTES_MAX} bytes.`);
  },
});

export const RECORD_OPERATIONS: readonly Operation[] = [
  {
    method: "put",
    path: "/internal/sessions/{id}/record",
    summary: "Store the session's record (orchestrators only)",
    security: "internal-secret",
    body: z.looseObject({
      sessionId: z.string(),
      leaseEpoch: z.int(),
      version: z.int(),
    }),
    answers: { 200: z.object({ stored: z.literal(true) }) },
    errors: ["invalid_argument", "unauthenticated", "not_found", "conflict", "too_large"],
  },
];
