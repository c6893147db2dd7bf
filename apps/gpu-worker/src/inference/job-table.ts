/** The jobs that a child is working on: takes its messages to them, and ends them when it is lost. */
import { AntiphonError } from "@antiphon/protocol";
import type { FromChild } from "./child-message.ts";
import { Job } from "./job.ts";

export class JobTable {
  readonly #jobs = new Map<number, Job>();
  #nextId = 1;

  get size(): number {
    return this.#jobs.size;
  }

  /** `onEnd` is called once, however the job ends. */
  add(onEnd: () => void): Job {
    const job = new Job(this.#nextId++, onEnd);
    this.#jobs.set(job.id, job);
    return job;
  }

  /** Messages for a job that is over are dropped. */
  take(message: Exclude<FromChild, { type: "ready" | "load-failed" }>): void {
    const job = this.#jobs.get(message.job);
    if (job === undefined) return;
    switch (message.type) {
      case "samples": {
        const { samples, sampleRateHz } = message;
        job.push({ kind: "samples", samples, sampleRateHz });
        break;
      }
      case "words":
        job.push({ kind: "words", words: message.words });
        break;
      case "transcribed":
        job.push({ kind: "transcript", result: message.result });
        break;
      case "ended":
        this.#jobs.delete(job.id);
        job.end();
        break;
      case "failed":
        this.fail(
          job,
          new AntiphonError(message.code, message.message, { retryable: message.retryable }),
        );
        break;
    }
  }

  fail(job: Job, error: AntiphonError): void {
    this.#jobs.delete(job.id);
    job.end(error);
  }

  failAll(error: AntiphonError): void {
    for (const job of [...this.#jobs.values()]) this.fail(job, error);
  }
}
