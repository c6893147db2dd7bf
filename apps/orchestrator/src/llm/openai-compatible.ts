/** Answers through any endpoint that speaks OpenAI's chat completions. Owns deadlines, the retry and the errors of that call, no conversation. */
import { AntiphonError } from "@antiphon/protocol";
import { type Clock, deadline, delay, untilAborted } from "@antiphon/runtime";
import OpenAI, { APIConnectionError, APIError } from "openai";
import type { AnswerRequest, LanguageModel } from "../session/ports.ts";

export interface OpenAiCompatibleOptions {
  /** For instance "http://127.0.0.1:11434/v1". */
  baseUrl: string;
  model: string;
  /** Undefined: the endpoint asks for none. */
  apiKey: string | undefined;
  clock: Clock;
  firstTokenDeadlineMs?: number;
  answerDeadlineMs?: number;
}

/**
 * Streams answers token by token.
 *
 * A call that fails before its first token for want of a connection is tried once more; after the first token nothing is
 * retried, since it may have been spoken. No error carries the key, or a sentence of the endpoint's that might quote it.
 */
export function createOpenAiCompatible(options: OpenAiCompatibleOptions): LanguageModel {
  const client = new OpenAI({
    baseURL: options.baseUrl,
    // The library refuses to start without one; endpoints that want none ignore it.
    apiKey: options.apiKey ?? "none",
    // Said here so that no OPENAI_* variable of the environment redirects or widens the call.
    organization: null,
    project: null,
    adminAPIKey: null,
    webhookSecret: null,
    logLevel: "off",
    maxRetries: 0,
  });
  return {
    responder: { kind: "llm", model: options.model },
    notice: undefined,
    answer: (request, signal) => answer(client, options, request, signal),
  };
}

async function* answer(
  client: OpenAI,
  options: OpenAiCompatibleOptions,
  request: AnswerRequest,
  parent: AbortSignal,
): AsyncGenerator<string> {
  const { clock } = options;
  const whole = deadline(
    clock,
    options.answerDeadlineMs ?? ANSWER_DEADLINE_MS,
    () => late("The language model did not finish its answer in time."),
    parent,
  );
  try {
    for (let attempt = 1; ; attempt++) {
      let spoke = false;
      try {
        for await (const text of stream(client, options, request, whole.signal)) {
          spoke = true;
          yield text;
        }
        return;
      } catch (reason) {
        if (parent.aborted) return;
        const error = whole.signal.aborted
          ? AntiphonError.from(whole.signal.reason)
          : errorOf(reason, options);
        if (spoke || attempt === ATTEMPTS_MAX || error.code !== "unavailable" || !error.retryable) {
          throw error;
        }
      }
      await delay(clock, RETRY_DELAY_MS, whole.signal);
    }
  } catch (reason) {
    if (parent.aborted) return;
    throw reason;
  } finally {
    whole.dispose();
  }
}

/** One call. Every way out of it, a reader that stops reading included, ends the request. */
async function* stream(
  client: OpenAI,
  options: OpenAiCompatibleOptions,
  request: AnswerRequest,
  parent: AbortSignal,
): AsyncGenerator<string> {
  const call = new AbortController();
  const signal = AbortSignal.any([parent, call.signal]);
  const firstToken = options.clock.setTimer(
    options.firstTokenDeadlineMs ?? FIRST_TOKEN_DEADLINE_MS,
    () => call.abort(late("The language model did not begin its answer in time.")),
  );
  try {
    const chunks = await untilAborted(
      client.chat.completions.create(
        { model: options.model, messages: messagesOf(request), stream: true },
        { signal },
      ),
      signal,
    );
    const iterator = chunks[Symbol.asyncIterator]();
    for (;;) {
      const next = await untilAborted(iterator.next(), signal);
      // Endpoints say why they stopped; a stream that merely ends was cut.
      if (next.done === true) throw cut();
      const choice = next.value.choices[0];
      const text = choice?.delta?.content ?? "";
      if (text !== "") {
        firstToken.cancel();
        yield text;
      }
      if (choice?.finish_reason != null) return;
    }
  } catch (reason) {
    // The library wraps an abort in an error of its own.
    if (call.signal.aborted) throw call.signal.reason;
    throw reason;
  } finally {
    firstToken.cancel();
    call.abort();
  }
}

