/** `antiphon transcribe`: turns a recording into text, faster than it was spoken. */
import { type AntiphonClient, SocketSession } from "@antiphon/client";
import { AntiphonError, FRAME_SAMPLES } from "@antiphon/protocol";
import { type Clock, deadline, untilAborted } from "@antiphon/runtime";
import { type Command, EXIT_OK, type Terminal } from "./command.ts";
import { readSpeechFile, type SpeechFile } from "./speech-file.ts";

export const transcribe: Command = {
  name: "transcribe",
  usage: "transcribe recording.wav",
  summary: "print what is said in a recording",
  options: {
    language: { value: "TAG", help: "language spoken, as in en or de" },
  },
  async run(args, context) {
    const speech = await readSpeechFile(args.single("the recording"));
    const language = args.text("language");
    const text = await transcribeSpeech(speech, {
      ...context,
      ...(language === undefined ? {} : { language }),
      onProgress: progressBar(context.terminal),
    });
    context.terminal.stdout(`${text}\n`);
    return EXIT_OK;
  },
};

export interface TranscribeOptions {
  client: AntiphonClient;
  clock: Clock;
  signal: AbortSignal;
  language?: string;
  /** From 0 to 1, with each acknowledgement. */
  onProgress?: (share: number) => void;
}

/** All that is said, turns joined by spaces; "" for a recording without words. */
export async function transcribeSpeech(
  speech: Pick<SpeechFile, "frames">,
  options: TranscribeOptions,
): Promise<string> {
  const { client, clock, signal, language } = options;
  const session = new SocketSession({ clock, input: "file" });
  const texts: string[] = [];
  const ended = new AbortController();
  const committed = Promise.withResolvers<void>();
  session.on("transcript", ({ final, text }) => {
    if (final && text !== "") texts.push(text);
  });
  session.on("input_committed", () => committed.resolve());
  session.on("error", (error) => ended.abort(error));
  session.on("closed", ({ error }) =>
    ended.abort(error ?? new AntiphonError("unavailable", "The server ended the session.")),
  );
  // A new upstream knows nothing of what was sent: the text would have a hole.
  session.on("upstream", () =>
    ended.abort(new AntiphonError("unavailable", "The server was lost in mid-recording.")),
  );
  session.on("input_ack", ({ samples }) =>
    options.onProgress?.(Math.min(1, samples / (speech.frames.length * FRAME_SAMPLES))),
  );
  const lifetime = AbortSignal.any([ended.signal, signal]);
  try {
    signal.throwIfAborted();
    const { streamUrl, ticket } = await client.createSession();
    await untilAborted(
      session.connect({
        streamUrl,
        ticket,
        options: {
          respond: false,
          inputClock: "samples",
          ...(language === undefined ? {} : { language }),
        },
      }),
      lifetime,
    );
    for (const frame of speech.frames) {
      await untilAborted(session.readyToSend(), lifetime);
      session.sendMicrophone(frame);
    }
    session.inputCommit();
    await untilCommitted(committed.promise, clock, lifetime);
  } finally {
    await session.end();
  }
  options.onProgress?.(1);
  return texts.join(" ");
}

async function untilCommitted(
  committed: Promise<void>,
  clock: Clock,
  lifetime: AbortSignal,
): Promise<void> {
  const wait = deadline(
    clock,
    COMMIT_DEADLINE_MS,
    () => new AntiphonError("deadline_exceeded", "The end of the recording was not transcribed."),
    lifetime,
  );
  try {
    await untilAborted(committed, wait.signal);
  } finally {
    wait.dispose();
  }
}

function progressBar(terminal: Terminal): (share: number) => void {
  if (!terminal.stderrIsLive) return () => {};
  return (share) => {
    const done = Math.round(share * BAR_CHARS);
    const bar = "#".repeat(done).padEnd(BAR_CHARS, ".");
    terminal.stderr(`\r\u001b[K${share < 1 ? `${bar} ${Math.floor(share * 100)} %` : ""}`);
  };
}

const BAR_CHARS = 40;
/** At most two seconds of audio and a few segments are outstanding: their transcripts take seconds on a machine under full load. */
const COMMIT_DEADLINE_MS = 60_000;
