/** A recogniser whose passes a test answers one by one. Never imported by product code. */
import type { RecognitionRequest, RecognitionResult } from "../adapters/adapter.ts";
import type { InferenceProcess } from "../inference/inference-process.ts";
import type { Recogniser } from "../recognition-segment.ts";

/** One `transcribe` that was asked for. */
export interface ScriptedPass {
  request: RecognitionRequest;
  priority: "final" | "partial";
  signal: AbortSignal;
  begin(): void;
  answer(text: string, confidence?: number): void;
  fail(reason: unknown): void;
}

export class ScriptedRecogniser {
  readonly passes: ScriptedPass[] = [];
  readonly languages: readonly string[];
  leases = 0;
  /** Passes wait for others, until a test lets them begin. */
  queued = false;
  /** Answers every pass at once, from the seconds of audio it was given. */
  script: ((seconds: number) => string) | undefined;

  constructor(languages: readonly string[] = ["en"]) {
    this.languages = languages;
  }

  acquire(): Promise<Recogniser> {
    this.leases++;
    let released = false;
    const recogniser: Recogniser = {
      process: this.#process,
      languages: this.languages,
      release: () => {
        if (released) throw new Error("a lease is given back once");
        released = true;
        this.leases--;
      },
    };
    return Promise.resolve(recogniser);
  }

  readonly #process: InferenceProcess = {
    // biome-ignore lint/correctness/useYield: a recogniser does not speak
    async *synthesize() {
      throw new Error("not a voice");
    },
    transcribe: (request, { priority, signal, onBegun }) =>
      new Promise<RecognitionResult>((resolve, reject) => {
        const pass: ScriptedPass = {
          request,
          priority,
          signal,
          begin: onBegun,
          answer: (text, confidence) =>
            resolve({ text, language: "en", ...(confidence === undefined ? {} : { confidence }) }),
          fail: reject,
        };
        this.passes.push(pass);
        if (!this.queued) pass.begin();
        if (this.script !== undefined) pass.answer(this.script(request.samples.length / 16_000));
      }),
  };
}
