/** What went wrong, in words that say what to do next. Owns the words; who shows them is the view. */
import type { ErrorCode } from "@antiphon/protocol";

/** `again`: start over. `take-back`: the same session. `later`: nothing but reading it. */
export interface Trouble {
  title: string;
  text: string;
  action: "again" | "take-back" | "later";
}

export type MicrophoneTrouble = "insecure" | "refused" | "missing" | "busy" | "failed" | "ended";

export function microphoneTrouble(problem: MicrophoneTrouble): Trouble {
  return { ...MICROPHONE[problem], action: "again" };
}

/** The call could not begin, or ended. */
export function callTrouble(error: { code: ErrorCode; message: string }): Trouble {
  switch (error.code) {
    case "unavailable":
    case "deadline_exceeded":
      return {
        title: "The server is away",
        text: "It does not answer right now. Check that Antiphon is running, then try again.",
        action: "again",
      };
    case "conflict":
      return {
        title: "The call moved",
        text: "This conversation was opened somewhere else, in another tab or on another device.",
        action: "take-back",
      };
    case "overloaded":
      return {
        title: "The server is busy",
        text: `${error.message} Try again in a little while.`,
        action: "again",
      };
    case "not_found":
      return {
        title: "This conversation is over",
        text: "The server no longer has it. You can start a new one.",
        action: "again",
      };
    case "unauthenticated":
    case "permission_denied":
      return {
        title: "The server did not let you in",
        text: error.message,
        action: "again",
      };
    default:
      return { title: "The call ended", text: error.message, action: "again" };
  }
}

/** The call goes on. */
export function passingTrouble(error: { code: ErrorCode; message: string }): Trouble {
  return { title: "That did not work", text: error.message, action: "later" };
}

export const NO_SOUND: Trouble = {
  title: "This browser cannot play the call",
  text: "It lacks the audio features Antiphon needs. A current Firefox, Chrome, Edge or Safari has them.",
  action: "later",
};

const TYPING = "You can also type below: answers are spoken all the same.";

const MICROPHONE: Record<MicrophoneTrouble, { title: string; text: string }> = {
  insecure: {
    title: "Calls need a secure page",
    text: "Browsers allow microphone and live sound only on https:// addresses and on this machine itself (http://127.0.0.1). Open Antiphon at one of those.",
  },
  refused: {
    title: "The microphone is blocked",
    text: `Allow it for this page, at the left of the address bar, then try again. ${TYPING}`,
  },
  missing: {
    title: "No microphone found",
    text: `Plug one in or switch it on, then try again. ${TYPING}`,
  },
  busy: {
    title: "The microphone is in use",
    text: `Another program holds it. Close that program, then try again. ${TYPING}`,
  },
  failed: {
    title: "The microphone did not start",
    text: `The browser could not open it. Try again, or reload the page. ${TYPING}`,
  },
  ended: {
    title: "The microphone went away",
    text: `It was unplugged or taken back. ${TYPING}`,
  },
};
