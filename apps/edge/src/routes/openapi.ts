/** `GET /openapi.json`, written from the routes' own zod schemas. */
import { ERROR_MAP, ErrorBodySchema, type ErrorCode } from "@antiphon/protocol";
import { Hono } from "hono";
import { z } from "zod";
import type { AppEnv } from "../app.ts";
import { HEALTH_OPERATIONS } from "./health.ts";
import { RECORD_OPERATIONS } from "./record.ts";
import { SESSION_OPERATIONS } from "./sessions.ts";
import { STREAM_OPERATIONS } from "./stream.ts";

/** One route as the document shows it; declared beside its handler. */
export interface Operation {
  method: "get" | "post" | "put" | "delete";
  path: string;
  summary: string;
  security:
    | "none"
    | "api-key"
    | "resume-token"
    | "api-key-or-resume-token"
    | "ticket"
    | "internal-secret";
  body?: z.ZodType;
  /** By status; null: an answer without a body. */
  answers: Record<number, z.ZodType | null>;
  errors: readonly ErrorCode[];
}

export function openapiRoutes(): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  let document: object | undefined;
  routes.get("/openapi.json", (context) => {
    document ??= openapiDocument([
      ...SESSION_OPERATIONS,
      ...STREAM_OPERATIONS,
      ...RECORD_OPERATIONS,
      ...HEALTH_OPERATIONS,
      OPENAPI_OPERATION,
    ]);
    return context.json(document);
  });
  return routes;
}

function openapiDocument(operations: readonly Operation[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of operations) {
    paths[operation.path] = {
      ...paths[operation.path],
      [operation.method]: describeOperation(operation),
    };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Antiphon edge", version: "1" },
    paths,
    components: {
      schemas: { Error: schemaOf(ErrorBodySchema) },
      securitySchemes: {
        "api-key": bearer("A key of the operator; not needed where guests are let in."),
        "resume-token": bearer("The token that a session's start or its last ticket came with."),
        "internal-secret": bearer("Known to edge and orchestrators."),
        ticket: {
          type: "apiKey",
          in: "header",
          name: "sec-websocket-protocol",
          description: "antiphon.v1, ticket.<ticket>; single use, 30 s.",
        },
      },
    },
  };
}

function describeOperation(operation: Operation): object {
  const names = [...operation.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
  const answers = Object.entries(operation.answers).map(([status, schema]) => [
    status,
    { description: "As asked.", ...(schema === null ? {} : { content: json(schemaOf(schema)) }) },
  ]);
  return {
    summary: operation.summary,
    parameters: names.map((name) => ({
      name,
      in: "path",
      required: true,
      schema: { type: "string" },
    })),
    ...(operation.body === undefined
      ? {}
      : { requestBody: { content: json(schemaOf(operation.body)) } }),
    responses: { ...Object.fromEntries(answers), ...describeErrors(operation.errors) },
    security: securityOf(operation.security),
  };
}

/** Several codes may share a status; every error has the same body. */
function describeErrors(codes: readonly ErrorCode[]): Record<string, object> {
  const byStatus: Record<string, ErrorCode[]> = {};
  for (const code of codes) {
    const status = ERROR_MAP[code].http;
    byStatus[status] = [...(byStatus[status] ?? []), code];
  }
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, sharing]) => [
      status,
      {
        description: sharing.join(" or "),
        content: json({ $ref: "#/components/schemas/Error" }),
      },
    ]),
  );
}

function securityOf(security: Operation["security"]): object[] {
  if (security === "none") return [];
  if (security === "api-key-or-resume-token") return [{ "api-key": [] }, { "resume-token": [] }];
  return [{ [security]: [] }];
}

const json = (schema: object) => ({ "application/json": { schema } });
const bearer = (description: string) => ({ type: "http", scheme: "bearer", description });

function schemaOf(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema);
  return rest;
}

const OPENAPI_OPERATION: Operation = {
  method: "get",
  path: "/openapi.json",
  summary: "This document",
  security: "none",
  answers: { 200: z.looseObject({ openapi: z.string() }) },
  errors: [],
};
