/** One job as the supervisor sees it: what the child has sent, and the reader who waits for it. Owns no deadline and no process. */
import { Waiter } from "@antiphon/runtime";
import type { RecognitionResult, SpeechOutput } from "../adapters/adapter.ts";

/** What a job's reader gets; samples and words of speech, or one transcript. */
export type JobOutput = SpeechOutput | { kind: "transcript"; result: RecognitionResult };

/** Filled by the child's messages, bounded by the credit it was given; read by one reader. */
export class Job {
  readonly id: number;
  readonly #outputs: JobOutput[] = [];
  #end: { error?: unknown } | undefined;
  readonly #reader = new Waiter();
  readonly #endListeners: Array<() => void> = [];

  /** `release` gives the job's slot back; called once, at its end. */
  constructor(id: number, release: () => void) {
    this.id = id;
    this.#endListeners.push(release);
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  /** The oldest output not yet read. */
  shift(): JobOutput | undefined {
    return this.#outputs.shift();
  }

  push(output: JobOutput): void {
    this.#outputs.push(output);
    this.#reader.wake();
  }

  /** Without an error: the job is complete, what was pushed is still read. The first end counts. */
  end(error?: unknown): void {
    if (this.ended) return;
    this.#end = error === undefined ? {} : { error };
    for (const listener of this.#endListeners.splice(0)) listener();
    this.#reader.wake();
  }

  onEnd(listener: () => void): void {
    if (this.ended) listener();
    else this.#endListeners.push(listener);
  }

  /** Throws the error that ended the job, if one did. */
  throwIfFailed(): void {
    if (this.#end !== undefined && "error" in this.#end) throw this.#end.error;
  }

  /** Resolves when there is something to read, the job ended, or `signal` aborted. */
  async changed(signal: AbortSignal): Promise<void> {
    if (this.#outputs.length === 0 && !this.ended) await this.#reader.wait(signal);
  }
}
