/** What a person is told of a failure: what happened, and what to do next. */
import { WavError } from "@antiphon/audio";
import { AntiphonError } from "@antiphon/protocol";

export function explainError(reason: unknown): string {
  if (reason instanceof AntiphonError) return withAdvice(reason);
  if (reason instanceof WavError) return reason.message;
  if (isFileError(reason)) return explainFileError(reason);
  // Nothing of ours: whoever reports it needs the whole of it.
  return reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
}

function withAdvice(error: AntiphonError): string {
  const advice = adviceOf(error);
  return advice === undefined ? error.message : `${error.message} ${advice}`;
}

function adviceOf({ code, details }: AntiphonError): string | undefined {
  switch (code) {
    case "unavailable":
      return "Start the server with `npm start`, or say where it is with --url; `doctor` checks each step.";
    case "unauthenticated":
    case "permission_denied":
      return "Give a key with --api-key or ANTIPHON_API_KEY.";
    case "overloaded": {
      const retryAfterMs = details["retryAfterMs"];
      if (typeof retryAfterMs !== "number") return "Try again later.";
      return `Try again in ${Math.ceil(retryAfterMs / 1000)} s.`;
    }
    case "deadline_exceeded":
      return "The machine may be overloaded; `doctor` checks each step.";
    case "internal":
      return "The server's log says what went wrong.";
    default:
      return undefined;
  }
}

interface FileError extends Error {
  code: string;
  path?: string;
}

function isFileError(reason: unknown): reason is FileError {
  return reason instanceof Error && "syscall" in reason && "code" in reason;
}

function explainFileError(error: FileError): string {
  switch (error.code) {
    case "ENOENT":
      return `There is no file or folder ${error.path}.`;
    case "EACCES":
    case "EPERM":
      return `${error.path} may not be opened.`;
    case "EISDIR":
      return `${error.path ?? "This"} is a folder.`;
    default:
      return error.message;
  }
}
