/** `antiphon talk`: holds a conversation with a recording for a mouth and a file for an ear. */
import { AntiphonError, FRAME_SAMPLES, type SessionOptions } from "@antiphon/protocol";
import { AnswerWatch } from "./answer-watch.ts";
import { Call } from "./call.ts";
import {
  type Command,
  type CommandArgs,
  type CommandContext,
  EXIT_FAILED,
  EXIT_OK,
} from "./command.ts";
import { errorEvent, printConversation, printConversationAsJson } from "./conversation-printer.ts";
import { Recording } from "./recording.ts";
import { readSpeechFile, type SpeechFile } from "./speech-file.ts";

export const talk: Command = {
  name: "talk",
  usage: "talk --in question.wav --out answer.wav",
  summary: "speak a recording to the server and record what it answers",
  options: {
    in: { value: "FILE", help: "WAV file to speak, in real time" },
    out: { value: "FILE", help: "WAV file for what a listener would have heard" },
    json: { help: "print one JSON event a line" },
    "one-turn": { help: "the whole recording is one turn; ends with its answer" },
    voice: { value: "NAME", help: "voice to answer with" },
    instructions: { value: "TEXT", help: "what the language model is told to be" },
    language: { value: "TAG", help: "language spoken, as in en or de" },
  },
  async run(args, context) {
    args.none();
    const speech = await readSpeechFile(args.required("in"));
    const recording = new Recording(args.required("out"));
    const oneTurn = args.has("one-turn");
    const json = args.has("json");
    let tick: (tick: number) => void = () => {};
    const call = new Call({ ...context, recording, onTick: (at) => tick(at) });
    let lastError: AntiphonError | undefined;
    call.session.on("error", (error) => {
      lastError = error;
    });
    (json ? printConversationAsJson : printConversation)(call.session, context.terminal);
    try {
      const watch = new AnswerWatch({ ...context, session: call.session, playout: call.playout });
      const ready = await call.connect(sessionOptions(args, oneTurn));
      if (!json) {
        context.terminal.stderr(
          `Speaking ${speech.seconds.toFixed(1)} s of ${speech.path}; the voice is ${ready.voice}.\n`,
        );
      }
      const turns = { call, speech, watch, clock: context.clock };
      const over = new Promise<void>((resolve, reject) => {
        tick = oneTurn ? takeOneTurn(turns, resolve, reject) : takeTurns(turns, resolve, reject);
      });
      await call.during(over);
    } catch (reason) {
      // What the server said itself was printed as it came.
      if (json && reason instanceof AntiphonError && reason !== lastError) {
        context.terminal.stdout(`${JSON.stringify(errorEvent(reason))}\n`);
      }
      throw reason;
    } finally {
      await call.hangUp();
    }
    return lastError === undefined ? EXIT_OK : EXIT_FAILED;
  },
};

interface Turns {
  call: Call;
  speech: SpeechFile;
  watch: AnswerWatch;
  clock: CommandContext["clock"];
}

/** A microphone does not stop: after the recording it hears silence, until everything was answered and heard. */
function takeTurns(
  { call, speech, watch, clock }: Turns,
  resolve: () => void,
  reject: (error: AntiphonError) => void,
): (tick: number) => void {
  let endedMs: number | undefined;
  return (tick) => {
    call.session.sendMicrophone(speech.frames[tick] ?? SILENCE);
    if (tick < speech.frames.length) return;
    endedMs ??= clock.nowMs();
    const sinceEndMs = clock.nowMs() - endedMs;
    if (sinceEndMs >= AFTER_END_MS_MIN && watch.restingMs() >= RESTING_MS) resolve();
    else if (sinceEndMs > STUCK_MS && watch.idleMs() > STUCK_MS) reject(stuck());
  };
}

/** Push-to-talk: the microphone closes with the recording. */
function takeOneTurn(
  { call, speech, watch, clock }: Turns,
  resolve: () => void,
  reject: (error: AntiphonError) => void,
): (tick: number) => void {
  let committedMs: number | undefined;
  let understood: boolean | undefined;
  call.session.on("input_committed", ({ text }) => {
    understood = text !== "";
  });
  return (tick) => {
    const frame = speech.frames[tick];
    if (frame !== undefined) {
      call.session.sendMicrophone(frame);
      return;
    }
    if (committedMs === undefined) {
      committedMs = clock.nowMs();
      try {
        call.session.inputCommit();
      } catch (reason) {
        // The server is away: part of the recording is lost, and there is nobody to answer the rest.
        reject(AntiphonError.from(reason));
        return;
      }
    }
    const answered = watch.repliesDone > 0 && !watch.playing;
    // An answer that failed has an error and no end of its own.
    const given = understood !== undefined && watch.restingMs() >= RESTING_MS;
    if (understood === false || (understood && answered) || given) resolve();
    else if (clock.nowMs() - committedMs > STUCK_MS && watch.idleMs() > STUCK_MS) reject(stuck());
  };
}

function sessionOptions(args: CommandArgs, oneTurn: boolean): SessionOptions {
  const voice = args.text("voice");
  const instructions = args.text("instructions");
  const language = args.text("language");
  return {
    endpointing: oneTurn ? "manual" : "auto",
    ...(voice === undefined ? {} : { voice }),
    ...(instructions === undefined ? {} : { instructions }),
    ...(language === undefined ? {} : { language }),
  };
}

function stuck(): AntiphonError {
  return new AntiphonError(
    "deadline_exceeded",
    `The answer did not come: nothing happened for ${STUCK_MS / 1000} s.`,
  );
}

const SILENCE = new Int16Array(FRAME_SAMPLES);
/** Speech at the recording's very end is found, endpointed and announced within this. */
const AFTER_END_MS_MIN = 2_000;
/** Longer than any silence between a transcript and the start of its answer. */
const RESTING_MS = 1_500;
/** Longer than a language model on a small machine needs for its first word. */
const STUCK_MS = 30_000;
