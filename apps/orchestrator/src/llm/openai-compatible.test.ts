import { AntiphonError } from "@antiphon/protocol";
import { systemClock } from "@antiphon/runtime";
import { FakeClock } from "@antiphon/runtime/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createOpenAiCompatible, type OpenAiCompatibleOptions } from "./openai-compatible.ts";
import {
  type Handler,
  hangUp,
  json,
  type StubEndpoint,
  silence,
  stubEndpoint,
  tokens,
} from "./testing/stub-endpoint.ts";

const KEY = "sk-very-secret-0123456789";
let endpoint: StubEndpoint;
afterEach(() => endpoint.close());

async function modelOn(handlers: Handler[], options: Partial<OpenAiCompatibleOptions> = {}) {
  endpoint = await stubEndpoint(...handlers);
  return createOpenAiCompatible({
    baseUrl: `${endpoint.url}/v1`,
    model: "tiny",
    apiKey: KEY,
    clock: systemClock,
    ...options,
  });
}

const REQUEST = {
  instructions: "Be kind.",
  language: "en",
  history: [{ role: "user" as const, text: "Hello?" }],
};

async function collect(
  answer: AsyncIterable<string>,
): Promise<{ texts: string[]; error: AntiphonError | undefined }> {
  const texts: string[] = [];
  try {
    for await (const text of answer) texts.push(text);
    return { texts, error: undefined };
  } catch (reason) {
    expect(reason).toBeInstanceOf(AntiphonError);
    return { texts, error: reason as AntiphonError };
  }
}

const never = () => new AbortController().signal;

describe("an endpoint that answers", () => {
  it("is heard token by token, and asked with instructions, language, history and key", async () => {
    const model = await modelOn([tokens(["Hi", " there", "."], "finished")]);
    expect(await collect(model.answer(REQUEST, never()))).toEqual({
      texts: ["Hi", " there", "."],
      error: undefined,
    });
    const { path, authorization, body } = endpoint.requests[0] ?? { body: "" };
    expect([path, authorization]).toEqual(["/v1/chat/completions", `Bearer ${KEY}`]);
    const asked = JSON.parse(body);
    expect(asked).toMatchObject({ model: "tiny", stream: true });
    expect(asked.messages.map((message: { role: string }) => message.role)).toEqual([
      "system",
      "system",
      "user",
    ]);
    expect(asked.messages[0].content).toContain("en");
    expect(asked.messages[2].content).toBe("Hello?");
  });

  it("says nothing at all: the answer is empty, not an error", async () => {
    const model = await modelOn([tokens([], "finished")]);
    expect(await collect(model.answer(REQUEST, never()))).toEqual({ texts: [], error: undefined });
  });
});

describe("an answer that breaks off", () => {
  it.each(["broken", "silent"] as const)("after words (%s) is not asked again", async (end) => {
    const model = await modelOn([tokens(["One"], end), tokens(["Two"], "finished")]);
    const { texts, error } = await collect(model.answer(REQUEST, never()));
    expect([texts, error?.code, endpoint.requests.length]).toEqual([["One"], "unavailable", 1]);
  });

  it("before a word is asked again once", async () => {
    const model = await modelOn([hangUp, tokens(["Two"], "finished")]);
    const { texts, error } = await collect(model.answer(REQUEST, never()));
    expect([texts, error, endpoint.requests.length]).toEqual([["Two"], undefined, 2]);
  });

  it("twice before a word is unavailable", async () => {
    const model = await modelOn([json(503, {})]);
    const { error } = await collect(model.answer(REQUEST, never()));
    expect([error?.code, error?.retryable, endpoint.requests.length]).toEqual([
      "unavailable",
      true,
      2,
    ]);
  });
});

describe("an endpoint that refuses", () => {
  it("for its limits is overloaded, and says until when", async () => {
    const model = await modelOn([
      json(429, { error: { message: "slow" } }, { "retry-after": "7" }),
    ]);
    const { error } = await collect(model.answer(REQUEST, never()));
    expect([error?.code, error?.details, endpoint.requests.length]).toEqual([
      "overloaded",
      { retryAfterMs: 7_000 },
      1,
    ]);
  });

  it.each([
    [401, "LLM_API_KEY"],
    [404, '"tiny"'],
    [400, "HTTP 400"],
  ])("with %i says what to look at, and never quotes the key", async (status, hint) => {
    const model = await modelOn([json(status, { error: { message: `Bad key ${KEY}` } })]);
    const { error } = await collect(model.answer(REQUEST, never()));
    expect([error?.code, error?.retryable, endpoint.requests.length]).toEqual([
      "unavailable",
      false,
      1,
    ]);
    expect(error?.message).toContain(hint);
    expect(`${error?.message} ${error?.stack} ${error?.cause}`).not.toContain(KEY);
  });
});

describe("an endpoint that hangs", () => {
  it("before its first token is given up at the deadline", async () => {
    const clock = new FakeClock();
    const model = await modelOn([silence], { clock });
    const collected = collect(model.answer(REQUEST, never()));
    await vi.waitFor(() => expect(endpoint.requests).toHaveLength(1));
    clock.advance(10_000);
    expect((await collected).error?.code).toBe("deadline_exceeded");
    expect(clock.pendingTimers).toBe(0);
    await vi.waitFor(() => expect(endpoint.aborted()).toBe(1));
  });

  it("in mid-answer is given up at the deadline of the whole", async () => {
    const clock = new FakeClock();
    const model = await modelOn([tokens(["One"], "open")], { clock });
    const answer = model.answer(REQUEST, never())[Symbol.asyncIterator]();
    expect((await answer.next()).value).toBe("One");
    const next = answer.next();
    const failure = expect(next).rejects.toMatchObject({ code: "deadline_exceeded" });
    clock.advance(60_000);
    await failure;
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("a reader that stops", () => {
  it("by aborting ends the answer without an error, and the request with it", async () => {
    const model = await modelOn([tokens(["One"], "open")]);
    const controller = new AbortController();
    const answer = model.answer(REQUEST, controller.signal)[Symbol.asyncIterator]();
    await answer.next();
    const next = answer.next();
    controller.abort();
    expect(await next).toEqual({ done: true, value: undefined });
    await vi.waitFor(() => expect(endpoint.aborted()).toBe(1));
  });

  it("by leaving the loop ends the request too", async () => {
    const model = await modelOn([tokens(["One"], "open")]);
    for await (const _ of model.answer(REQUEST, never())) break;
    await vi.waitFor(() => expect(endpoint.aborted()).toBe(1));
  });
});
