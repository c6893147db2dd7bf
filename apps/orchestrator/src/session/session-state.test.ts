import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SessionEvent } from "./session-event.ts";
import { INITIAL_STATE, type SessionState, transition } from "./session-state.ts";

const answer = { kind: "answer" } as const;

/** Events with epochs near the current one, so that right and stale ones both come up. */
const anyEvent: fc.Arbitrary<{ kind: SessionEvent["kind"]; behind: number }> = fc.record({
  kind: fc.constantFrom<SessionEvent["kind"]>(
    "session-started",
    "reply-requested",
    "speech-started",
    "reply-paused",
    "reply-resumed",
    "interrupt-requested",
    "first-frame-released",
    "reply-ended",
    "buffers-empty",
    "barge-in-timed-out",
    "session-ended",
  ),
  behind: fc.integer({ min: 0, max: 2 }),
});

function eventOf(
  drawn: { kind: SessionEvent["kind"]; behind: number },
  epoch: number,
): SessionEvent {
  if (drawn.kind === "reply-requested") return { kind: drawn.kind, request: answer };
  return { kind: drawn.kind, epoch: epoch - drawn.behind } as SessionEvent;
}

describe("under any sequence of events", () => {
  it("epochs never go back, at most one reply is under way, and TERMINATED is final", () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 200 }), (drawn) => {
        let state: SessionState = INITIAL_STATE;
        let underWay: number | undefined;
        let held = false;
        let unsettled = 0;
        for (const each of drawn) {
          const next = transition(state, eventOf(each, state.epoch));
          expect(next.state.epoch).toBeGreaterThanOrEqual(state.epoch);
          if (state.kind === "terminated") expect(next).toEqual({ state, effects: [] });
          for (const effect of next.effects) {
            if (effect.kind === "hold-reply" || effect.kind === "release-reply") {
              expect(underWay).toBe(next.state.epoch);
              expect(held).toBe(effect.kind === "release-reply");
              held = !held;
            }
            if (effect.kind === "stop-reply" || effect.kind === "start-reply") held = false;
            if (effect.kind === "start-reply") {
              expect(underWay).toBeUndefined();
              expect(effect.epoch).toBe(next.state.epoch);
              underWay = effect.epoch;
            }
            if (effect.kind === "drop-reply") underWay = undefined;
            if (effect.kind === "stop-reply") {
              expect(effect.epoch).toBeGreaterThan(underWay ?? Number.POSITIVE_INFINITY);
              underWay = undefined;
              unsettled++;
            }
            if (effect.kind === "settle-reply") {
              underWay = undefined;
              unsettled = 0;
            }
          }
          if (next.state.kind === "speaking") {
            expect(underWay).toBe(next.state.epoch);
            expect(next.state.held).toBe(held);
          }
          expect(unsettled).toBe(
            next.state.kind === "barged-in" || (next.state.kind === "terminated" && unsettled === 1)
              ? 1
              : 0,
          );
          state = next.state;
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("an event of another epoch", () => {
  it("changes nothing: the end of an old reply does not end the new one", () => {
    const speaking: SessionState = { kind: "speaking", epoch: 7, held: false };
    expect(transition(speaking, { kind: "reply-ended", epoch: 6 })).toEqual({
      state: speaking,
      effects: [],
    });
  });
});

describe("while the buffers empty after a STOP", () => {
  it("what is asked for next begins when they are", () => {
    const stopped = transition(
      { kind: "speaking", epoch: 3, held: false },
      { kind: "reply-requested", request: { kind: "say", text: "Hello" } },
    ).state;
    expect(stopped).toMatchObject({ kind: "barged-in", epoch: 4 });
    expect(transition(stopped, { kind: "buffers-empty", epoch: 4 }).effects).toEqual([
      { kind: "settle-reply" },
      { kind: "start-reply", epoch: 5, request: { kind: "say", text: "Hello" } },
    ]);
  });
});
