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
  /** Silence that ends a turn after a sentence that sounds complete; each further 100 ms is felt in every answer. */
  ENDPOINTING_MIN_DELAY_MS: ms.default(500),
  /** Silence that ends a turn after "and …": people think for up to two seconds before they go on. */
  ENDPOINTING_MAX_DELAY_MS: ms.default(2_000),
  /** "off": nothing said over a reply stops it. */
  INTERRUPTION: z.enum(["on", "off"]).default("on"),
  /** "adaptive" lets a reply go on after a cough or "mm-hm"; "vad" stops it at any speech that lasts. */
  INTERRUPTION_MODE: z.enum(["adaptive", "vad"]).default("adaptive"),
  /** Speech over a reply that stops it whatever its words: longer than any backchannel. */
  INTERRUPTION_MIN_DURATION_MS: ms.default(700),
  /** Words, backchannels not counted, that stop a reply before that. */
  INTERRUPTION_MIN_WORDS: z.coerce.number().int().min(1).default(1),
  /** After this much silence a paused reply goes on: a longer hole is taken for a fault. */
  FALSE_INTERRUPTION_TIMEOUT_MS: ms.default(600),
  /** "off": speech that came to nothing ends the reply. */
  RESUME_FALSE_INTERRUPTION: z.enum(["on", "off"]).default("on"),
  /** Comma-separated words that mean "go on". Empty: the built-in list of the session's language. */
  BACKCHANNELS: z.string().default(""),
  /** The language model begins while the turn may still go on: saves its first token's time, costs some answers nobody hears. */
  PREEMPTIVE_GENERATION: z.enum(["on", "off"]).default("on"),
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
      endpointing: {
        minDelayMs: value.ENDPOINTING_MIN_DELAY_MS,
        maxDelayMs: Math.max(value.ENDPOINTING_MIN_DELAY_MS, value.ENDPOINTING_MAX_DELAY_MS),
      },
      interruption: {
        enabled: value.INTERRUPTION === "on",
        mode: value.INTERRUPTION_MODE,
        minDurationMs: value.INTERRUPTION_MIN_DURATION_MS,
        minWords: value.INTERRUPTION_MIN_WORDS,
        falseInterruptionTimeoutMs: value.FALSE_INTERRUPTION_TIMEOUT_MS,
        resumeFalseInterruption: value.RESUME_FALSE_INTERRUPTION === "on",
        backchannels: wordsOf(value.BACKCHANNELS),
      },
      preemptiveGeneration: value.PREEMPTIVE_GENERATION === "on",
      idleTimeoutMs: value.IDLE_TIMEOUT_MS,
      synthesisOpenTimeoutMs: value.SYNTHESIS_OPEN_TIMEOUT_MS,
    },
    sessionsMax: value.SESSIONS_MAX,
    log: { level: value.LOG_LEVEL, pii: value.ANTIPHON_LOG_PII === "1" },
  };
}

function wordsOf(list: string): string[] | undefined {
  const words = list.split(",").map((word) => word.trim());
  return list.trim() === "" ? undefined : words.filter((word) => word !== "");
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
