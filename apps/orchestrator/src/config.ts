/** The orchestrator's configuration: one schema, defaults with their reasons. Reads no environment itself. */
import { z } from "zod";
import type { SessionDefaults } from "./session/session-deps.ts";

const port = z.coerce.number().int().min(0).max(65_535);
const ms = z.coerce.number().int().min(0);

const EnvSchema = z.object({
  /** Ports between our processes stay on loopback unless the operator says otherwise. */
  ORCHESTRATOR_HOST: z.string().default("127.0.0.1"),
  /** Session sockets and /healthz; 0 takes any free port. */
  ORCHESTRATOR_PORT: port.default(8790),
  /** RegistryService for workers' beats (HTTP/2). */
  REGISTRY_PORT: port.default(8791),
  /** Shared by edge, orchestrator and workers; the launcher makes one at each start. */
  INTERNAL_SECRET: z.string().min(16, "at least 16 characters"),
  /** Signs workers' beats. Default: INTERNAL_SECRET. */
  POOL_SECRET: z.string().min(16, "at least 16 characters").optional(),
  /** Where session records are written. */
  EDGE_URL: z.url().default("http://127.0.0.1:8787"),
  /** An OpenAI-compatible endpoint, for instance http://127.0.0.1:11434/v1. Empty: a local Ollama, else the built-in responder. */
  LLM_BASE_URL: z.string().default(""),
  LLM_MODEL: z.string().default(""),
  LLM_API_KEY: z.string().default(""),
  /** "off" looks for no local Ollama. */
  LLM_DISCOVERY: z.enum(["on", "off"]).default("on"),
  /** What the language model is told where a session says nothing. */
  INSTRUCTIONS: z
    .string()
    .default(
      "You are a friendly voice assistant. Your words are spoken aloud: answer in one to three short sentences, without lists, markup or emoji.",
    ),
  /** BCP 47, of the person's speech where a session says nothing. (LANGUAGE itself belongs to the desktop: "en_US:en".) */
  SESSION_LANGUAGE: z.string().default("en"),
  /** Empty: the pool's default voice. */
  VOICE: z.string().default(""),
  /**
   * Silence that ends a turn. People pause for up to half a second inside a sentence; each further 100 ms is felt in every answer.
   */
  ENDPOINTING_DELAY_MS: ms.default(600),
  /** A forgotten browser tab sends frames; a forgotten program does not. */
  IDLE_TIMEOUT_MS: ms.default(600_000),
  /** A worker that was just started needs some seconds for its models. */
  SYNTHESIS_OPEN_TIMEOUT_MS: ms.default(8_000),
  /** Sessions at once; the next is told `overloaded`. */
  SESSIONS_MAX: z.coerce.number().int().min(1).default(200),
  LOG_LEVEL: z.enum(["silent", "error", "warn", "info", "debug"]).default("info"),
  /** "1" lets transcripts and texts into the log. */
  ANTIPHON_LOG_PII: z.enum(["0", "1"]).default("0"),
});

export type Config = Readonly<{
  host: string;
  port: number;
  registryPort: number;
  internalSecret: string;
  poolSecret: string;
  edgeUrl: string;
  llm: Readonly<{ baseUrl: string; model: string; apiKey: string; discovery: boolean }>;
  session: Readonly<SessionDefaults>;
  sessionsMax: number;
  log: Readonly<{ level: z.infer<typeof EnvSchema>["LOG_LEVEL"]; pii: boolean }>;
}>;

/** Throws a ConfigError that names every bad key. */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const result = EnvSchema.safeParse(env);
  if (!result.success) {
    throw new ConfigError(
      result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`),
    );
  }
  const value = result.data;
  return {
    host: value.ORCHESTRATOR_HOST,
    port: value.ORCHESTRATOR_PORT,
    registryPort: value.REGISTRY_PORT,
    internalSecret: value.INTERNAL_SECRET,
    poolSecret: value.POOL_SECRET ?? value.INTERNAL_SECRET,
    edgeUrl: value.EDGE_URL,
    llm: {
      baseUrl: value.LLM_BASE_URL,
      model: value.LLM_MODEL,
      apiKey: value.LLM_API_KEY,
      discovery: value.LLM_DISCOVERY === "on",
    },
    session: {
      instructions: value.INSTRUCTIONS,
      language: value.SESSION_LANGUAGE,
      voice: value.VOICE === "" ? undefined : value.VOICE,
      endpointingDelayMs: value.ENDPOINTING_DELAY_MS,
      idleTimeoutMs: value.IDLE_TIMEOUT_MS,
      synthesisOpenTimeoutMs: value.SYNTHESIS_OPEN_TIMEOUT_MS,
    },
    sessionsMax: value.SESSIONS_MAX,
    log: { level: value.LOG_LEVEL, pii: value.ANTIPHON_LOG_PII === "1" },
  };
}

/** For `--check-config`: everything but the secrets. */
export function printableConfig(config: Config): unknown {
  const hidden = (secret: string) => (secret === "" ? "" : "(set)");
  return {
    ...config,
    internalSecret: hidden(config.internalSecret),
    poolSecret: hidden(config.poolSecret),
    llm: { ...config.llm, apiKey: hidden(config.llm.apiKey) },
  };
}

export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(`The configuration cannot be used:\n${problems.map((each) => `  ${each}`).join("\n")}`);
    this.name = "ConfigError";
  }
}
