import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { findNeuralVoice } from "./neural-voice.ts";

describe("a neural voice", () => {
  const directory = mkdtempSync(join(tmpdir(), "antiphon-voice-test-"));
  mkdirSync(join(directory, "kokoro-82m"));
  writeFileSync(join(directory, "kokoro-82m", "config.json"), "{}");
  afterAll(() => rmSync(directory, { recursive: true }));

  it("is not looked for where there is no folder of models, or none of its own", () => {
    expect(findNeuralVoice({})).toEqual({});
    expect(findNeuralVoice({ ANTIPHON_MODELS_DIR: tmpdir() })).toEqual({});
    expect(findNeuralVoice({ ANTIPHON_MODELS_DIR: "/nowhere" })).toEqual({});
  });

  it("does not join where the models were chosen", () => {
    const env = { ANTIPHON_MODELS_DIR: directory };
    expect(findNeuralVoice({ ...env, MODELS: "flite" })).toEqual({});
    expect(findNeuralVoice({ ...env, VOICE_IF_FAST: "kokoro" })).toEqual({});
  });

  it("joins where its files are, or says what else it needs", () => {
    const { model, hint } = findNeuralVoice({ ANTIPHON_MODELS_DIR: directory, MODELS: "" });
    expect(model === "kokoro" || hint?.includes("phonemizer")).toBe(true);
  });
});
