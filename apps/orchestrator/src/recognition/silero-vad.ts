/** Speech probabilities for every session of this process, from one thread. Owns the thread's life and the way to it; the graph is the thread's. */
import { Worker } from "node:worker_threads";
import { FRAME_SAMPLES } from "@antiphon/audio";
import { type Clock, delay, systemClock, type Timer } from "@antiphon/runtime";
import type { Log } from "@antiphon/runtime/log";
import type { VadStream, VadWindow, VoiceActivityDetector } from "../session/ports.ts";
import { FrameBatch } from "./frame-batch.ts";
import type { DetectorReply, DetectorRequest } from "./silero-message.ts";

export interface SileroVad extends VoiceActivityDetector {
  /** The model is loaded. Rejects when that fails at the first try: the process is of no use then. */
  readonly ready: Promise<void>;
  /** Asks the thread to stop and waits until it has. Ending the process before that would end a thread in mid-run, and so abort. */
  close(): Promise<void>;
}

export interface SileroVadOptions {
  log: Log;
  clock?: Clock;
  /** The detector died oftener than it may: nothing will be judged any more, and the process should go. */
  onGivenUp?: (reason: Error) => void;
  startThread?: () => DetectorThread;
}

/** As much of a worker thread as is used: never `terminate`, which aborts the whole process while the graph runs. */
export interface DetectorThread {
  postMessage(request: DetectorRequest, transfer: ArrayBuffer[]): void;
  on(event: "message", listener: (reply: DetectorReply) => void): unknown;
  on(event: "error", listener: (reason: unknown) => void): unknown;
  on(event: "exit", listener: (code: number) => void): unknown;
  unref(): void;
}

/**
 * Frames are collected for 4 ms and sent in one message, so that the windows of all sessions run as one batch. A thread that
 * dies is replaced, within a budget: streams go on from where they are, with fresh state and some windows missing.
 */
export function createSileroVad(options: SileroVadOptions): SileroVad {
  return new ThreadedDetector(options);
}

class ThreadedDetector implements SileroVad {
  readonly ready: Promise<void>;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #startThread: () => DetectorThread;
  readonly #onGivenUp: (reason: Error) => void;
  readonly #streams = new Map<number, (window: VadWindow) => void>();
  readonly #pending = new FrameBatch();
  readonly #loaded = Promise.withResolvers<void>();
  #thread: DetectorThread | undefined;
  #threadReady = false;
  #exited = Promise.withResolvers<void>();
  #everReady = false;
  #lastStreamId = 0;
  #unanswered = 0;
  /** When each replacement was started. */
  #restartsMs: number[] = [];
  #timer: Timer | undefined;
  #state: "running" | "given-up" | "closed" = "running";

  constructor(options: SileroVadOptions) {
    this.#log = options.log;
    this.#clock = options.clock ?? systemClock;
    this.#startThread = options.startThread ?? startThread;
    this.#onGivenUp = options.onGivenUp ?? (() => {});
    this.ready = this.#loaded.promise;
    // Whoever does not wait for it learns of a failure from `onGivenUp`.
    this.ready.catch(() => {});
    this.#start();
  }

