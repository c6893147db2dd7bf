/** The one error that crosses a process border. Owns the closed set of codes; the maps to transports are in `error-map.ts`. */

/**
 * An operating error with a stable code.
 *
 * `message` is for people and says what to do next; an `internal` error's message stays inside (see `publicError`).
 * Aborts are not errors and never become one of these.
 */
export class AntiphonError extends Error {
  readonly code: ErrorCode;
  /** The same request may succeed later, unchanged. */
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, string | number | boolean>>;

  constructor(code: ErrorCode, message: string, options: AntiphonErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "AntiphonError";
    this.code = code;
    this.retryable = options.retryable ?? RETRYABLE_CODES.has(code);
    this.details = options.details ?? {};
  }

  /** The only conversion of a caught value; used at the borders alone. */
  static from(reason: unknown): AntiphonError {
    if (reason instanceof AntiphonError) return reason;
    return new AntiphonError("internal", "Something went wrong inside Antiphon.", {
      cause: reason,
    });
  }
}

export interface AntiphonErrorOptions {
  cause?: unknown;
  retryable?: boolean;
  details?: Record<string, string | number | boolean>;
}

/** What a client is shown of an error. */
export interface PublicError {
  code: ErrorCode;
  message: string;
  retryable: boolean;
  retryAfterMs?: number;
}

/** Strips what must stay inside: causes always, the message of `internal` errors too. */
export function publicError(error: AntiphonError): PublicError {
  const retryAfterMs = error.details["retryAfterMs"];
  return {
    code: error.code,
    message: error.code === "internal" ? "Something went wrong inside Antiphon." : error.message,
    retryable: error.retryable,
    ...(typeof retryAfterMs === "number" ? { retryAfterMs } : {}),
  };
}

export const ERROR_CODES = [
  "invalid_argument",
  "unauthenticated",
  "permission_denied",
  "not_found",
  "conflict",
  "failed_precondition",
  "overloaded",
  "unimplemented",
  "unavailable",
  "deadline_exceeded",
  "internal",
  "too_large",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** `overloaded` is retryable once `details.retryAfterMs` has passed. */
const RETRYABLE_CODES: ReadonlySet<ErrorCode> = new Set([
  "overloaded",
  "unavailable",
  "deadline_exceeded",
]);
