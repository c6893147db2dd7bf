import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { AntiphonError, ERROR_CODES, publicError } from "./antiphon-error.ts";
import { CONNECT_CODES, fromConnectError, toConnectError } from "./connect-error.ts";
import { codeOfClose, codeOfStatus, ERROR_MAP, sendableClose } from "./error-map.ts";

describe("every error code", () => {
  it.each(ERROR_CODES)("%s: has a row in each map, and comes back from each", (code) => {
    const { http, close } = ERROR_MAP[code];
    expect(close).toBe(code === "failed_precondition" ? 4412 : 4000 + http);
    expect(codeOfClose(close)).toBe(code);
    expect(sendableClose(close)).toBe(close);
    expect(CONNECT_CODES[code]).toBeDefined();
    expect(fromConnectError(toConnectError(new AntiphonError(code, "why"))).code).toBe(code);
    // 400 is shared; the body's own code tells them apart.
    expect(codeOfStatus(http)).toBe(code === "failed_precondition" ? "invalid_argument" : code);
  });
});

describe("what peers and libraries send", () => {
  it("is read: closes without a code of ours mean that the peer went away", () => {
    expect([1005, 1006, 1011, 1012].map(codeOfClose)).toEqual(Array(4).fill("unavailable"));
    expect(codeOfClose(1009)).toBe("too_large");
    expect(codeOfClose(1000)).toBeUndefined();
  });

  it("is never echoed where it may not be sent", () => {
    for (const reserved of [1005, 1006, 1015]) expect(sendableClose(reserved)).toBe(4503);
  });

  it("reads a lost peer as unavailable, and ResourceExhausted as overloaded", () => {
    expect(fromConnectError(new ConnectError("gone", Code.Canceled)).code).toBe("unavailable");
    expect(fromConnectError(new ConnectError("full", Code.ResourceExhausted)).code).toBe(
      "overloaded",
    );
    expect(fromConnectError(new ConnectError("?", Code.DataLoss)).code).toBe("internal");
  });
});

describe("an internal error", () => {
  it("keeps its message and cause inside", () => {
    const error = AntiphonError.from(new Error("password=hunter2"));
    expect(publicError(error)).toEqual({
      code: "internal",
      message: "Something went wrong inside Antiphon.",
      retryable: false,
    });
    expect(toConnectError(error).message).not.toContain("hunter2");
  });

  it("tells when to try again", () => {
    const error = new AntiphonError("overloaded", "Busy.", { details: { retryAfterMs: 500 } });
    expect(publicError(error)).toMatchObject({ retryable: true, retryAfterMs: 500 });
  });
});
