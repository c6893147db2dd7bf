import { AntiphonError } from "@antiphon/protocol";
import { FakeClock, settle } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import type { LanguageModel } from "./ports.ts";
import { withStallDeadline } from "./stall-deadline.ts";

describe("a language model that says nothing", () => {
  it("before its first token is given up after 10 s", async () => {
    const { read, clock, heard, stalls, model } = asked([stall]);
    const over = read();
    await clock.advanceAsync(9_999);
    expect(heard).toEqual([]);
    await clock.advanceAsync(1);
    expect((await over)?.code).toBe("deadline_exceeded");
    expect([stalls(), model.aborted, clock.pendingTimers]).toEqual([1, true, 0]);
  });

  it("after it is given up after 8 s, and what was written stands", async () => {
    const { read, clock, heard, stalls, model } = asked(["One ", "two ", stall]);
    const over = read();
    await clock.advanceAsync(7_999);
    expect(model.aborted).toBe(false);
    await clock.advanceAsync(1);
    expect(await over).toMatchObject({
      code: "deadline_exceeded",
      message: "The language model stopped in the middle of its answer.",
    });
    expect([heard, stalls(), clock.pendingTimers]).toEqual([["One ", "two "], 1, 0]);
  });

  it("but empty tokens says nothing", async () => {
    const empty = Array.from({ length: 100 }, () => ["", pause(200)]).flat();
    const { read, clock, heard } = asked(["One ", ...empty, "two"]);
    const over = read();
    await clock.advanceAsync(8_000);
    expect((await over)?.code).toBe("deadline_exceeded");
    expect(heard).toEqual(["One "]);
  });

  it("for a shorter time each time is waited for", async () => {
    const { read, clock, heard, stalls } = asked([
      pause(9_900),
      "One ",
      pause(7_900),
      "two ",
      pause(7_900),
    ]);
    const over = read();
    await clock.advanceAsync(30_000, 50);
    expect(await over).toBeUndefined();
    expect([heard, stalls(), clock.pendingTimers]).toEqual([["One ", "two "], 0, 0]);
  });

  it("because nobody asks it for more is not late", async () => {
    const { read, clock, heard, stalls } = asked(["One ", "two "]);
    const gate = Promise.withResolvers<void>();
    const over = read(() => gate.promise);
    await clock.advanceAsync(60_000, 500);
    gate.resolve();
    expect(await over).toBeUndefined();
    expect([heard, stalls()]).toEqual([["One ", "two "], 0]);
  });
});

describe("a language model that is watched", () => {
  it("that gives up by itself is counted as one that stalled", async () => {
    const { read, stalls } = asked(["One ", new AntiphonError("deadline_exceeded", "Too long.")]);
    expect((await read())?.message).toBe("Too long.");
    expect(stalls()).toBe(1);
  });

  it("fails as it would alone", async () => {
    const { read, stalls, clock } = asked(["One ", new AntiphonError("overloaded", "Not now.")]);
    expect((await read())?.code).toBe("overloaded");
    expect([stalls(), clock.pendingTimers]).toEqual([0, 0]);
  });

  it("ends silently when it is not wanted any more, stalled or not", async () => {
    const { read, clock, abort, stalls, model } = asked(["One ", stall]);
    const over = read();
    await clock.advanceAsync(5_000);
    abort.abort();
    expect(await over).toBeUndefined();
    expect([stalls(), model.aborted, clock.pendingTimers]).toEqual([0, true, 0]);
  });

  it("is stopped when its reader leaves", async () => {
    const { watched, model, clock, abort } = asked(["One ", "two "]);
    for await (const token of watched.answer(REQUEST, abort.signal)) {
      expect(token).toBe("One ");
      break;
    }
    await settle();
    expect([model.aborted, clock.pendingTimers]).toEqual([true, 0]);
  });

  it("is the same to the eye", () => {
    const { watched, model } = asked([]);
    expect([watched.responder, watched.notice]).toEqual([model.llm.responder, model.llm.notice]);
  });
});

const REQUEST = { instructions: "", language: "en", history: [] };
const stall = Symbol("stall");
const pause = (ms: number) => ({ pauseMs: ms });
type Step = string | Error | typeof stall | { pauseMs: number };

function asked(steps: Step[]) {
  const clock = new FakeClock();
  const abort = new AbortController();
  let stalls = 0;
  const model = scripted(steps, clock);
  const watched = withStallDeadline(model.llm, {
    clock,
    onStalled: () => {
      stalls++;
    },
  });
  const heard: string[] = [];
  return {
    clock,
    abort,
    model,
    watched,
    heard,
    stalls: () => stalls,
    /** Resolves with what it threw. */
    async read(each: () => Promise<void> = async () => {}): Promise<AntiphonError | undefined> {
      try {
        for await (const token of watched.answer(REQUEST, abort.signal)) {
          heard.push(token);
          await each();
        }
        return undefined;
      } catch (reason) {
        return AntiphonError.from(reason);
      }
    },
  };
}

function scripted(steps: Step[], clock: FakeClock) {
  const model = {
    aborted: false,
    llm: {
      responder: { kind: "llm" as const, model: "scripted" },
      notice: "Hello.",
      async *answer(_, signal) {
        signal.addEventListener("abort", () => {
          model.aborted = true;
        });
        for (const step of steps) {
          if (step instanceof Error) throw step;
          if (step === stall) await new Promise(() => {});
          else if (typeof step === "string") yield step;
          else await new Promise<void>((resolve) => clock.setTimer(step.pauseMs, resolve));
        }
      },
    } satisfies LanguageModel as LanguageModel,
  };
  return model;
}
