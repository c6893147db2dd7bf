/** The jobs of one inference child: runs them on its adapter, slices and meters their output. Knows no process and no IPC. */
import { AntiphonError } from "@antiphon/protocol";
import { Waiter } from "@antiphon/runtime";
import type {
  Adapter,
  RecognitionAdapter,
  RecognitionRequest,
  SpeechAdapter,
  SpeechRequest,
} from "../adapters/adapter.ts";
import type { FromChild, ToChild } from "./child-message.ts";

export interface JobRunner {
  handle(message: ToChild): void;
  readonly jobs: number;
}

/**
 * Runs jobs side by side; the supervisor sends no more of them than the adapter has slots. What `send` gives is awaited before a
 * model goes on: it resolves when the message has left the process.
 */
export function createJobRunner(adapter: Adapter, send: Send): JobRunner {
  const jobs = new Map<number, Job>();

  /** Whatever happens, one terminal leaves. */
  async function run(job: number, credit: number, work: (state: Job) => Promise<void>) {
    const state: Job = { controller: new AbortController(), credit: new Credit(credit) };
    jobs.set(job, state);
    try {
      await work(state);
      send({ type: "ended", job });
    } catch (reason) {
      if (state.controller.signal.aborted) send({ type: "ended", job });
      else send(failureOf(job, reason));
    } finally {
      jobs.delete(job);
    }
  }

  return {
    get jobs() {
      return jobs.size;
    },
    handle(message) {
      const { job } = message;
      switch (message.type) {
        case "speak":
          void run(job, message.credit, (state) =>
            speak(speechOf(adapter), { job, request: message.request, state, send }),
          );
          break;
        case "transcribe":
          void run(job, 0, (state) =>
            transcribe(recognitionOf(adapter), { job, request: message.request, state, send }),
          );
          break;
        case "credit":
          jobs.get(job)?.credit.add(message.messages);
          break;
        case "cancel":
          jobs.get(job)?.controller.abort();
          break;
      }
    },
  };
}

interface Job {
  controller: AbortController;
  credit: Credit;
}

interface JobContext<Request> {
  job: number;
  request: Request;
  state: Job;
  send: Send;
}

type Send = (message: FromChild) => unknown;

/**
 * A streaming adapter is pulled again only when what it gave has been sent, so it computes no further ahead than the credit.
 *
 * One that gives an utterance whole has computed it already, so nothing is saved by metering it. And what it gives must have left
 * before it is pulled again: a run blocks this process for seconds, in which no credit is heard and nothing is sent.
 */
async function speak(adapter: SpeechAdapter, context: JobContext<SpeechRequest>): Promise<void> {
  const { job, request, state, send } = context;
  const { signal } = state.controller;
  const metered = !adapter.capabilities.wholeUtterance;
  for await (const output of adapter.synthesize(request, signal)) {
    if (signal.aborted) return;
    if (output.kind === "words") {
      await send({ type: "words", job, words: output.words });
      continue;
    }
    const { samples, sampleRateHz } = output;
    const sliceSamples = Math.floor((sampleRateHz * MESSAGE_MS_MAX) / 1000);
    let left: unknown;
    for (let start = 0; start < samples.length; start += sliceSamples) {
      if (metered) await state.credit.take(signal);
      // A copy: the serialiser would send a subarray's bytes alone, but its memory would live on here.
      const slice = samples.slice(start, start + sliceSamples);
      left = send({ type: "samples", job, samples: slice, sampleRateHz });
    }
    await left;
  }
}

async function transcribe(
  adapter: RecognitionAdapter,
  { job, request, state, send }: JobContext<RecognitionRequest>,
): Promise<void> {
  const result = await adapter.transcribe(request, state.controller.signal);
  if (!state.controller.signal.aborted) send({ type: "transcribed", job, result });
}

/** How many messages the reader still has room for. One taker. */
class Credit {
  #available: number;
  readonly #taker = new Waiter();

  constructor(available: number) {
    this.#available = available;
  }

  add(messages: number): void {
    this.#available += messages;
    this.#taker.wake();
  }

  /** Rejects with the signal's reason. */
  async take(signal: AbortSignal): Promise<void> {
    while (this.#available === 0 && !signal.aborted) await this.#taker.wait(signal);
    signal.throwIfAborted();
    this.#available--;
  }
}

function speechOf(adapter: Adapter): SpeechAdapter {
  if (adapter.kind === "tts") return adapter;
  throw new AntiphonError(
    "failed_precondition",
    "This model recognises speech, it does not speak.",
  );
}

function recognitionOf(adapter: Adapter): RecognitionAdapter {
  if (adapter.kind === "asr") return adapter;
  throw new AntiphonError(
    "failed_precondition",
    "This model speaks, it does not recognise speech.",
  );
}

function failureOf(job: number, reason: unknown): FromChild {
  if (reason instanceof AntiphonError) {
    const { code, message, retryable } = reason;
    return { type: "failed", job, code, message, retryable };
  }
  // The text of an unforeseen error goes to the supervisor's log, not to a client: its code is `internal`.
  const message = reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
  return {
    type: "failed",
    job,
    code: "internal",
    message: message.slice(0, 2_000),
    retryable: false,
  };
}

/** Small enough that a cancelled job wastes little, large enough that IPC costs nothing beside inference. */
const MESSAGE_MS_MAX = 100;
