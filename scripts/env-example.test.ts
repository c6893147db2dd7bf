import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../apps/orchestrator/src/config.ts";
import { envExample, settingsOf } from "./env-example.ts";

describe(".env.example", () => {
  it("is that of the configurations", async () => {
    const committed = await readFile(new URL("../.env.example", import.meta.url), "utf8");
    expect(committed, "run: node scripts/env-example.ts").toBe(await envExample());
  });

  it("gives the defaults that the orchestrator really has", async () => {
    const path = new URL("../apps/orchestrator/src/config.ts", import.meta.url);
    const settings = settingsOf(await readFile(path, "utf8"));
    const INTERNAL_SECRET = "0123456789abcdef";
    const given = Object.fromEntries(
      settings.filter(({ value }) => value !== "").map(({ name, value }) => [name, value]),
    );
    expect(loadConfig({ ...given, INTERNAL_SECRET })).toEqual(loadConfig({ INTERNAL_SECRET }));
    expect(settings.map(({ name }) => name)).toContain("LLM_BASE_URL");
  });
});

describe("settings in a source", () => {
  it("are read with their comments and defaults, whatever the layout", () => {
    const source = `
      const HOST_DEFAULT = "127.0.0.1";
      const Schema = z.object({
        /** Where it
         * listens. */
        SOME_HOST: z.ipv4("an address").default(HOST_DEFAULT),
        SOME_LIST: list.pipe(z.array(z.string())).default(["a", "b"]),
        /** How long. */
        SOME_TTL: seconds(5 * 60, 24 * 60 * 60),
        SOME_BYTES: z.number().default(5_000),
        SOME_SECRET: secret,
      });`;
    expect(settingsOf(source.replaceAll(/^ {4}/gm, ""))).toEqual([
      { name: "SOME_HOST", comment: "Where it listens.", value: "127.0.0.1" },
      { name: "SOME_LIST", comment: "", value: "a,b" },
      { name: "SOME_TTL", comment: "How long.", value: "300" },
      { name: "SOME_BYTES", comment: "", value: "5000" },
      { name: "SOME_SECRET", comment: "", value: "" },
    ]);
  });
});
