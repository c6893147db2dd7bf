/** Everything the screen shows, as a value and a pure function from one to the next. Knows no DOM, no socket, no sound. */
import type { Interruption } from "@antiphon/client";
import type { ServerMessage, ServerMessageOf, SessionStateName } from "@antiphon/protocol";
import {
  type CaptionWord,
  type Entry,
  withCaption,
  withInterruption,
  withNote,
  withoutUnfinishedSpeech,
  withReply,
  withReplyLatency,
  withSpeechAsTurn,
  withTranscript,
  withTyped,
} from "./conversation.ts";
import type { CallPhase, MicrophoneStatus, ScreenEvent, TalkMode } from "./screen-event.ts";
import type { Trouble } from "./trouble.ts";

export interface ScreenState {
  call: CallPhase;
  microphone: MicrophoneStatus;
  mode: TalkMode;
  muted: boolean;
  /** Push-to-talk: held down now. */
  heldDown: boolean;
  session: {
    state: SessionStateName;
    thinking: boolean;
    held: boolean;
    userSpeaking: boolean;
  };
  /** Who answers, in which voice, and what it understands; kept after the call. */
  about: About | undefined;
  /** Oldest first. */
  entries: readonly Entry[];
  /** Every decision about speech over a reply, oldest first. */
  interruptions: readonly Interruption[];
  /** The newest of them while it is news: why the reply paused, went on or was stopped. */
  verdict: Interruption | undefined;
  /** Of the newest turn that was measured. */
  latency: Latency | undefined;
  trouble: Trouble | undefined;
  noticesShown: readonly string[];
}

export type About = Pick<
  ServerMessageOf<"ready">,
  "voice" | "inputLanguages" | "responder" | "sessionId"
>;
export type Latency = Omit<ServerMessageOf<"metrics">, "type">;
export type { CaptionWord, Entry };

export const FIRST_SCREEN: ScreenState = {
  call: "idle",
  microphone: "off",
  mode: "hands-free",
  muted: false,
  heldDown: false,
  session: { state: "idle", thinking: false, held: false, userSpeaking: false },
  about: undefined,
  entries: [],
  interruptions: [],
  verdict: undefined,
  latency: undefined,
  trouble: undefined,
  noticesShown: [],
};

export function nextScreen(state: ScreenState, event: ScreenEvent): ScreenState {
  switch (event.type) {
    case "server":
      return afterMessage(state, event.message);
    case "call":
      return afterCall(state, event.phase);
    case "microphone":
      return { ...state, microphone: event.status };
    case "muted":
      return { ...state, muted: event.muted };
    case "mode":
      return { ...state, mode: event.mode, heldDown: false };
    case "held-down":
      return { ...state, heldDown: event.down };
    case "typed":
      return { ...state, entries: withTyped(state.entries, event.text), trouble: undefined };
    case "note":
      return { ...state, entries: withNote(state.entries, event.text) };
    case "trouble":
      return { ...state, trouble: event.trouble };
    case "dismissed":
      return { ...state, trouble: undefined };
    case "verdict-over":
      return { ...state, verdict: undefined };
  }
}

function afterCall(state: ScreenState, call: CallPhase): ScreenState {
  switch (call) {
    case "idle":
      return {
        ...state,
        call,
        microphone: "off",
        muted: false,
        heldDown: false,
        session: FIRST_SCREEN.session,
        verdict: undefined,
        entries: withoutUnfinishedSpeech(state.entries),
      };
    case "connecting":
      return { ...state, call, session: FIRST_SCREEN.session, trouble: undefined };
    case "live":
      return { ...state, call, trouble: undefined };
    case "reconnecting":
      return { ...state, call, session: FIRST_SCREEN.session, verdict: undefined };
  }
}

function afterMessage(state: ScreenState, message: ServerMessage): ScreenState {
  switch (message.type) {
    case "ready":
      return afterReady(state, message);
    case "state": {
      const { type: _type, ...session } = message;
      if (session.state === "speaking") return { ...state, session };
      // With no reply left to go on, what was said over it is a turn.
      return { ...state, session, entries: withSpeechAsTurn(state.entries) };
    }
    case "transcript": {
      const overReply = state.session.state === "speaking";
      return { ...state, entries: withTranscript(state.entries, message, overReply) };
    }
    case "interruption": {
      const { type: _type, ...verdict } = message;
      return {
        ...state,
        verdict,
        interruptions: [...state.interruptions, verdict].slice(-INTERRUPTIONS_MAX),
        entries: withInterruption(state.entries, verdict),
      };
    }
    case "reply": {
      const news = message.done && state.verdict?.decision !== "stop" ? undefined : state.verdict;
      return { ...state, verdict: news, entries: withReply(state.entries, message) };
    }
    case "caption":
      return { ...state, entries: withCaption(state.entries, message) };
    case "release":
      // The sound over the reply was no turn: "mm-hm", a cough.
      return { ...state, entries: withoutUnfinishedSpeech(state.entries) };
    case "metrics": {
      const { type: _type, ...latency } = message;
      return { ...state, latency, entries: withReplyLatency(state.entries, message) };
    }
    case "upstream":
      return { ...state, call: message.status === "lost" ? "reconnecting" : "live" };
    case "input_committed":
    case "input_ack":
    case "hold":
    case "clear":
    case "position":
    case "error":
      return state;
  }
}

function afterReady(state: ScreenState, ready: ServerMessageOf<"ready">): ScreenState {
  const { voice, inputLanguages, responder, sessionId, notice } = ready;
  const about = { voice, inputLanguages, responder, sessionId };
  if (notice === undefined || state.noticesShown.includes(notice)) return { ...state, about };
  return {
    ...state,
    about,
    entries: withNote(state.entries, notice),
    noticesShown: [...state.noticesShown, notice],
  };
}

/** More than anybody tunes by at a time. */
const INTERRUPTIONS_MAX = 60;