  open(onWindow: (window: VadWindow) => void): VadStream {
    const streamId = ++this.#lastStreamId;
    this.#streams.set(streamId, onWindow);
    let nextSample = 0;
    return {
      push: (frame) => {
        if (!this.#streams.has(streamId) || this.#state !== "running") return;
        this.#pending.push(streamId, nextSample, frame);
        nextSample += FRAME_SAMPLES;
        this.#schedule();
      },
      close: () => {
        if (!this.#streams.delete(streamId)) return;
        this.#pending.close(streamId);
        this.#schedule();
      },
    };
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return this.#exited.promise;
    this.#state = "closed";
    this.#timer?.cancel();
    this.#streams.clear();
    const thread = this.#thread;
    if (thread === undefined) return;
    this.#post({ kind: "stop" }, []);
    const waiting = new AbortController();
    const tooLate = delay(this.#clock, STOP_DEADLINE_MS, waiting.signal).then(
      () => {
        this.#log.error("the speech detector does not stop; leaving it behind");
        thread.unref();
      },
      () => {},
    );
    await Promise.race([this.#exited.promise, tooLate]);
    waiting.abort();
  }

  #start(): void {
    const thread = this.#startThread();
    let failure: Error | undefined;
    this.#thread = thread;
    this.#threadReady = false;
    this.#exited = Promise.withResolvers<void>();
    this.#unanswered = 0;
    thread.on("message", (reply: DetectorReply) => this.#take(reply));
    thread.on("error", (reason: unknown) => {
      failure = reason instanceof Error ? reason : new Error(String(reason));
    });
    // Always the last event, also after an error.
    thread.on("exit", (code: number) => {
      this.#thread = undefined;
      this.#threadReady = false;
      this.#exited.resolve();
      if (this.#state === "running") {
        this.#died(failure ?? new Error(`the speech detector's thread exited with ${code}`));
      }
    });
  }

  #take(reply: DetectorReply): void {
    if (reply.kind === "ready") {
      this.#threadReady = true;
      this.#everReady = true;
      this.#loaded.resolve();
      this.#schedule();
      return;
    }
    this.#unanswered -= reply.answered;
    for (const [index, streamId] of reply.streamIds.entries()) {
      const endSample = reply.endSamples[index];
      const probability = reply.probabilities[index];
      if (endSample === undefined || probability === undefined) continue;
      this.#tell(streamId, { endSample, probability });
    }
    this.#schedule();
  }

  /** One listener's fault is not the others'. */
  #tell(streamId: number, window: VadWindow): void {
    try {
      this.#streams.get(streamId)?.(window);
    } catch (err) {
      this.#log.error({ err }, "a listener of the speech detector failed");
    }
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#pending.empty || this.#state !== "running") return;
    // With two messages on their way the thread is behind: the answer to one of them comes back here.
    if (!this.#threadReady || this.#unanswered >= UNANSWERED_MAX) return;
    this.#timer = this.#clock.setTimer(BATCH_INTERVAL_MS, () => {
      this.#timer = undefined;
      if (!this.#threadReady) return;
      const request = this.#pending.take();
      this.#unanswered++;
      this.#post(request, [request.pcm.buffer]);
    });
  }

  #post(request: DetectorRequest, transfer: ArrayBuffer[]): void {
    this.#thread?.postMessage(request, transfer);
  }

  #died(reason: Error): void {
    const nowMs = this.#clock.nowMs();
    this.#restartsMs = this.#restartsMs.filter((atMs) => nowMs - atMs < RESTART_WINDOW_MS);
    if (!this.#everReady || this.#restartsMs.length >= RESTARTS_MAX) {
      this.#state = "given-up";
      this.#log.error({ err: reason }, "the speech detector is given up");
      this.#loaded.reject(reason);
      this.#onGivenUp(reason);
      return;
    }
    this.#log.error({ err: reason }, "the speech detector died; starting another");
    this.#restartsMs.push(nowMs);
    this.#start();
  }
}

function startThread(): DetectorThread {
  return new Worker(new URL("./silero-vad-thread.ts", import.meta.url), {
    name: "silero-vad",
  });
}

/**
 * Everybody who speaks over a reply waits for it. With 50 sessions a batch of 4 ms still has windows of several in it, and batching costs a
 * third of running them one by one; with 10 ms each pause of a reply came 7 ms later.
 */
const BATCH_INTERVAL_MS = 4;
/** One being judged, one behind it. */
const UNANSWERED_MAX = 2;
/** Loading takes 0.2 s, so a thread that dies at once uses the budget up within a second and a half. */
const RESTARTS_MAX = 5;
const RESTART_WINDOW_MS = 60_000;
/** A run takes milliseconds; a machine that stalls for seconds is not worth waiting for. */
const STOP_DEADLINE_MS = 5_000;
