import { describe, expect, it } from "vitest";
import { microphoneProblem, openMicrophone } from "./microphone.ts";

describe("a microphone that cannot be had", () => {
  it.each([
    ["NotAllowedError", "refused"],
    ["SecurityError", "refused"],
    ["NotFoundError", "missing"],
    ["OverconstrainedError", "missing"],
    ["NotReadableError", "busy"],
    ["TypeError", "failed"],
  ])("%s means %s", (name, problem) => {
    expect(microphoneProblem({ name })).toBe(problem);
  });

  it("is a matter of the page's address where browsers offer no devices", async () => {
    const result = await openMicrophone({
      context: {} as AudioContext,
      workletUrl: "",
      onBlock: () => {},
      onEnded: () => {},
      signal: new AbortController().signal,
    });
    expect(result).toEqual({ kind: "none", problem: "insecure" });
  });
});
