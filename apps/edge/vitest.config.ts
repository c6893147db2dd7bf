import { mkdirSync } from "node:fs";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineProject } from "vitest/config";

// The assets binding wants its folder; these tests need no built page in it.
mkdirSync(new URL("./dist/page", import.meta.url), { recursive: true });

export default defineProject({
  plugins: [
    cloudflareTest({
      wrangler: { configPath: "./wrangler.jsonc" },
      miniflare: {
        // nodejs_compat is vitest's own need.
        compatibilityFlags: ["nodejs_compat", "no_web_socket_compression"],
        bindings: {
          INTERNAL_SECRET: "workerd-internal-secret-0123456789",
          TICKET_SECRET: "workerd-ticket-secret-0123456789ab",
          API_KEYS: "workerd-api-key-0123456789,other-api-key-0123456789",
          // Nothing listens there: the tests put a scripted orchestrator in the place of `fetch`.
          ORCHESTRATOR_URLS: "http://orchestrator.test",
          ALLOWED_ORIGINS: "https://good.example",
          PUBLIC_ORIGINS: "https://edge.test",
        },
      },
    }),
  ],
  test: {
    name: "workerd",
    include: ["test/**/*.test.ts"],
    // The first request of a file imports the whole Worker: 5 s on two busy cores.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    setupFiles: ["test/quiet-log.ts"],
  },
});
