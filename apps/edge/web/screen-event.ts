/** What can change the screen: the server's messages, the call's own steps, the person's hands. Types only. */
import type { ServerMessage } from "@antiphon/protocol";
import type { Trouble } from "./trouble.ts";

export type ScreenEvent =
  | { type: "server"; message: ServerMessage }
  | { type: "call"; phase: CallPhase }
  | { type: "microphone"; status: MicrophoneStatus }
  | { type: "muted"; muted: boolean }
  | { type: "mode"; mode: TalkMode }
  /** Push-to-talk: the button went down or up. */
  | { type: "held-down"; down: boolean }
  | { type: "typed"; text: string }
  | { type: "note"; text: string }
  | { type: "trouble"; trouble: Trouble }
  | { type: "dismissed" }
  /** Long enough shown: what goes on now matters more. */
  | { type: "verdict-over" };

export type CallPhase = "idle" | "connecting" | "live" | "reconnecting";

/** `off`: none was asked for, or it could not be had. */
export type MicrophoneStatus = "off" | "asking" | "on";

export type TalkMode = "hands-free" | "push-to-talk";
