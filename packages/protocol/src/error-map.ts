/** How each error code reads on HTTP and on a WebSocket. One table; Connect's column is in `connect-error.ts`. */
import { ERROR_CODES, type ErrorCode } from "./antiphon-error.ts";

/** HTTP status and WebSocket close code of each error code. Close codes are 4000 + status, one exception. */
export const ERROR_MAP: Readonly<Record<ErrorCode, { http: number; close: number }>> = {
  invalid_argument: { http: 400, close: 4400 },
  unauthenticated: { http: 401, close: 4401 },
  permission_denied: { http: 403, close: 4403 },
  not_found: { http: 404, close: 4404 },
  conflict: { http: 409, close: 4409 },
  // 4400 is taken by invalid_argument; 412 is HTTP's own "precondition failed".
  failed_precondition: { http: 400, close: 4412 },
  overloaded: { http: 429, close: 4429 },
  unimplemented: { http: 501, close: 4501 },
  unavailable: { http: 503, close: 4503 },
  deadline_exceeded: { http: 504, close: 4504 },
  internal: { http: 500, close: 4500 },
  too_large: { http: 413, close: 4413 },
};

/** Close code of a normal end: hang-up or `session_end`. */
export const CLOSE_NORMAL = 1000;

/** Reads a close code back. Undefined: a normal end. What libraries send on their own (1006, 1009, 1011, 1012) is read too. */
export function codeOfClose(close: number): ErrorCode | undefined {
  if (close === CLOSE_NORMAL) return undefined;
  for (const code of ERROR_CODES) if (ERROR_MAP[code].close === close) return code;
  if (close === 1009) return "too_large";
  if (close === 1002 || close === 1003 || close === 1007) return "invalid_argument";
  // 1001, 1005, 1006, 1011, 1012 and the rest: the peer or something between us went away.
  return "unavailable";
}

/** Reads an HTTP status whose body carried no code of ours. */
export function codeOfStatus(status: number): ErrorCode {
  if (status === 400) return "invalid_argument";
  for (const code of ERROR_CODES) if (ERROR_MAP[code].http === status) return code;
  if (status === 502) return "unavailable";
  return status >= 500 ? "internal" : "invalid_argument";
}

/** A close code a runtime will send: 1005, 1006 and 1015 are reserved for the receiving side. */
export function sendableClose(close: number): number {
  return close === 1000 || (close >= 3000 && close <= 4999) ? close : ERROR_MAP.unavailable.close;
}
