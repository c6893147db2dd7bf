/** What the platform hands to the Worker. Settings among it are strings; `config.ts` makes sense of them. */
import type { SessionObject } from "./session-object.ts";

export interface Env {
  SESSION: DurableObjectNamespace<SessionObject>;
  ASSETS: Fetcher;
  [setting: string]: unknown;
}
