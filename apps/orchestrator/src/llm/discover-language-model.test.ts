import { systemClock } from "@antiphon/runtime";
import { createLog } from "@antiphon/runtime/log";
import { FakeClock } from "@antiphon/runtime/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { discoverLanguageModel, type LanguageModelDiscovery } from "./discover-language-model.ts";
import { json, type StubEndpoint, silence, stubEndpoint } from "./testing/stub-endpoint.ts";

let endpoint: StubEndpoint | undefined;
afterEach(() => endpoint?.close());

const OPTIONS: LanguageModelDiscovery = {
  baseUrl: undefined,
  model: undefined,
  apiKey: undefined,
  discovery: "auto",
  clock: systemClock,
  log: createLog({ name: "test", level: "silent" }),
};

describe("with an endpoint configured", () => {
  it("answers come from it", async () => {
    const found = await discoverLanguageModel({ ...OPTIONS, baseUrl: "http://x/v1", model: "m" });
    expect(found.responder).toEqual({ kind: "llm", model: "m" });
  });

  it("but no model, the first that can talk is taken", async () => {
    endpoint = await stubEndpoint(json(200, { data: [{ id: "nomic-embed" }, { id: "good" }] }));
    const found = await discoverLanguageModel({
      ...OPTIONS,
      baseUrl: `${endpoint.url}/v1/`,
      apiKey: "k",
    });
    expect(found.responder.model).toBe("good");
    expect(endpoint.requests[0]).toMatchObject({ path: "/v1/models", authorization: "Bearer k" });
  });

  it("but no model, and none listed: it says so", async () => {
    endpoint = await stubEndpoint(json(404, {}));
    await expect(
      discoverLanguageModel({ ...OPTIONS, baseUrl: endpoint.url }),
    ).rejects.toMatchObject({ code: "failed_precondition", message: /LLM_MODEL/ });
  });
});

describe("without one", () => {
  it("a local Ollama is found, with its first model that can talk", async () => {
    endpoint = await stubEndpoint(
      json(200, { models: [{ name: "all-minilm-embed" }, { name: "llama:1b" }] }),
    );
    const found = await discoverLanguageModel({ ...OPTIONS, ollamaUrl: endpoint.url });
    expect(found.responder).toEqual({ kind: "llm", model: "llama:1b" });
    expect(endpoint.requests[0]?.path).toBe("/api/tags");
  });

  it("and none within 300 ms, the built-in responder answers and says how to do better", async () => {
    endpoint = await stubEndpoint(silence);
    const clock = new FakeClock();
    const finding = discoverLanguageModel({ ...OPTIONS, clock, ollamaUrl: endpoint.url });
    await vi.waitFor(() => expect(endpoint?.requests).toHaveLength(1));
    clock.advance(300);
    const found = await finding;
    expect(found.responder).toEqual({ kind: "built-in" });
    for (const word of ["LLM_BASE_URL", "LLM_MODEL", "LLM_API_KEY", "Ollama"]) {
      expect(found.notice).toContain(word);
    }
  });

  it("and told not to look, nothing is asked", async () => {
    endpoint = await stubEndpoint(json(200, { models: [{ name: "llama:1b" }] }));
    const found = await discoverLanguageModel({
      ...OPTIONS,
      discovery: "off",
      ollamaUrl: endpoint.url,
    });
    expect([found.responder.kind, endpoint.requests.length]).toEqual(["built-in", 0]);
  });
});

describe("the built-in responder", () => {
  it("repeats what it understood, word for word", async () => {
    const { answer } = await discoverLanguageModel({ ...OPTIONS, discovery: "off" });
    const history = [{ role: "user" as const, text: " What's up, Doc? " }];
    const texts: string[] = [];
    for await (const text of answer(
      { instructions: "", language: "en", history },
      new AbortController().signal,
    )) {
      texts.push(text);
    }
    expect(texts.join("")).toBe(`You said: "What's up, Doc?"`);
  });
});
