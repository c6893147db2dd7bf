/** What of a service's log belongs on the screen, and how it reads there. */

/** A line for people; undefined for what only the log file needs. */
export function screenLine(service: string, line: string): string | undefined {
  if (line.trim() === "") return undefined;
  const entry = parse(line);
  // Not one of our log lines: a crash, or a library's own words.
  if (entry === undefined) return `[${service}] ${line}`;
  if (!LOUD_LEVELS.has(String(entry["level"]))) return undefined;
  const message = String(entry["msg"] ?? entry["message"] ?? "");
  const details = Object.entries(entry)
    .filter(([key, value]) => !HIDDEN_FIELDS.has(key) && value !== undefined && value !== null)
    .map(
      ([key, value]) =>
        `${key}=${brief(key === "err" || key === "error" ? causeOf(value) : value)}`,
    );
  return `[${service}] ${entry["level"]}: ${[message, ...details].join("  ")}`;
}

function parse(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function causeOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { message, cause } = value as { message?: unknown; cause?: unknown };
  const inner = cause === undefined ? "" : ` (${String(causeOf(cause))})`;
  return message === undefined ? value : `${String(message)}${inner}`;
}

function brief(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > FIELD_CHARS_MAX ? `${text.slice(0, FIELD_CHARS_MAX)}…` : text;
}

const LOUD_LEVELS: ReadonlySet<string> = new Set(["warn", "error", "fatal"]);
const HIDDEN_FIELDS: ReadonlySet<string> = new Set([
  "level",
  "time",
  "service",
  "name",
  "pid",
  "msg",
  "message",
]);
/** Long enough for a cause, short enough for a screen; the file has all of it. */
const FIELD_CHARS_MAX = 160;
