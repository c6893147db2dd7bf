/** The one thing that goes on, in one word for machines and a few for people. Derived from the screen's state, never stored. */
import { type Interruption, interruptionWords } from "@antiphon/client";
import type { ScreenState } from "./screen-state.ts";

export interface Indicator {
  name: IndicatorName;
  label: string;
  hint: string;
}

export type IndicatorName =
  | "idle"
  | "asking"
  | "connecting"
  | "reconnecting"
  | "listening"
  | "hearing"
  | "thinking"
  | "speaking"
  | "held"
  | "resumed"
  | "interrupted"
  | "muted"
  | "waiting"
  | "typing"
  | "trouble";

export function indicatorOf(state: ScreenState): Indicator {
  const name = nameOf(state);
  const { label, hint } = WORDS[name];
  if (name === "speaking") return { name, label, hint: interruptHint(state) };
  if (name === "resumed" || name === "interrupted") {
    return { name, label, hint: reasonHint(state.verdict) ?? hint };
  }
  return { name, label, hint };
}

function nameOf(state: ScreenState): IndicatorName {
  switch (state.call) {
    case "idle":
      if (state.microphone === "asking") return "asking";
      return state.trouble === undefined || state.trouble.action === "later" ? "idle" : "trouble";
    case "connecting":
      return state.microphone === "asking" ? "asking" : "connecting";
    case "reconnecting":
      return "reconnecting";
    case "live":
      return liveNameOf(state);
  }
}

function liveNameOf(state: ScreenState): IndicatorName {
  const { session, verdict } = state;
  if (session.state === "barged-in") return "interrupted";
  if (session.state === "speaking") {
    if (session.held) return "held";
    return verdict?.decision === "resume" ? "resumed" : "speaking";
  }
  // The state itself lasts a moment only; who pressed a button knows why.
  const stopped = verdict?.decision === "stop" && verdict.reason !== "requested";
  if (stopped && !session.thinking) return "interrupted";
  if (session.userSpeaking) return "hearing";
  if (session.thinking) return "thinking";
  if (session.state === "idle" || session.state === "terminated") return "connecting";
  if (state.microphone !== "on") return "typing";
  if (state.mode === "push-to-talk") return state.heldDown ? "listening" : "waiting";
  return state.muted ? "muted" : "listening";
}

function interruptHint(state: ScreenState): string {
  if (state.microphone !== "on" || state.muted) return "Esc stops it.";
  return state.mode === "push-to-talk" ? "Hold to interrupt, or press Esc." : WORDS.speaking.hint;
}

/** As a sentence. */
function reasonHint(verdict: Interruption | undefined): string | undefined {
  if (verdict === undefined) return undefined;
  const { reason } = interruptionWords(verdict);
  return `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`;
}

const WORDS: Record<IndicatorName, { label: string; hint: string }> = {
  idle: { label: "Ready when you are", hint: "Start a call and just talk, or type below." },
  asking: {
    label: "May I listen?",
    hint: "Your browser asks for the microphone: please allow it.",
  },
  connecting: { label: "Connecting", hint: "One moment." },
  reconnecting: { label: "Reconnecting", hint: "The line dropped. Picking it up again." },
  listening: { label: "Listening", hint: "Go ahead." },
  hearing: { label: "Hearing you", hint: "" },
  thinking: { label: "Thinking", hint: "" },
  speaking: { label: "Speaking", hint: "Talk to interrupt, or press Esc." },
  held: { label: "Paused – I heard you", hint: "Go on, or say nothing and it continues." },
  resumed: { label: "Going on", hint: "That was no interruption." },
  interrupted: { label: "Interrupted", hint: "Your turn." },
  muted: { label: "Microphone muted", hint: "Nothing you say is sent." },
  waiting: { label: "Hold to talk", hint: "Hold the button, or the space bar, while you speak." },
  typing: { label: "Type to talk", hint: "The microphone is off." },
  trouble: { label: "No call right now", hint: "" },
};
