/** The Worker's entry: what the runtime calls by name. */
import { createApp } from "./app.ts";
import type { Env } from "./env.ts";

export { SessionObject } from "./session-object.ts";

const app = createApp();

export default {
  fetch: (request, env, context) => app.fetch(request, env, context),
} satisfies ExportedHandler<Env>;
