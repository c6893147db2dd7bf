/** The supervisor of one inference child: its life, its jobs and their deadlines. What is computed is the child's business. */
import { AntiphonError } from "@antiphon/protocol";
import type { Clock } from "@antiphon/runtime";
import type { Log } from "@antiphon/runtime/log";
import type {
  RecognitionRequest,
  RecognitionResult,
  SpeechOutput,
  SpeechRequest,
} from "../adapters/adapter.ts";
import type { ChildHandle } from "./child-handle.ts";
import type { ModelDescription, ToChild } from "./child-message.ts";
import type { InferenceProcess, TranscribeOptions } from "./inference-process.ts";
import type { Job } from "./job.ts";
import { JobTable } from "./job-table.ts";
import { createLatencyEstimate, type LatencyEstimate } from "./latency-estimate.ts";
import { type JobPriority, SlotQueue } from "./slot-queue.ts";

export interface InferenceChildProcessOptions {
  model: string;
  spawn: () => ChildHandle;
  clock: Clock;
  log: Log;
  /** Says each change of state; `failure` goes with `failed`. */
  onState: (state: ProcessState, failure: string) => void;
}

/** `stopped` and `failed` end a life; `start` begins another. */
export type ProcessState = "stopped" | "starting" | "ready" | "failed";

/**
 * Starts the child, gives it jobs while it has slots, and kills it when a reader has waited too long for it. A child that ends
 * unasked fails its jobs with a retryable error and is started again, a few times a minute at most.
 */
export class InferenceChildProcess implements InferenceProcess {
  readonly #options: InferenceChildProcessOptions;
  readonly #slots: SlotQueue;
  readonly #jobs = new JobTable();
  #child: ChildHandle | undefined;
  #gone: Promise<void> = Promise.resolve();
  #state: ProcessState = "stopped";
  #description: ModelDescription | undefined;
  #latency: LatencyEstimate | undefined;
  #restartsMs: number[] = [];
  #started: PromiseWithResolvers<ModelDescription> | undefined;

