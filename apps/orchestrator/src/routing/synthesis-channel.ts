/** One Synthesize stream to one worker: requests out, frames to their utterances, and the watch over the worker. Chooses no worker and retries nothing. */
import { AntiphonError, ERROR_CODES, FRAME_BYTES, PROGRESS_TIMEOUT_MS } from "@antiphon/protocol";
import {
  type AudioFrame,
  ControlAction,
  type SynthesizeRequestSchema,
  TimingSource,
} from "@antiphon/protocol/worker";
import { BoundedQueue, type Clock, deadline, type Timer } from "@antiphon/runtime";
import type { Log } from "@antiphon/runtime/log";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { SpeechFeed } from "./speech-feed.ts";
import type { WorkerConnection } from "./worker-connections.ts";

export interface SynthesisChannelOptions {
  workerId: string;
  /** As the worker knows it: this channel's alone. */
  sessionId: string;
  tts: Pick<WorkerConnection["tts"], "synthesize" | "control" | "endSession">;
  clock: Clock;
  log: Log;
  /** The worker ended this utterance without speaking it whole, for a reason that another try may not meet. */
  onFailed: (utteranceId: string, error: AntiphonError) => void;
  /** Once, and not after `close`: nothing more comes from this worker. */
  onLost: (error: AntiphonError) => void;
}

/**
 * Opened by the first utterance; utterances are spoken in the order in which they began. Reads on only while the utterance
 * whose turn it is has room, so that an unread answer holds up the worker and not this process' memory.
 */
export class SynthesisChannel {
  readonly workerId: string;
  readonly #options: SynthesisChannelOptions;
  readonly #requests = new BoundedQueue<Request>({ max: REQUESTS_MAX, overflow: "reject" });
  readonly #live = new Map<string, Live>();
  readonly #abort = new AbortController();
  #opened = false;
  #over = false;
  #paused = false;
  #controlSeq = 0;
  #retired = false;
  /** A message is awaited: time now counts against the worker. */
  #reading = false;
  #silentMs = 0;
  #unansweredMs = 0;
  #watch: Timer | undefined;

  constructor(options: SynthesisChannelOptions) {
    this.#options = options;
    this.workerId = options.workerId;
  }

  get closed(): boolean {
    return this.#over;
  }

