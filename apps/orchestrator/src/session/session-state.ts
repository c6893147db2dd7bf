/** The session's state machine, pure: which transitions exist and what they demand. Performs nothing and knows no time. */
import type { ReplyRequest, SessionEffect, SessionEvent } from "./session-event.ts";

/**
 * `epoch` belongs to one reply at most: it advances when a reply starts and at every STOP, so an old frame is
 * recognised by comparison wherever it turns up.
 */
export type SessionState =
  | { kind: "idle"; epoch: number }
  /** Hearing the person. `thinking`: an answer is under way, nothing of it has been released. */
  | { kind: "listening"; epoch: number; thinking: boolean }
  /** A reply is sounding. `held`: paused at a sample. */
  | { kind: "speaking"; epoch: number; held: boolean }
  /** Stopped, and waiting until the listener's buffers are empty. `next` begins then. */
  | { kind: "barged-in"; epoch: number; next: ReplyRequest | undefined }
  | { kind: "terminated"; epoch: number };

export interface Transition {
  state: SessionState;
  effects: SessionEffect[];
}

export const INITIAL_STATE: SessionState = { kind: "idle", epoch: 0 };

/** Listening, with nothing under way. */
export function isQuiet(state: SessionState): boolean {
  return state.kind === "listening" && !state.thinking;
}

/** Every event is legal in every state or stale in it; a stale one changes nothing. Events of another epoch are stale. */
export function transition(state: SessionState, event: SessionEvent): Transition {
  if (event.kind === "session-ended" && state.kind !== "terminated") {
    return {
      state: { kind: "terminated", epoch: state.epoch + 1 },
      effects: [{ kind: "tear-down" }],
    };
  }
  if ("epoch" in event && event.epoch !== state.epoch) return unchanged(state);
  switch (state.kind) {
    case "idle":
      return event.kind === "session-started"
        ? { state: { kind: "listening", epoch: 0, thinking: false }, effects: [] }
        : unchanged(state);
    case "listening":
      return fromListening(state, event);
    case "speaking":
      return fromSpeaking(state, event);
    case "barged-in":
      return fromBargedIn(state, event);
    case "terminated":
      return unchanged(state);
  }
}

function fromListening(
  state: Extract<SessionState, { kind: "listening" }>,
  event: SessionEvent,
): Transition {
  const dropped: SessionEffect[] = state.thinking ? [{ kind: "drop-reply" }] : [];
  switch (event.kind) {
    case "reply-requested":
      return startReply(state.epoch + 1, event.request, dropped);
    case "speech-started":
    case "interrupt-requested":
      if (!state.thinking) return unchanged(state);
      return {
        state: { kind: "listening", epoch: state.epoch + 1, thinking: false },
        effects: dropped,
      };
    case "first-frame-released":
      return state.thinking
        ? { state: { kind: "speaking", epoch: state.epoch, held: false }, effects: [] }
        : unchanged(state);
    case "reply-ended":
      return {
        state: { kind: "listening", epoch: state.epoch, thinking: false },
        effects: state.thinking ? [{ kind: "settle-reply" }] : [],
      };
    default:
      return unchanged(state);
  }
}

function fromSpeaking(
  state: Extract<SessionState, { kind: "speaking" }>,
  event: SessionEvent,
): Transition {
  switch (event.kind) {
    case "reply-paused":
      if (state.held) return unchanged(state);
      return { state: { ...state, held: true }, effects: [{ kind: "hold-reply" }] };
    case "reply-resumed":
      if (!state.held) return unchanged(state);
      return { state: { ...state, held: false }, effects: [{ kind: "release-reply" }] };
    case "interrupt-requested":
      return stop(state.epoch + 1, undefined);
    case "reply-requested":
      return stop(state.epoch + 1, event.request);
    case "reply-ended":
      return {
        state: { kind: "listening", epoch: state.epoch, thinking: false },
        effects: [{ kind: "settle-reply" }],
      };
    default:
      return unchanged(state);
  }
}

function fromBargedIn(
  state: Extract<SessionState, { kind: "barged-in" }>,
  event: SessionEvent,
): Transition {
  switch (event.kind) {
    case "reply-requested":
      return { state: { ...state, next: event.request }, effects: [] };
    case "speech-started":
    case "interrupt-requested":
      // What was asked for while the buffers emptied is overtaken by the person speaking again.
      return { state: { ...state, next: undefined }, effects: [] };
    case "buffers-empty":
    case "barge-in-timed-out":
      if (state.next !== undefined) {
        return startReply(state.epoch + 1, state.next, [{ kind: "settle-reply" }]);
      }
      return {
        state: { kind: "listening", epoch: state.epoch, thinking: false },
        effects: [{ kind: "settle-reply" }],
      };
    default:
      return unchanged(state);
  }
}

function startReply(epoch: number, request: ReplyRequest, before: SessionEffect[]): Transition {
  return {
    state: { kind: "listening", epoch, thinking: true },
    effects: [...before, { kind: "start-reply", epoch, request }],
  };
}

function stop(epoch: number, next: ReplyRequest | undefined): Transition {
  return {
    state: { kind: "barged-in", epoch, next },
    effects: [
      { kind: "stop-reply", epoch },
      { kind: "start-barge-in-timer", epoch },
    ],
  };
}

function unchanged(state: SessionState): Transition {
  return { state, effects: [] };
}
