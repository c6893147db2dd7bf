/** `antiphon say`: has a text spoken into a file. */
import { AntiphonError } from "@antiphon/protocol";
import { AnswerWatch } from "./answer-watch.ts";
import { Call } from "./call.ts";
import { type Command, type CommandContext, EXIT_OK } from "./command.ts";
import { Recording } from "./recording.ts";

export const say: Command = {
  name: "say",
  usage: 'say "text" --out speech.wav',
  summary: "have a text spoken, no language model",
  options: {
    out: { value: "FILE", help: "WAV file for the speech" },
    voice: { value: "NAME", help: "voice to speak with" },
    speed: { value: "NUMBER", help: "0.5 to 2; 1 is the voice's own pace" },
  },
  async run(args, context) {
    const text = args.single("the text");
    const speed = args.number("speed", { min: 0.5, max: 2 });
    const voice = args.text("voice");
    const recording = new Recording(args.required("out"));
    try {
      await speak(text, context, {
        ...(voice === undefined ? {} : { voice }),
        ...(speed === undefined ? {} : { speed }),
        onSpeech: (frame) => recording.write(frame),
      });
    } finally {
      recording.close();
    }
    return EXIT_OK;
  },
};

export interface SpeakOptions {
  voice?: string;
  speed?: number;
  /** 20 ms of what is heard, from the first sound to the last, pauses included; valid until it returns. */
  onSpeech: (frame: Int16Array) => void;
}

/** Resolves when the text was played to its end, in real time. Rejects with the first error, after what could be played was. */
export async function speak(
  text: string,
  context: Pick<CommandContext, "client" | "clock" | "signal">,
  { onSpeech, ...options }: SpeakOptions,
): Promise<void> {
  let check = () => {};
  let started = false;
  const call = new Call({
    ...context,
    onTick: () => check(),
    onPlayed: (frame, replySamples) => {
      // The time that the server took is no part of the speech; its own pauses are.
      started ||= replySamples > 0;
      if (started) onSpeech(frame);
    },
  });
  let failure: AntiphonError | undefined;
  call.session.on("error", (error) => {
    failure ??= error;
  });
  try {
    const watch = new AnswerWatch({ ...context, session: call.session, playout: call.playout });
    await call.connect(options);
    const spoken = new Promise<void>((resolve, reject) => {
      check = () => {
        if (watch.repliesDone > 0 && !watch.playing) resolve();
        else if (failure !== undefined && watch.restingMs() > FAILED_MS) resolve();
        else if (watch.idleMs() > STUCK_MS) {
          reject(new AntiphonError("deadline_exceeded", "The text was not spoken in time."));
        }
      };
    });
    call.session.say(text);
    await call.during(spoken);
  } finally {
    await call.hangUp();
  }
  if (failure !== undefined) throw failure;
}

/** A text that fails ends in an error, and what there was of it is played. */
const FAILED_MS = 500;
/** A large voice model may have to be loaded first. */
const STUCK_MS = 30_000;
