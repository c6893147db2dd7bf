/** How a session ended, read from what the socket said last. No state. */
import { AntiphonError, codeOfClose, type ServerMessageOf } from "@antiphon/protocol";

/** Without an error: a normal end. */
export interface SessionEnd {
  error?: AntiphonError;
}

/** A close code says what kind of end it was; the `error` message before it, if it is of that kind, says why. */
export function endOf(close: {
  code: number;
  lastError: AntiphonError | undefined;
  wasReady: boolean;
}): SessionEnd {
  const code = codeOfClose(close.code);
  if (code === undefined) return {};
  if (close.lastError?.code === code) return { error: close.lastError };
  const message = close.wasReady ? LOST_MESSAGE : UNREACHED_MESSAGE;
  return { error: new AntiphonError(code, message, { details: { closeCode: close.code } }) };
}

/** An `error` message as the error it tells of. */
export function errorOf(message: ServerMessageOf<"error">): AntiphonError {
  return new AntiphonError(message.code, message.message, {
    retryable: message.retryable,
    ...(message.retryAfterMs === undefined
      ? {}
      : { details: { retryAfterMs: message.retryAfterMs } }),
  });
}

const UNREACHED_MESSAGE = "The session's socket could not be opened.";
const LOST_MESSAGE = "The connection to the server was lost.";
