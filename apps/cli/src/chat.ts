/** `antiphon chat`: a conversation that is typed. */
import { createInterface } from "node:readline";
import { AntiphonError } from "@antiphon/protocol";
import { AnswerWatch } from "./answer-watch.ts";
import { Call } from "./call.ts";
import { type Command, EXIT_FAILED, EXIT_OK, type Terminal } from "./command.ts";
import { Recording } from "./recording.ts";

export const chat: Command = {
  name: "chat",
  usage: "chat [--out answers.wav]",
  summary: "type to the server and read what it says; an empty line interrupts it",
  options: {
    out: { value: "FILE", help: "WAV file for what a listener would have heard" },
    voice: { value: "NAME", help: "voice to answer with" },
    instructions: { value: "TEXT", help: "what the language model is told to be" },
  },
  async run(args, context) {
    args.none();
    const { terminal } = context;
    const out = args.text("out");
    const voice = args.text("voice");
    const instructions = args.text("instructions");
    let check = () => {};
    const call = new Call({
      ...context,
      ...(out === undefined ? {} : { recording: new Recording(out) }),
      onTick: () => check(),
    });
    let errors = 0;
    call.session.on("error", (error) => {
      errors++;
      terminal.stderr(`${error.message}\n`);
    });
    printReplies(call, terminal);
    try {
      const watch = new AnswerWatch({ ...context, session: call.session, playout: call.playout });
      const ready = await call.connect({
        ...(voice === undefined ? {} : { voice }),
        ...(instructions === undefined ? {} : { instructions }),
      });
      if (ready.notice !== undefined) terminal.stderr(`${ready.notice}\n`);
      if (terminal.stdinIsLive) terminal.stderr("Type, and end with Ctrl-D.\n");
      const answered = () =>
        call.during(
          new Promise<void>((resolve, reject) => {
            const askedMs = context.clock.nowMs();
            check = () => {
              const sinceMs = context.clock.nowMs() - askedMs;
              if (Math.min(sinceMs, watch.restingMs()) > RESTING_MS) resolve();
              else if (Math.min(sinceMs, watch.idleMs()) > STUCK_MS) {
                reject(new AntiphonError("deadline_exceeded", "The answer did not come."));
              }
            };
          }),
        );
      // It reads from the moment it exists, and keeps nothing for a loop that begins later.
      const lines = createInterface({ input: terminal.stdin });
      call.lifetime.addEventListener("abort", () => lines.close(), { once: true });
      for await (const line of lines) {
        tell(call, line, terminal);
        // A person may type while the machine speaks, and so interrupt it; a file takes turns.
        if (!terminal.stdinIsLive) await answered();
      }
      // The iterator ends quietly when the call does.
      call.lifetime.throwIfAborted();
      await answered();
    } finally {
      await call.hangUp();
    }
    return errors === 0 ? EXIT_OK : EXIT_FAILED;
  },
};

/** A person whose line did not get through is told, and types it again; from a file the rest would make no sense without it. */
function tell({ session }: Call, line: string, terminal: Terminal): void {
  try {
    if (line.trim() === "") session.interrupt();
    else session.text(line);
  } catch (reason) {
    const passes = reason instanceof AntiphonError && reason.retryable;
    if (!passes || !terminal.stdinIsLive) throw reason;
    terminal.stderr(`${reason.message}\n`);
  }
}

/** What is new of each reply as it is written, and where it was cut short. */
function printReplies({ session }: Call, terminal: Terminal): void {
  let replyId: string | undefined;
  let printed = 0;
  session.on("reply", (reply) => {
    if (reply.replyId !== replyId) {
      if (printed > 0) terminal.stdout("\n");
      replyId = reply.replyId;
      printed = 0;
    }
    if (!reply.done) {
      terminal.stdout(reply.text.slice(printed));
      printed = Math.max(printed, reply.text.length);
    } else if (printed > 0) {
      terminal.stdout(reply.interrupted ? `\n${heardWords(reply.text)}\n` : "\n");
      printed = 0;
    }
  });
}

function heardWords(text: string): string {
  return text === "" ? "(interrupted: nothing was heard)" : `(interrupted, heard: ${text} —)`;
}

/** A question's way to the server and the first word of its being answered, over any network. */
const RESTING_MS = 1_000;
const STUCK_MS = 30_000;
