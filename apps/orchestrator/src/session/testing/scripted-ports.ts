/** Scripted detector, recogniser, language model, voice and record: what a session hears and says is written in the test. */
import { FRAME_BYTES, FRAME_SAMPLES } from "@antiphon/protocol";
import { Waiter } from "@antiphon/runtime";
import type {
  AnswerRequest,
  LanguageModel,
  PartialTranscript,
  RecordStore,
  SessionSnapshot,
  SpeechEvent,
  SynthesisStream,
  Synthesizer,
  Transcriber,
  TranscriptionOptions,
  VadWindow,
  VoiceActivityDetector,
} from "../ports.ts";

/** A frame of speech: 500 Hz, loud from its first sample on; anything else is silence. */
export const SPEECH_FRAME = Int16Array.from({ length: FRAME_SAMPLES }, (_, at) =>
  at % 96 < 48 ? 8_000 : -8_000,
);
export const SILENT_FRAME = new Int16Array(FRAME_SAMPLES);

/** Judges at once: a window is speech when its last sample is loud. */
export class LoudnessDetector implements VoiceActivityDetector {
  open(onWindow: (window: VadWindow) => void) {
    let pushed = 0;
    let judged = 0;
    return {
      push(frame: Int16Array) {
        pushed += frame.length;
        while (pushed - judged >= WINDOW_SAMPLES) {
          judged += WINDOW_SAMPLES;
          onWindow({
            endSample: judged,
            probability: Math.abs(frame[0] ?? 0) > 1_000 ? 0.95 : 0.02,
          });
        }
      },
      close() {},
    };
  }
}

/** Hears the next text of its script in each segment, a given time after the segment's end. */
export class ScriptedTranscriber implements Transcriber {
  readonly segments: Array<{ frames: number; cancelled: boolean }> = [];
  /** Tells the newest session that its recogniser was replaced. */
  replace: () => void = () => {};
  readonly #texts: Array<string | Error>;
  readonly #wait: () => Promise<void>;

  constructor(texts: Array<string | Error>, wait: () => Promise<void> = () => Promise.resolve()) {
    this.#texts = [...texts];
    this.#wait = wait;
  }

  languages(): string[] {
    return ["en"];
  }

  open(options: TranscriptionOptions) {
    this.replace = () => options.onReplaced?.();
    return {
      begin: (onPartial: (partial: PartialTranscript) => void) => {
        const segment = { frames: 0, cancelled: false };
        this.segments.push(segment);
        return {
          push: () => {
            segment.frames++;
            const text = this.#texts[0];
            if (segment.frames !== 20 || text === "" || typeof text !== "string") return;
            onPartial({ text: "partial", audioMs: 400, confidence: 1 });
          },
          flush: () => {
            const text = this.#texts[0];
            if (typeof text === "string")
              onPartial({ text, audioMs: segment.frames * 20, confidence: 1 });
          },
          finish: async () => {
            await this.#wait();
            const text = this.#texts.shift() ?? "";
            if (text instanceof Error) throw text;
            return { text, computeMs: 5, confidence: 1 };
          },
          cancel: () => {
            segment.cancelled = true;
          },
        };
      },
      close() {},
    };
  }
}

/** Answers with the next text of its script, a word at a time; an Error is thrown after the words before it. */
export class ScriptedLanguageModel implements LanguageModel {
  readonly responder = { kind: "llm" as const, model: "scripted" };
  readonly notice = undefined;
  readonly requests: AnswerRequest[] = [];
  readonly #answers: Array<string | Error>;

  constructor(answers: Array<string | Error>) {
    this.#answers = [...answers];
  }

  async *answer(request: AnswerRequest, signal: AbortSignal): AsyncIterable<string> {
    this.requests.push(structuredClone(request));
    const answer = this.#answers.shift() ?? "";
    if (answer instanceof Error) throw answer;
    for (const word of answer.split(/(?<= )/)) {
      if (signal.aborted) return;
      yield word;
    }
  }
}

/** Speaks 10 frames (200 ms) a word, with measured timings. Fails on the texts that it is told to. */
export class ScriptedSynthesizer implements Synthesizer {
  readonly spoken: string[] = [];
  readonly closed: boolean[] = [];
  /** PAUSE and RESUME at the worker's gate, in order. */
  readonly paused: boolean[] = [];
  fails: { text: string; afterFrames: number; error: Error } | undefined;
  /** From there on nothing comes. */
  hangs: { text: string; afterFrames: number } | undefined;
  /** Claiming the voice takes until then. */
  opening: Promise<void> = Promise.resolve();

  async open(options: { voice: string | undefined }): Promise<SynthesisStream> {
    await this.opening;
    return {
      voice: options.voice ?? "tone",
      wholeUtterance: false,
      speak: (utterance, signal) => this.#speak(utterance.text, signal),
      setPaused: (paused) => {
        this.paused.push(paused);
      },
      close: () => {
        this.closed.push(true);
      },
    };
  }

  async *#speak(text: string, signal: AbortSignal): AsyncIterable<SpeechEvent> {
    this.spoken.push(text);
    const words = text.split(/\s+/).filter((word) => /\p{L}|\p{N}/u.test(word));
    yield { kind: "started", model: "tone", voice: "tone" };
    const timed = words.map((word, index) => ({
      text: word,
      startSample: index * WORD_SAMPLES,
      endSample: (index + 1) * WORD_SAMPLES,
      measured: true,
    }));
    if (timed.length > 0) yield { kind: "words", words: timed };
    const frames = words.length * WORD_FRAMES;
    for (let frame = 0; frame < frames; frame++) {
      if (signal.aborted) return;
      if (this.fails?.text === text && this.fails.afterFrames === frame) throw this.fails.error;
      if (this.hangs?.text === text && this.hangs.afterFrames === frame) {
        await new Waiter().wait(signal);
        return;
      }
      yield { kind: "audio", pcm: PCM };
    }
    yield { kind: "done", samples: frames * FRAME_SAMPLES };
  }
}

export class MemoryRecords implements RecordStore {
  readonly written: SessionSnapshot[] = [];

  put(record: SessionSnapshot): void {
    this.written.push(structuredClone(record));
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }
}

const WINDOW_SAMPLES = 1_536;
export const WORD_FRAMES = 10;
const WORD_SAMPLES = WORD_FRAMES * FRAME_SAMPLES;
/** A hum that nobody can hear: no echo of it is ever looked for. */
const PCM = new Uint8Array(FRAME_BYTES);
PCM[0] = 7;
