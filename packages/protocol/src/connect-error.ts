/** How error codes cross Connect and gRPC, both ways. Our code travels in trailing metadata, since two of ours share ResourceExhausted. */
import { Code, ConnectError } from "@connectrpc/connect";
import { AntiphonError, ERROR_CODES, type ErrorCode } from "./antiphon-error.ts";

/** Connect code of each error code. */
export const CONNECT_CODES: Readonly<Record<ErrorCode, Code>> = {
  invalid_argument: Code.InvalidArgument,
  unauthenticated: Code.Unauthenticated,
  permission_denied: Code.PermissionDenied,
  not_found: Code.NotFound,
  conflict: Code.AlreadyExists,
  failed_precondition: Code.FailedPrecondition,
  overloaded: Code.ResourceExhausted,
  unimplemented: Code.Unimplemented,
  unavailable: Code.Unavailable,
  deadline_exceeded: Code.DeadlineExceeded,
  internal: Code.Internal,
  too_large: Code.ResourceExhausted,
};

/** Trailer that carries our code. */
const CODE_HEADER = "antiphon-code";

/** For a service's answer. An internal error's message and cause stay on this side. */
export function toConnectError(error: AntiphonError): ConnectError {
  const message = error.code === "internal" ? "internal error" : error.message;
  return new ConnectError(message, CONNECT_CODES[error.code], { [CODE_HEADER]: error.code });
}

/**
 * For a caller. `Canceled` without our own abort means that the peer was lost, so it reads as `unavailable`:
 * check your own signal first, an abort is not an error.
 */
export function fromConnectError(reason: unknown): AntiphonError {
  if (reason instanceof AntiphonError) return reason;
  const error = ConnectError.from(reason);
  const named = error.metadata.get(CODE_HEADER);
  const code = ERROR_CODES.find((candidate) => candidate === named) ?? codeOfConnect(error.code);
  return new AntiphonError(code, error.rawMessage, { cause: reason });
}

function codeOfConnect(connectCode: Code): ErrorCode {
  if (connectCode === Code.Canceled || connectCode === Code.Aborted) return "unavailable";
  for (const code of ERROR_CODES) if (CONNECT_CODES[code] === connectCode) return code;
  return "internal";
}
