import { describe, expect, it } from "vitest";
import { carriesBearer } from "./bearer.ts";

describe("an authorization header", () => {
  it("is taken when it carries the secret as a bearer", () => {
    expect(carriesBearer("Bearer s3cret", "s3cret")).toBe(true);
  });

  it.each([
    ["is absent", undefined],
    ["is null, as fetch says it", null],
    ["is empty", ""],
    ["is longer", "Bearer s3crets"],
    ["is shorter", "Bearer s3cre"],
    ["is of another scheme", "Basic s3cret"],
    ["is the secret alone", "s3cret"],
    ["is not ASCII", "Bearer s3crét"],
  ])("is refused when it %s", (_, given) => {
    expect(carriesBearer(given, "s3cret")).toBe(false);
  });
});
