/** One run for everything: Node projects here, the Worker's tests inside workerd. */
import { defineConfig } from "vitest/config";

const excluded = ["**/node_modules/**", "apps/edge/{src,host,test}/**"];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "packages/**/src/**/*.test.ts",
            "apps/**/src/**/*.test.ts",
            "apps/edge/web/**/*.test.ts",
            "scripts/**/*.test.ts",
            "tests/support/**/*.test.ts",
          ],
          exclude: excluded,
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: "integration",
          include: ["tests/**/*.test.ts"],
          exclude: ["**/node_modules/**", "tests/support/**"],
          globalSetup: ["tests/support/real-servers.ts"],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          // Real processes on two cores: one story at a time.
          fileParallelism: false,
        },
      },
      "apps/edge/vitest.config.ts",
    ],
  },
});