  constructor(options: InferenceChildProcessOptions) {
    this.#options = options;
    this.#slots = new SlotQueue({
      clock: options.clock,
      waitingMax: WAITING_MAX,
      waitMsMax: WAIT_MS_MAX,
    });
  }

  /** Jobs that compute or wait to. */
  get busy(): number {
    return this.#slots.busy + this.#slots.waiting;
  }

  /** Of the first output of a job, moving average. */
  get firstOutputMs(): number {
    return this.#latency?.averageMs ?? 0;
  }

  /** Resolves when the model is loaded and warm. Rejects with `unavailable` when it can't be; then `start` may be tried again. */
  start(): Promise<ModelDescription> {
    this.#restartsMs = [];
    this.#slots.open();
    const started = Promise.withResolvers<ModelDescription>();
    this.#started = started;
    this.#spawn();
    return started.promise;
  }

  /** Ends the process; jobs under way fail. Resolves when it is gone, and the memory free. */
  async stop(): Promise<void> {
    const gone = this.#gone;
    this.#fail("stopped", "The model was unloaded.");
    await gone;
  }

  async *synthesize(request: SpeechRequest, signal: AbortSignal): AsyncIterable<SpeechOutput> {
    const job = await this.#begin("final", signal, (id) => ({
      type: "speak",
      job: id,
      request,
      credit: CREDIT_MESSAGES,
    }));
    if (job === undefined) return;
    try {
      for await (const output of this.#read(job, request.text.length, signal)) {
        if (output.kind !== "transcript") yield output;
      }
    } finally {
      this.#leave(job);
    }
  }

  async transcribe(
    request: RecognitionRequest,
    options: TranscribeOptions,
  ): Promise<RecognitionResult> {
    const { priority, signal, onBegun } = options;
    const job = await this.#begin(priority, signal, (id) => ({
      type: "transcribe",
      job: id,
      request,
    }));
    signal.throwIfAborted();
    if (job === undefined) throw unavailable("The model is not running.");
    onBegun();
    try {
      for await (const output of this.#read(job, request.samples.length, signal)) {
        if (output.kind === "transcript") return output.result;
      }
      signal.throwIfAborted();
      throw new AntiphonError("internal", "The recogniser ended without an answer.");
    } finally {
      this.#leave(job);
    }
  }

  /** Undefined when the signal aborted before the job had begun: it never runs. */
  async #begin(
    priority: JobPriority,
    signal: AbortSignal,
    message: (id: number) => ToChild,
  ): Promise<Job | undefined> {
    let release: () => void;
    try {
      release = await this.#slots.acquire(priority, signal);
    } catch (reason) {
      if (signal.aborted) return undefined;
      throw reason;
    }
    const child = this.#child;
    if (signal.aborted || child === undefined) {
      release();
      if (signal.aborted) return undefined;
      throw unavailable("The model is not running.");
    }
    // The slot is the job's until the child says that it is over: a cancelled run still computes.
    const job = this.#jobs.add(release);
    child.send(message(job.id));
    return job;
  }

  /** Ends quietly when the signal aborts. The deadline runs only while the reader waits and the child has something to do. */
  async *#read(job: Job, length: number, signal: AbortSignal) {
    const { clock } = this.#options;
    const beganMs = clock.nowMs();
    let first = true;
    for (;;) {
      const output = job.shift();
      if (output !== undefined) {
        if (first) this.#latency?.learn(length, clock.nowMs() - beganMs);
        first = false;
        yield output;
        if (signal.aborted) return;
        if (output.kind === "samples") {
          this.#child?.send({ type: "credit", job: job.id, messages: 1 });
        }
        continue;
      }
      job.throwIfFailed();
      if (job.ended || signal.aborted) return;
      const timer = clock.setTimer(this.#deadlineMs(length), () => this.#hung(job));
      await job.changed(signal);
      timer.cancel();
    }
  }

  /** Four times the prediction, which jobs that share the child make longer. */
  #deadlineMs(length: number): number {
    const predictedMs = (this.#latency?.predictMs(length) ?? 0) * Math.max(1, this.#jobs.size);
    return Math.max(DEADLINE_MS_MIN[this.#description?.kind ?? "tts"], 4 * predictedMs);
  }

  /** The reader is gone. The child is told, and must say in time that it has stopped. */
  #leave(job: Job): void {
    if (job.ended) return;
    this.#child?.send({ type: "cancel", job: job.id });
    const timer = this.#options.clock.setTimer(CANCEL_MS_MAX, () => this.#hung(job));
    job.onEnd(() => timer.cancel());
  }

  #hung(job: Job): void {
    if (job.ended) return;
    this.#options.log.warn({ model: this.#options.model }, "inference child hangs and is killed");
    // No slot is free until the next child is there, or a waiting job would begin in this one.
    this.#slots.setSlots(0);
    this.#jobs.fail(
      job,
      new AntiphonError("deadline_exceeded", "The model did not answer in time."),
    );
    this.#child?.kill();
  }

  #spawn(): void {
    const { clock, spawn } = this.#options;
    this.#setState("starting", "");
    const child = spawn();
    this.#child = child;
    const readyTimer = clock.setTimer(READY_MS_MAX, () => child.kill());
    let failure = "";
    child.onMessage((message) => {
      if (this.#child !== child) return;
      if (message.type === "load-failed") failure = message.message;
      else if (message.type === "ready") {
        readyTimer.cancel();
        this.#ready(message.description, message.warmUpMs);
      } else this.#jobs.take(message);
    });
    this.#gone = new Promise((resolve) => {
      child.onExit((how) => {
        readyTimer.cancel();
        resolve();
        if (this.#child === child) this.#lost(failure || `the process ended (${how})`);
      });
    });
  }

  #ready(description: ModelDescription, warmUpMs: number): void {
    this.#description = description;
    if (this.#latency === undefined) {
      this.#latency = createLatencyEstimate(description);
      this.#latency.learn(WARM_UP_LENGTHS[description.kind], warmUpMs);
    }
    this.#setState("ready", "");
    this.#slots.setSlots(description.slots);
    this.#started?.resolve(description);
    this.#started = undefined;
  }

  /** The child ended without being asked to: while it loaded, that is an answer; later it is started again. */
  #lost(failure: string): void {
    const { clock, log, model } = this.#options;
    this.#child = undefined;
    this.#slots.setSlots(0);
    this.#jobs.failAll(unavailable("The model's process was lost."));
    if (this.#started !== undefined) {
      this.#fail("failed", failure);
      return;
    }
    const nowMs = clock.nowMs();
    this.#restartsMs = [...this.#restartsMs.filter((ms) => nowMs - ms < RESTART_WINDOW_MS), nowMs];
    if (this.#restartsMs.length > RESTARTS_MAX) {
      this.#fail("failed", `${failure}, ${this.#restartsMs.length} times within a minute`);
      return;
    }
    log.warn(
      { model, failure, restarts: this.#restartsMs.length },
      "inference child lost, restarted",
    );
    this.#spawn();
  }

  #fail(state: "stopped" | "failed", failure: string): void {
    const child = this.#child;
    this.#child = undefined;
    child?.kill();
    const error = unavailable(state === "stopped" ? failure : "The model could not be started.");
    this.#slots.close(error);
    this.#jobs.failAll(error);
    if (state === "failed") {
      this.#options.log.error({ model: this.#options.model, failure }, "model failed");
    }
    this.#setState(state, state === "failed" ? failure : "");
    this.#started?.reject(unavailable(`The model could not be loaded: ${failure}`));
    this.#started = undefined;
  }

  #setState(state: ProcessState, failure: string): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onState(state, failure);
  }
}

function unavailable(message: string): AntiphonError {
  return new AntiphonError("unavailable", message);
}

/** Messages of 100 ms that the child may send ahead of its reader: covers the way there and back, wastes little on a STOP. */
const CREDIT_MESSAGES = 4;
/** As many utterances as a stream may have pending; beyond it somebody else should speak. */
const WAITING_MAX = 256;
/** A listener has given up by then. */
const WAIT_MS_MAX = 5_000;
/** Speech: a second without sound is noticed. Recognition: one pass over 30 s on a busy core takes several. */
const DEADLINE_MS_MIN = { tts: 1_000, asr: 10_000 } as const;
/** A run that can't be interrupted (an encoder pass, a sentence) ends well within this. */
const CANCEL_MS_MAX = 5_000;
/** Gigabytes from a slow disk; what takes longer is as good as broken. */
const READY_MS_MAX = 120_000;
const RESTARTS_MAX = 5;
const RESTART_WINDOW_MS = 60_000;
/** Characters of the warm-up text, samples of the warm-up audio. */
const WARM_UP_LENGTHS = { tts: 25, asr: 16_000 } as const;
