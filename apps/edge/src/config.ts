/** The Worker's bindings as a checked configuration. Owns names, forms and defaults of settings; reads nothing by itself. */
import { z } from "zod";

export type EdgeConfig = Readonly<z.infer<typeof ConfigSchema>>;

/** Throws a `ConfigError` that names every bad setting and the form expected. */
export function loadConfig(bindings: Readonly<Record<string, unknown>>): EdgeConfig {
  const settings: Record<string, unknown> = {};
  for (const name of SETTING_NAMES) {
    if (bindings[name] !== undefined) settings[name] = bindings[name];
  }
  const result = ConfigSchema.safeParse(settings);
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    (issue) => `${issue.path.join(".") || "settings"}: ${issue.message}`,
  );
  throw new ConfigError(problems);
}

export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The edge's settings are not usable:\n  ${problems.join("\n  ")}`);
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** `2 ** 128` guesses and more, whichever alphabet the operator draws from. */
const SECRET_CHARS_MIN = 32;
const API_KEY_CHARS_MIN = 16;

const list = z
  .string()
  .default("")
  .transform((text) =>
    text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  );

const secret = z
  .string({ error: `expected a secret of at least ${SECRET_CHARS_MIN} characters` })
  .min(SECRET_CHARS_MIN, `expected a secret of at least ${SECRET_CHARS_MIN} characters`);

const origins = list.refine((values) => values.every(isOrigin), {
  error: "expected origins as browsers write them, e.g. https://voice.example.org, comma separated",
});

const seconds = (fallback: number, max: number) =>
  z.coerce
    .number({ error: `expected seconds, 1 to ${max}` })
    .min(1, `expected seconds, 1 to ${max}`)
    .max(max, `expected seconds, 1 to ${max}`)
    .default(fallback);

const shape = z.object({
  /** Shared with every orchestrator; opens their stream port and our record port. */
  INTERNAL_SECRET: secret,
  /** Signs tickets; known to the edge alone. */
  TICKET_SECRET: secret,
  /** Keys that may start sessions. */
  API_KEYS: list.refine((keys) => keys.every((key) => key.length >= API_KEY_CHARS_MIN), {
    error: `expected keys of at least ${API_KEY_CHARS_MIN} characters, comma separated`,
  }),
  /** "loopback": whoever reaches the loopback address may start sessions. Only `npm start` sets it. */
  GUEST_MODE: z.enum(["off", "loopback"], { error: 'expected "off" or "loopback"' }).default("off"),
  /** Where people reach this edge; the first is canonical. Empty: the address of each request, which Cloudflare vouches for. */
  PUBLIC_ORIGINS: origins,
  /** Other sites whose pages may use this edge. Its own is always allowed. */
  ALLOWED_ORIGINS: origins,
  /** Base addresses of the orchestrators, http or https. */
  ORCHESTRATOR_URLS: list.refine((urls) => urls.length > 0 && urls.every(isHttpUrl), {
    error: "expected at least one http:// or https:// address, comma separated",
  }),
  /** How long a session whose client is gone can be taken up again: a tunnel, a laptop's lid, a phone call. */
  SESSION_RESUME_TTL: seconds(5 * 60, 24 * 60 * 60),
});

const SETTING_NAMES = Object.keys(shape.shape);

const ConfigSchema = shape
  .check((context) => {
    const { API_KEYS: keys, GUEST_MODE: guest, PUBLIC_ORIGINS: publicOrigins } = context.value;
    const say = (path: string, message: string) =>
      context.issues.push({ code: "custom", input: context.value, path: [path], message });
    if (guest === "off" && keys.length === 0) {
      say("API_KEYS", "expected at least one key, or nobody could start a session");
    }
    if (guest === "loopback" && publicOrigins.length === 0) {
      say("PUBLIC_ORIGINS", "expected the loopback origins that guests may use");
    }
    if (guest === "loopback" && !publicOrigins.every(isLoopbackOrigin)) {
      say("PUBLIC_ORIGINS", "expected loopback origins alone while GUEST_MODE is loopback");
    }
  })
  .transform((value) => ({
    internalSecret: value.INTERNAL_SECRET,
    ticketSecret: value.TICKET_SECRET,
    apiKeys: value.API_KEYS,
    guestMode: value.GUEST_MODE,
    publicOrigins: value.PUBLIC_ORIGINS,
    allowedOrigins: value.ALLOWED_ORIGINS,
    orchestratorUrls: value.ORCHESTRATOR_URLS,
    sessionResumeTtlMs: value.SESSION_RESUME_TTL * 1000,
  }));

function isOrigin(text: string): boolean {
  return isHttpUrl(text) && new URL(text).origin === text;
}

function isHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol } = new URL(text);
  return protocol === "http:" || protocol === "https:";
}

function isLoopbackOrigin(text: string): boolean {
  return isOrigin(text) && /^(localhost|\[::1\]|127(\.\d{1,3}){3})$/.test(new URL(text).hostname);
}
