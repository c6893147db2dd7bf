/** Decides at start who answers: the configured endpoint, a local Ollama, or the built-in responder. */
import { AntiphonError } from "@antiphon/protocol";
import { type Clock, deadline } from "@antiphon/runtime";
import type { Log } from "@antiphon/runtime/log";
import { z } from "zod";
import type { LanguageModel } from "../session/ports.ts";
import { createBuiltInResponder } from "./built-in-responder.ts";
import { createOpenAiCompatible } from "./openai-compatible.ts";

export interface LanguageModelDiscovery {
  /** LLM_BASE_URL; undefined: look for a local Ollama. */
  baseUrl: string | undefined;
  /** LLM_MODEL; undefined: the first one that the endpoint lists. */
  model: string | undefined;
  apiKey: string | undefined;
  /** LLM_DISCOVERY: "off" never looks. */
  discovery: "auto" | "off";
  clock: Clock;
  log: Log;
  /** Where a local Ollama would be. */
  ollamaUrl?: string;
  fetch?: typeof globalThis.fetch;
}

/** Rejects with `failed_precondition` when an endpoint is configured without a model and names none itself. */
export async function discoverLanguageModel(
  options: LanguageModelDiscovery,
): Promise<LanguageModel> {
  const { baseUrl, apiKey, clock } = options;
  if (baseUrl !== undefined) {
    const model = options.model ?? (await firstListed(baseUrl, options));
    return createOpenAiCompatible({ baseUrl, model, apiKey, clock });
  }
  if (options.discovery === "auto") {
    const ollamaUrl = options.ollamaUrl ?? OLLAMA_URL;
    const model = await ollamaModel(ollamaUrl, options);
    if (model !== undefined) {
      return createOpenAiCompatible({
        baseUrl: `${ollamaUrl}/v1`,
        model,
        apiKey: undefined,
        clock,
      });
    }
  }
  return createBuiltInResponder();
}

async function firstListed(baseUrl: string, options: LanguageModelDiscovery): Promise<string> {
  let cause: unknown;
  try {
    const listed = ModelListSchema.parse(
      await getJson(`${baseUrl.replace(/\/+$/, "")}/models`, LIST_DEADLINE_MS, options),
    );
    const first = listed.data.map(({ id }) => id).find(talks);
    if (first !== undefined) return first;
  } catch (reason) {
    // Only what we wrote ourselves: a fetch error may quote the address with its password.
    if (reason instanceof AntiphonError) cause = reason;
  }
  throw new AntiphonError(
    "failed_precondition",
    "LLM_BASE_URL is set but LLM_MODEL is not, and the endpoint did not say which models it has. Set LLM_MODEL.",
    { cause },
  );
}

async function ollamaModel(
  ollamaUrl: string,
  options: LanguageModelDiscovery,
): Promise<string | undefined> {
  try {
    const tags = OllamaTagsSchema.parse(
      await getJson(`${ollamaUrl}/api/tags`, PROBE_DEADLINE_MS, options),
    );
    const names = tags.models.map(({ name }) => name);
    return names.find((name) => name === options.model) ?? names.find(talks);
  } catch (reason) {
    // The usual case on a machine without Ollama.
    options.log.debug({ err: reason }, "no local Ollama answered");
    return undefined;
  }
}

async function getJson(
  url: string,
  deadlineMs: number,
  options: LanguageModelDiscovery,
): Promise<unknown> {
  const limit = deadline(
    options.clock,
    deadlineMs,
    () => new AntiphonError("deadline_exceeded", "The endpoint did not answer in time."),
  );
  try {
    const response = await (options.fetch ?? globalThis.fetch)(url, {
      headers: options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` },
      signal: limit.signal,
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new AntiphonError("unavailable", `The endpoint answered HTTP ${response.status}.`);
    }
    return await response.json();
  } finally {
    limit.dispose();
  }
}

/** Embedding models are listed beside the others and cannot answer. */
const talks = (name: string): boolean => !/embed|rerank|whisper|tts/i.test(name);

const ModelListSchema = z.object({ data: z.array(z.object({ id: z.string() })) });
const OllamaTagsSchema = z.object({ models: z.array(z.object({ name: z.string() })) });

const OLLAMA_URL = "http://127.0.0.1:11434";
/** A server on this machine answers in some milliseconds, and nobody should wait for one that is not there. */
const PROBE_DEADLINE_MS = 300;
/** Over a network, once, at start. */
const LIST_DEADLINE_MS = 5_000;