  begin(utterance: { utteranceId: string; text: string; attempt: number; feed: SpeechFeed }): void {
    const { utteranceId, text, attempt, feed } = utterance;
    this.#live.set(utteranceId, { attempt, feed, frames: 0 });
    this.#request(utteranceId, attempt, { case: "text", value: { text } });
    this.#request(utteranceId, attempt, { case: "end", value: {} });
    if (this.#opened || this.#over) return;
    this.#opened = true;
    this.#armWatch();
    void this.#read();
  }

  /** STOP: the worker is told, and what still comes of this utterance is dropped here. */
  stop(utteranceId: string): void {
    if (!this.#live.delete(utteranceId)) return;
    this.#control(ControlAction.STOP, utteranceId);
    this.#closeIfRetired();
  }

  setPaused(paused: boolean): void {
    this.#paused = paused;
    this.#control(paused ? ControlAction.PAUSE : ControlAction.RESUME, "");
  }

  /** Takes nothing new, and closes once what it has is spoken. */
  retire(): void {
    this.#retired = true;
    this.#closeIfRetired();
  }

  close(): void {
    if (this.#over) return;
    this.#end();
    this.#tell("EndSession", (signal) =>
      this.#options.tts.endSession({ sessionId: this.#options.sessionId }, { signal }),
    );
  }

  #closeIfRetired(): void {
    if (this.#retired && this.#live.size === 0) this.close();
  }

  #request(utteranceId: string, attempt: number, kind: NonNullable<Request["kind"]>): void {
    const { sessionId } = this.#options;
    const outcome = this.#requests.push({ sessionId, utteranceId, attempt, kind });
    if (outcome === "rejected") this.#lose(new Error("the worker takes no requests"));
  }

  async #read(): Promise<void> {
    try {
      const frames = this.#options.tts
        .synthesize(generated(this.#requests), { signal: this.#abort.signal })
        [Symbol.asyncIterator]();
      for (;;) {
        this.#silentMs = 0;
        this.#reading = true;
        const next = await frames.next();
        this.#reading = false;
        if (this.#over) return;
        if (next.done === true) throw new Error("the worker ended the stream");
        await this.#take(next.value);
        if (this.#over) return;
      }
    } catch (reason) {
      // `Canceled` included: while we did not abort, it means that the connection broke.
      this.#lose(reason);
    }
  }

  async #take({ utteranceId, attempt, kind }: AudioFrame): Promise<void> {
    if (kind.case === "progress" || kind.case === undefined) return;
    this.#unansweredMs = 0;
    const live = this.#live.get(utteranceId);
    // Stopped here, or of an attempt that is over: late frames mean nothing any more.
    if (live === undefined || live.attempt !== attempt) return;
    const { feed } = live;
    switch (kind.case) {
      case "started":
        feed.push({ kind: "started", model: kind.value.model, voice: kind.value.voice });
        return;
      case "audio":
        if (kind.value.seq !== live.frames) throw new Error("the worker skipped a frame");
        if (kind.value.pcm.byteLength !== FRAME_BYTES)
          throw new Error("the worker sent a wrong frame size");
        live.frames += 1;
        feed.push({ kind: "audio", pcm: kind.value.pcm });
        break;
      case "wordTimings":
        feed.push({
          kind: "words",
          words: kind.value.words.map(({ text, startSample, endSample, source }) => ({
            text,
            startSample,
            endSample,
            measured: source === TimingSource.MEASURED,
          })),
        });
        break;
      case "done":
        this.#live.delete(utteranceId);
        feed.push({ kind: "done", samples: kind.value.samples });
        feed.finish();
        this.#closeIfRetired();
        return;
      case "cancelled":
      case "error":
        this.#live.delete(utteranceId);
        this.#options.onFailed(utteranceId, failureOf(kind));
        this.#closeIfRetired();
        return;
    }
    await feed.room();
  }

  /** Counts ticks, not time: a tick that comes late because this process was busy counts once, so its lateness is forgiven. */
  #armWatch(): void {
    this.#watch = this.#options.clock.setTimer(WATCH_TICK_MS, () => {
      if (this.#over) return;
      this.#armWatch();
      if (!this.#reading) return;
      this.#silentMs += WATCH_TICK_MS;
      this.#unansweredMs =
        this.#live.size === 0 || this.#paused ? 0 : this.#unansweredMs + WATCH_TICK_MS;
      // The tick under way may have begun before the wait did.
      if (this.#silentMs > PROGRESS_TIMEOUT_MS) this.#lose(new Error("the worker fell silent"));
      else if (this.#unansweredMs > UNANSWERED_MS_MAX)
        this.#lose(new Error("the worker speaks nothing"));
    });
  }

  #lose(reason: unknown): void {
    if (this.#over) return;
    const { workerId, log, onLost } = this.#options;
    log.warn(
      { workerId, sessionId: this.#options.sessionId, err: reason },
      "synthesis stream lost",
    );
    this.close();
    onLost(new AntiphonError("unavailable", "The voice worker was lost.", { cause: reason }));
  }

  #end(): void {
    this.#over = true;
    this.#live.clear();
    this.#watch?.cancel();
    this.#requests.close();
    this.#abort.abort();
  }

  #control(action: ControlAction, utteranceId: string): void {
    if (this.#over || !this.#opened) return;
    const { sessionId, tts } = this.#options;
    const controlSeq = ++this.#controlSeq;
    this.#tell("Control", (signal) =>
      tts.control({ sessionId, utteranceId, action, controlSeq }, { signal }),
    );
  }

  /** Said once and not waited for: should it not arrive, the stream's own watch says more, and sooner. */
  #tell(what: string, call: (signal: AbortSignal) => Promise<unknown>): void {
    const { clock, log, workerId, sessionId } = this.#options;
    const limit = deadline(clock, TELL_DEADLINE_MS, () => new Error("no answer in time"));
    call(limit.signal)
      .catch((reason: unknown) => {
        log.debug({ workerId, sessionId, what, err: reason }, "a worker did not answer");
      })
      .finally(() => limit.dispose());
  }
}

/** Connect asks for an iterator with `throw`, which generators have. */
async function* generated<T>(values: AsyncIterable<T>): AsyncGenerator<T> {
  yield* values;
}

type Request = MessageInitShape<typeof SynthesizeRequestSchema>;

interface Live {
  attempt: number;
  feed: SpeechFeed;
  frames: number;
}

function failureOf(
  kind: Extract<AudioFrame["kind"], { case: "cancelled" | "error" }>,
): AntiphonError {
  if (kind.case === "cancelled") {
    return new AntiphonError("unavailable", "The voice worker gave the utterance up.");
  }
  const { code: said, message, retryable } = kind.value;
  const code = ERROR_CODES.find((candidate) => candidate === said) ?? "internal";
  return new AntiphonError(code, message, { retryable });
}

/** Two a text: far more utterances than anybody sends ahead. */
const REQUESTS_MAX = 64;
const WATCH_TICK_MS = 50;
/** The supervisor ends a model that hangs after seconds; a worker that lives and yet says nothing this long is broken. */
const UNANSWERED_MS_MAX = 15_000;
const TELL_DEADLINE_MS = 1_000;
