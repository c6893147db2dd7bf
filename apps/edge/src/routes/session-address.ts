/** From a session id to its object. Ids are the platform's: 128 random bits with its signature, so a made-up one reaches no object. */
import { AntiphonError } from "@antiphon/protocol";
import type { Env } from "../env.ts";
import type { SessionObject } from "../session-object.ts";

export function newSession(env: Env): {
  sessionId: string;
  stub: DurableObjectStub<SessionObject>;
} {
  const id = env.SESSION.newUniqueId();
  return { sessionId: id.toString(), stub: env.SESSION.get(id) };
}

/** Throws `not_found` for what no edge of this namespace has given out. */
export function sessionAt(env: Env, sessionId: string): DurableObjectStub<SessionObject> {
  if (!/^[0-9a-f]{64}$/.test(sessionId)) throw notFound();
  try {
    return env.SESSION.get(env.SESSION.idFromString(sessionId));
  } catch (cause) {
    throw notFound(cause);
  }
}

/** Where clients open the session's socket. */
export function streamUrl(publicOrigin: string, sessionId: string): string {
  return `${publicOrigin.replace(/^http/, "ws")}/v1/sessions/${sessionId}/stream`;
}

const notFound = (cause?: unknown) =>
  new AntiphonError("not_found", "There is no such session.", { cause });
