/** The worker's settings: names, defaults and their reasons. Reads what it is given, never the environment itself. */
import { z } from "zod";
import { CATALOG_MODELS } from "./models/catalog.ts";

export type Config = Readonly<z.output<typeof ConfigSchema>>;

/** Throws a ConfigError that lists every bad key. */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ""),
  );
  const parsed = EnvSchema.safeParse(given);
  if (!parsed.success) {
    throw new ConfigError(
      parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`),
    );
  }
  return ConfigSchema.parse(parsed.data);
}

/** As a person may see it: secrets are named, not shown. */
export function printableConfig(config: Config): Record<string, unknown> {
  return {
    ...config,
    internalSecret: config.internalSecret === "" ? "(none)" : "(set)",
    poolSecret: config.poolSecret === "" ? "(none)" : "(set)",
  };
}

export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`Bad settings:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
    this.name = "ConfigError";
    this.problems = problems;
  }
}

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);

const list = z.string().transform((text) =>
  text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== ""),
);

const RegistryUrl = z.string().superRefine((text, context) => {
  const url = URL.parse(text);
  if (url?.protocol === "redis:" || url?.protocol === "rediss:") {
    context.addIssue({
      code: "custom",
      message: "this worker cannot beat to Redis; name the orchestrators as http://host:port",
    });
  } else if (url === null || !/^https?:$/.test(url.protocol)) {
    context.addIssue({
      code: "custom",
      message: `expected http://host:port, comma-separated, not "${text}"`,
    });
  }
});

const EnvSchema = z
  .object({
    /** Loopback: what listens further is somebody's decision, with a secret. */
    WORKER_HOST: z.string().default("127.0.0.1"),
    /** 0: any free port. */
    WORKER_PORT: z.coerce
      .number("expected a port from 0 to 65535")
      .int("expected a port from 0 to 65535")
      .min(0, "expected a port from 0 to 65535")
      .max(65_535, "expected a port from 0 to 65535")
      .default(0),
    /** Where orchestrators reach this worker; without it host and port as bound. */
    WORKER_ADDRESS: z.url({ protocol: /^https?$/, error: "expected http://host:port" }).optional(),
    /** Proves that a caller is one of ours. */
    INTERNAL_SECRET: z.string().min(16, "expected at least 16 characters").default(""),
    /** Signs beats; without it the internal secret does. */
    POOL_SECRET: z.string().min(16, "expected at least 16 characters").optional(),
    /** The orchestrators' RegistryServices. */
    REGISTRY_URL: list.pipe(z.array(RegistryUrl)).default([]),
    /** What needs no download: a voice and an English recogniser. The first of a kind is its default. */
    MODELS: list
      .pipe(
        z
          .array(z.enum(CATALOG_MODELS, `expected names out of ${CATALOG_MODELS.join(", ")}`))
          .min(1, "expected at least one model")
          .refine((names) => new Set(names).size === names.length, "names a model twice"),
      )
      .default(["flite", "moonshine"]),
    /** A further voice: the default where its first audio comes within 700 ms, measured at the start; elsewhere one to ask for. */
    VOICE_IF_FAST: z
      .enum(CATALOG_MODELS, `expected a name out of ${CATALOG_MODELS.join(", ")}`)
      .optional(),
    /** Files of models that do not come with a package. */
    ANTIPHON_MODELS_DIR: z.string().default(""),
    LOG_LEVEL: z.enum(["silent", "error", "warn", "info", "debug"]).default("info"),
  })
  .superRefine((env, context) => {
    if (env.INTERNAL_SECRET === "" && !isLoopback(env.WORKER_HOST)) {
      context.addIssue({
        code: "custom",
        path: ["INTERNAL_SECRET"],
        message: "required when WORKER_HOST is not a loopback address",
      });
    }
  });

const ConfigSchema = z.custom<z.output<typeof EnvSchema>>().transform((env) => ({
  host: env.WORKER_HOST,
  port: env.WORKER_PORT,
  address: env.WORKER_ADDRESS,
  internalSecret: env.INTERNAL_SECRET,
  poolSecret: env.POOL_SECRET ?? env.INTERNAL_SECRET,
  registryUrls: env.REGISTRY_URL as readonly string[],
  models: env.MODELS as readonly string[],
  voiceIfFast: env.VOICE_IF_FAST,
  modelsDirectory: env.ANTIPHON_MODELS_DIR,
  logLevel: env.LOG_LEVEL,
}));