type Message = { role: "system" | "user" | "assistant"; content: string };

function messagesOf(request: AnswerRequest): Message[] {
  const language = request.language === undefined ? "" : ` Answer in ${request.language} (BCP 47).`;
  return [
    { role: "system", content: `${SPOKEN_STYLE}${language}` },
    ...(request.instructions === ""
      ? []
      : [{ role: "system" as const, content: request.instructions }]),
    ...request.history.map(({ role, text }) => ({ role, content: text })),
  ];
}

function errorOf(reason: unknown, options: OpenAiCompatibleOptions): AntiphonError {
  if (reason instanceof AntiphonError) return reason;
  if (!(reason instanceof APIError) || reason instanceof APIConnectionError) {
    return new AntiphonError(
      "unavailable",
      "The language model cannot be reached; is LLM_BASE_URL right, and the server running?",
      { cause: new Error(connectionFailure(reason)) },
    );
  }
  // Status and type only: what an endpoint writes about a wrong key may quote it.
  const cause = new Error(
    `HTTP ${reason.status ?? "?"} ${reason.type ?? ""} ${reason.code ?? ""}`.trimEnd(),
  );
  const status: number = reason.status ?? 500;
  if (status === 429) {
    const retryAfterMs = retryAfter(reason.headers);
    return new AntiphonError("overloaded", "The language model is over its limit for now.", {
      cause,
      details: { retryAfterMs },
    });
  }
  const refused = REFUSALS[status];
  if (refused !== undefined || status < 500) {
    const message =
      refused?.(options.model) ?? `The language model refused the request (HTTP ${status}).`;
    return new AntiphonError("unavailable", message, { cause, retryable: false });
  }
  return new AntiphonError("unavailable", `The language model failed (HTTP ${status}).`, { cause });
}

/** Name and code of the innermost cause ("ECONNREFUSED"); its message may hold the address with its password. */
function connectionFailure(reason: unknown): string {
  let innermost = reason;
  for (let depth = 0; depth < 5 && innermost instanceof Error && innermost.cause; depth++) {
    innermost = innermost.cause;
  }
  const { name, code } = innermost as { name?: unknown; code?: unknown };
  return [name, code].filter((part) => typeof part === "string").join(" ");
}

function retryAfter(headers: Headers | undefined): number {
  const ms = Number(headers?.get("retry-after-ms") ?? Number.NaN);
  const seconds = Number(headers?.get("retry-after") ?? Number.NaN);
  const said = Number.isFinite(ms) ? ms : seconds * 1000;
  return Number.isFinite(said) && said >= 0 ? Math.min(said, RETRY_AFTER_MS_MAX) : 1_000;
}

const late = (message: string) => new AntiphonError("deadline_exceeded", message);
const cut = () => new AntiphonError("unavailable", "The language model's answer was cut off.");

const REFUSALS: Readonly<Record<number, (model: string) => string>> = {
  401: () => "The language model refused its key; see LLM_API_KEY.",
  403: () => "The language model refused its key; see LLM_API_KEY.",
  404: (model) =>
    `The endpoint does not know the model "${model}"; see LLM_MODEL and LLM_BASE_URL.`,
};

/** Written for the ear; an operator's own instructions follow and may say otherwise. */
const SPOKEN_STYLE =
  "You are in a spoken conversation: what you write is read aloud. Answer briefly, in plain sentences, without markup, lists or emoji.";

/** A person has long given up by then; a local model may still be loading. */
const FIRST_TOKEN_DEADLINE_MS = 10_000;
/** Several minutes of speech are written in this time by the slowest model one can talk to. */
const ANSWER_DEADLINE_MS = 60_000;
const ATTEMPTS_MAX = 2;
/** Long enough for a dropped keep-alive connection or a restarting proxy, short enough not to be heard as a pause. */
const RETRY_DELAY_MS = 250;
/** An endpoint that says "tomorrow" means "not in this conversation". */
const RETRY_AFTER_MS_MAX = 60_000;
