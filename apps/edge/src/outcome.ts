/** Expected outcomes of calls to a session object, as plain values: errors lose their class on the way between objects. */
import { AntiphonError, type ErrorCode } from "@antiphon/protocol";

export type Outcome<T> = { ok: true; value: T } | { ok: false; code: ErrorCode; message: string };

export const succeeded = <T>(value: T): Outcome<T> => ({ ok: true, value });

export const failed = (code: ErrorCode, message: string): Outcome<never> => ({
  ok: false,
  code,
  message,
});

/** Throws the failure as an AntiphonError. */
export function unwrap<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new AntiphonError(outcome.code, outcome.message);
}
