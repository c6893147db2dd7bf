/** Keeps the Worker's log lines out of the tests' report; a test that reads them spies on the console itself. */
import { afterEach, beforeEach, vi } from "vitest";

beforeEach(() => {
  for (const level of ["info", "warn", "error"] as const) {
    vi.spyOn(console, level).mockImplementation(() => {});
  }
});

afterEach(() => {
  vi.restoreAllMocks();
});
