/** Shows a conversation as it goes on: for people, or as one JSON object a line. Decides nothing. */
import { interruptionWords, type SocketSession } from "@antiphon/client";
import { type AntiphonError, publicError, type ServerMessageOf } from "@antiphon/protocol";
import type { Terminal } from "./command.ts";

/** Live captions where a terminal shows them, whole lines elsewhere; how fast each answer came, at its start. */
export function printConversation(session: Events, terminal: Terminal): void {
  const live = new LiveLine(terminal);
  session.on("transcript", ({ final, text }) => {
    // A hum over a reply that goes on is no turn.
    if (final && text === "") live.drop();
    else if (final) live.finish(`you: ${text}`);
    else live.update(`you: ${text}`);
  });
  session.on("reply", (reply) => {
    if (!reply.done) live.update(`antiphon: ${reply.text}`);
    else if (reply.text !== "") live.finish(`antiphon: ${spokenText(reply)}`);
  });
  session.on("interruption", (interruption) => {
    const { title, reason } = interruptionWords(interruption);
    live.finish(`  (${title.toLowerCase()}: ${reason})`);
  });
  session.on("metrics", (metrics) => {
    const line = latencyLine(metrics);
    if (line !== undefined) live.finish(line);
  });
  session.on("upstream", ({ status }) =>
    live.finish(status === "lost" ? "(the server is away, waiting)" : "(the server is back)"),
  );
  session.on("error", (error) => terminal.stderr(`${error.message}\n`));
}

/** The events that programs wait for; see `docs/PROTOCOL.md` for what the fields mean. */
export function printConversationAsJson(session: Events, terminal: Terminal): void {
  const print = (event: object) => terminal.stdout(`${JSON.stringify(event)}\n`);
  session.on("transcript", ({ turn, final, text }) =>
    print({ type: "transcript", final, text, turn }),
  );
  session.on("reply", ({ turn, text, done, interrupted }) => {
    if (done) print({ type: "reply", text, interrupted, turn });
  });
  session.on("interruption", ({ replyId: _, epoch: __, ...interruption }) => print(interruption));
  session.on("metrics", ({ replyId: _, ...metrics }) => print(metrics));
  session.on("error", (error) => print(errorEvent(error)));
}

export function errorEvent(error: AntiphonError): object {
  return { type: "error", ...publicError(error) };
}

function spokenText({ text, interrupted }: ServerMessageOf<"reply">): string {
  return interrupted ? `${text} —` : text;
}

/** Undefined where nothing was measured: typed turns have no end of speech. */
function latencyLine(metrics: ServerMessageOf<"metrics">): string | undefined {
  const total = metrics.endOfSpeechToFirstAudioMs;
  const stages = [
    ["endpointing", metrics.endpointingMs],
    ["transcription", metrics.transcriptionMs],
    ["language model", metrics.llmFirstTokenMs],
    ["voice", metrics.firstAudioLatencyMs],
  ] as const;
  const measured = stages.flatMap(([name, ms]) =>
    ms === undefined ? [] : [`${name} ${Math.round(ms)}`],
  );
  if (total === undefined) return undefined;
  return `  (answered after ${Math.round(total)} ms: ${measured.join(", ")})`;
}

type Events = Pick<SocketSession, "on">;

/** One line that is rewritten while it grows. Where it cannot be, only what is finished is printed. */
class LiveLine {
  readonly #terminal: Terminal;
  #open = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  update(text: string): void {
    if (!this.#terminal.stdoutIsLive) return;
    // A line that wraps cannot be rewritten: the newest words are what matters.
    this.#terminal.stdout(`${REWRITE}${text.slice(-LIVE_CHARS_MAX)}`);
    this.#open = true;
  }

  /** What it shows came to nothing. */
  drop(): void {
    if (this.#open) this.#terminal.stdout(REWRITE);
    this.#open = false;
  }

  finish(text: string): void {
    this.#terminal.stdout(`${this.#open ? REWRITE : ""}${text}\n`);
    this.#open = false;
  }
}

/** To the line's start, and erase it. */
const REWRITE = "\r\u001b[K";
const LIVE_CHARS_MAX = 78;
