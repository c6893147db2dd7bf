/** What became of a reply that somebody spoke over, in plain words. Owns the words, for every place that shows them; decides nothing. */
import type { ServerMessageOf } from "@antiphon/protocol";

/** An `interruption` as it is kept: what was decided, and what it was decided on. */
export type Interruption = Omit<ServerMessageOf<"interruption">, "type">;

export interface InterruptionWords {
  /** "Paused", "Went on", "Interrupted". */
  title: string;
  /** Goes on after the title and a colon. */
  reason: string;
}

export function interruptionWords(interruption: Interruption): InterruptionWords {
  return { title: TITLES[interruption.decision], reason: reasonOf(interruption) };
}

function reasonOf({ decision, reason, text }: Interruption): string {
  const said = quoted(text);
  switch (reason) {
    case "speech":
      return "I heard you";
    case "words":
      return said === undefined ? "you said something" : `you said ${said}`;
    case "sustained-speech":
      return said === undefined ? "you kept talking" : `you kept talking: ${said}`;
    case "requested":
      return "you asked for it";
    case "backchannel":
      return said === undefined ? "you hummed along" : `${said} means go on`;
    case "no-words":
      return "a noise, not words";
    case "echo":
      return "my own echo";
    case "timeout":
      return decision === "stop" ? "you fell silent, and it may not go on" : "nothing more came";
  }
}

/** Undefined when nothing was understood. */
function quoted(text: string): string | undefined {
  const said = text.trim().replace(/[\s.,;:!?…]+$/u, "");
  if (said === "") return undefined;
  if (said.length <= QUOTED_CHARS_MAX) return `“${said}”`;
  const cut = said.slice(0, QUOTED_CHARS_MAX);
  // At a word's end, where there is one.
  const end = cut.lastIndexOf(" ");
  return `“${end > 0 ? cut.slice(0, end) : cut}…”`;
}

const TITLES: Record<Interruption["decision"], string> = {
  pause: "Paused",
  resume: "Went on",
  stop: "Interrupted",
};
/** Whoever said it knows how it went on; and it stays one line wherever it is shown. */
const QUOTED_CHARS_MAX = 28;
