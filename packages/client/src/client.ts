/** The edge's HTTP routes as methods: sessions and tickets. Owns requests and their errors; the socket is `socket-session.ts`. */
import {
  AntiphonError,
  codeOfStatus,
  ErrorBodySchema,
  type SessionCreated,
  SessionCreatedSchema,
  type TicketGranted,
  TicketGrantedSchema,
} from "@antiphon/protocol";
import { type Clock, deadline, systemClock } from "@antiphon/runtime";

/** Every method rejects with an AntiphonError: the server's own, or `unavailable` and `deadline_exceeded` where none came. */
export class AntiphonClient {
  readonly url: string;
  readonly #apiKey: string | undefined;
  readonly #fetch: typeof globalThis.fetch;
  readonly #clock: Clock;
  readonly #deadlineMs: number;

  constructor(options: AntiphonClientOptions) {
    this.url = options.url.replace(/\/+$/, "");
    this.#apiKey = options.apiKey;
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#clock = options.clock ?? systemClock;
    this.#deadlineMs = options.deadlineMs ?? REQUEST_DEADLINE_MS;
  }

  /** A new session and the first ticket to its socket, valid for 30 s. */
  async createSession(): Promise<SessionCreated> {
    const body = await this.#request("POST", "/v1/sessions", this.#apiKey, {});
    return checked(SessionCreatedSchema.safeParse(body));
  }

  /** Another ticket to a session. Keep the resume token of the answer: it replaces the one given. */
  async renewTicket(sessionId: string, resumeToken: string): Promise<TicketGranted> {
    const body = await this.#request("POST", `${sessionPath(sessionId)}/tickets`, resumeToken, {});
    return checked(TicketGrantedSchema.safeParse(body));
  }

  /** What the server keeps of a session, as it says it. */
  getSession(sessionId: string, resumeToken?: string): Promise<unknown> {
    return this.#request("GET", sessionPath(sessionId), resumeToken ?? this.#apiKey);
  }

  /** Ends the session and forgets it. */
  async deleteSession(sessionId: string, resumeToken?: string): Promise<void> {
    await this.#request("DELETE", sessionPath(sessionId), resumeToken ?? this.#apiKey);
  }

  /** Resolves when the edge answers at all. */
  async health(): Promise<void> {
    await this.#request("GET", "/healthz", undefined);
  }

  async #request(
    method: string,
    path: string,
    bearer: string | undefined,
    body?: object,
  ): Promise<unknown> {
    const wait = deadline(
      this.#clock,
      this.#deadlineMs,
      () =>
        new AntiphonError(
          "deadline_exceeded",
          `${this.url} did not answer within ${this.#deadlineMs / 1000} s.`,
        ),
    );
    try {
      const response = await this.#fetch(this.url + path, {
        method,
        headers: {
          accept: "application/json",
          ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: wait.signal,
      });
      const text = await response.text();
      if (!response.ok) throw responseError(response, text);
      return parseJson(text);
    } catch (reason) {
      if (reason instanceof AntiphonError) throw reason;
      throw new AntiphonError("unavailable", `${this.url} cannot be reached.`, { cause: reason });
    } finally {
      wait.dispose();
    }
  }
}

export interface AntiphonClientOptions {
  /** Of the edge: http(s)://host[:port]. */
  url: string;
  /** Not needed where the edge takes guests. */
  apiKey?: string;
  fetch?: typeof globalThis.fetch;
  clock?: Clock;
  /** For each request. */
  deadlineMs?: number;
}

function sessionPath(sessionId: string): string {
  return `/v1/sessions/${encodeURIComponent(sessionId)}`;
}

function responseError(response: Response, text: string): AntiphonError {
  const body = ErrorBodySchema.safeParse(parseJson(text));
  if (!body.success) {
    const code = codeOfStatus(response.status);
    return new AntiphonError(code, `The server answered ${response.status}.`);
  }
  const { code, message, retryable, retryAfterMs } = body.data.error;
  return new AntiphonError(code, message, {
    retryable,
    details: {
      httpStatus: response.status,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  });
}

/** Undefined for anything that is no JSON: what a schema refuses next. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function checked<T>(result: { success: true; data: T } | { success: false; error: Error }): T {
  if (result.success) return result.data;
  throw new AntiphonError(
    "unavailable",
    "The server's answer is not Antiphon's. Is the URL right?",
    {
      cause: result.error,
      retryable: false,
    },
  );
}

/** Creating a session is 25 ms cold; beyond this nobody is there. */
const REQUEST_DEADLINE_MS = 10_000;
