/** A model whose speech a test writes down. Never imported by product code. */
import type { SpeechOutput, SpeechRequest } from "../adapters/adapter.ts";
import type { InferenceProcess } from "../inference/inference-process.ts";

export interface SpokenJob {
  request: SpeechRequest;
  signal: AbortSignal;
  /** Outputs that the reader has pulled. */
  pulled: number;
  /** Its reader has left, or it ended. */
  over: boolean;
}

/** Runs one script for each request; a script may wait for whatever it likes, and must not forget the signal. */
export class ScriptedVoice implements InferenceProcess {
  readonly jobs: SpokenJob[] = [];
  script: (request: SpeechRequest, signal: AbortSignal) => AsyncIterable<SpeechOutput>;

  constructor(script: ScriptedVoice["script"] = (request) => spoken(request)) {
    this.script = script;
  }

  /** Jobs whose reader has not left. */
  get open(): number {
    return this.jobs.filter((job) => !job.over).length;
  }

  async *synthesize(request: SpeechRequest, signal: AbortSignal): AsyncIterable<SpeechOutput> {
    const job: SpokenJob = { request, signal, pulled: 0, over: false };
    this.jobs.push(job);
    try {
      for await (const output of this.script(request, signal)) {
        if (signal.aborted) return;
        job.pulled++;
        yield output;
      }
    } finally {
      job.over = true;
    }
  }

  transcribe(): Promise<never> {
    return Promise.reject(new Error("not a recogniser"));
  }
}

/** 100 ms of a loud constant for each word, at 48 kHz, then the words' times. Unpronounceable text is nothing. */
export async function* spoken(request: SpeechRequest): AsyncIterable<SpeechOutput> {
  const words = request.text.split(/\s+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
  for (const _ of words) {
    yield { kind: "samples", samples: new Int16Array(4_800).fill(8_000), sampleRateHz: 48_000 };
  }
  if (words.length === 0) return;
  yield {
    kind: "words",
    words: words.map((text, index) => ({
      text,
      startSeconds: index / 10,
      endSeconds: (index + 1) / 10,
      measured: true,
    })),
  };
}
