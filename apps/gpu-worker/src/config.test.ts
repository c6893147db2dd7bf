import { describe, expect, it } from "vitest";
import { ConfigError, loadConfig, printableConfig } from "./config.ts";

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(env);
  } catch (reason) {
    if (reason instanceof ConfigError) return reason.problems;
    throw reason;
  }
  return [];
}

describe("the worker's settings", () => {
  it("have defaults for everything", () => {
    expect(loadConfig({ UNRELATED: "x", LOG_LEVEL: "" })).toEqual({
      host: "127.0.0.1",
      port: 0,
      address: undefined,
      internalSecret: "",
      poolSecret: "",
      registryUrls: [],
      models: ["flite", "moonshine"],
      voiceIfFast: undefined,
      modelsDirectory: "",
      logLevel: "info",
    });
  });

  it("are read", () => {
    const config = loadConfig({
      WORKER_HOST: "0.0.0.0",
      WORKER_PORT: "4100",
      WORKER_ADDRESS: "http://worker-1:4100",
      INTERNAL_SECRET: "an internal secret",
      REGISTRY_URL: "http://a:1, http://b:2,",
      MODELS: "tone",
      VOICE_IF_FAST: "kokoro",
    });
    expect(config).toMatchObject({
      host: "0.0.0.0",
      port: 4_100,
      address: "http://worker-1:4100",
      poolSecret: "an internal secret",
      registryUrls: ["http://a:1", "http://b:2"],
      models: ["tone"],
      voiceIfFast: "kokoro",
    });
  });

  it("that are wrong are all named", () => {
    const problems = problemsOf({
      WORKER_PORT: "70000",
      WORKER_ADDRESS: "worker-1",
      INTERNAL_SECRET: "short",
      REGISTRY_URL: "redis://cache:6379",
      MODELS: "tone,tenor",
      VOICE_IF_FAST: "tenor",
      LOG_LEVEL: "loud",
    });
    const keys = problems.map((problem) => problem.split(/[.:]/)[0]);
    expect(keys.sort()).toEqual([
      "INTERNAL_SECRET",
      "LOG_LEVEL",
      "MODELS",
      "REGISTRY_URL",
      "VOICE_IF_FAST",
      "WORKER_ADDRESS",
      "WORKER_PORT",
    ]);
    expect(problems.join()).toContain("cannot beat to Redis");
  });

  it("ask for a secret where others than this machine can call", () => {
    expect(problemsOf({ WORKER_HOST: "0.0.0.0" })).toEqual([
      "INTERNAL_SECRET: required when WORKER_HOST is not a loopback address",
    ]);
    for (const host of ["localhost", "::1", "127.0.0.2"]) {
      expect(problemsOf({ WORKER_HOST: host })).toEqual([]);
    }
  });

  it("are printed without secrets", () => {
    const printed = JSON.stringify(
      printableConfig(loadConfig({ INTERNAL_SECRET: "0123456789abcdef" })),
    );
    expect(printed).not.toContain("0123456789abcdef");
    expect(printed).toContain("(set)");
  });
});
