/** JSON-lines logging for our Node processes. Owns format and what may be logged; says nothing of where lines go beyond stdout/stderr. */
import pino from "pino";

export type Log = pino.Logger;
export type LogLevel = "silent" | "error" | "warn" | "info" | "debug";

/**
 * One JSON object a line on stderr. Messages are static; what varies goes into fields. Control characters cannot break a line
 * (JSON escapes them), long values are cut, and what people say or may not be shown is redacted wherever it turns up:
 * transcripts and texts belong under `pii`, which is dropped unless `ANTIPHON_LOG_PII=1` was turned on by the operator.
 */
export function createLog(options: { name: string; level: LogLevel; pii?: boolean }): Log {
  return pino(
    {
      name: options.name,
      level: options.level,
      base: { service: options.name, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: [
          ...(options.pii === true ? [] : ["pii", "*.pii"]),
          ...["secret", "token", "ticket", "apiKey", "authorization", "resumeToken"].flatMap(
            (key) => [key, `*.${key}`],
          ),
        ],
        remove: true,
      },
      serializers: { err: serializeError },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}

/** Stack of the error and of its causes, bounded. */
function serializeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error).slice(0, FIELD_CHARS_MAX) };
  return {
    name: error.name,
    code: (error as { code?: unknown }).code,
    message: error.message.slice(0, FIELD_CHARS_MAX),
    stack: error.stack?.slice(0, FIELD_CHARS_MAX),
    ...(error.cause === undefined ? {} : { cause: serializeError(error.cause) }),
  };
}

/** Enough for any stack of ours; a hostile message cannot fill a disk through one line. */
const FIELD_CHARS_MAX = 2_000;
