/** One Transcribe stream to one worker: requests out, answers back, and the watch over the worker. Chooses no worker and retries nothing. */
import { AntiphonError, PROGRESS_TIMEOUT_MS } from "@antiphon/protocol";
import type {
  AsrService,
  TranscribeRequestSchema,
  TranscribeResponse,
} from "@antiphon/protocol/worker";
import { BoundedQueue, type Clock, type Timer } from "@antiphon/runtime";
import type { Log } from "@antiphon/runtime/log";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";

export type TranscribeClient = Pick<Client<typeof AsrService>, "transcribe">;
export type SegmentRequest = NonNullable<MessageInitShape<typeof TranscribeRequestSchema>["kind"]>;
export type SegmentAnswer = TranscribeResponse["kind"];

export interface TranscriptionChannelOptions {
  workerId: string;
  sessionId: string;
  asr: TranscribeClient;
  clock: Clock;
  log: Log;
  onAnswer: (segmentId: string, answer: SegmentAnswer) => void;
  /** Once, and not after `close`: nothing more comes from this worker. */
  onLost: (error: AntiphonError) => void;
}

/** Opens at once and stays open over many segments. */
export class TranscriptionChannel {
  readonly workerId: string;
  readonly #options: TranscriptionChannelOptions;
  readonly #requests = new BoundedQueue<MessageInitShape<typeof TranscribeRequestSchema>>({
    max: REQUESTS_MAX,
    overflow: "reject",
  });
  readonly #abort = new AbortController();
  #over = false;
  #answered = false;
  #silentMs = 0;
  #watch: Timer | undefined;

  constructor(options: TranscriptionChannelOptions) {
    this.#options = options;
    this.workerId = options.workerId;
    this.#armWatch();
    void this.#read();
  }

  /** Never blocks: a worker that takes nothing for a minute of audio is given up. */
  send(segmentId: string, kind: SegmentRequest): void {
    if (this.#over) return;
    const { sessionId } = this.#options;
    const outcome = this.#requests.push({ sessionId, segmentId, kind });
    if (outcome === "rejected") this.lose(new Error("the worker takes no requests"));
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#watch?.cancel();
    this.#requests.close();
    this.#abort.abort();
  }

  /** Gives the worker up, for a reason that is seen here or above. */
  lose(reason: unknown): void {
    if (this.#over) return;
    const { workerId, sessionId, log, onLost } = this.#options;
    log.warn({ workerId, sessionId, err: reason }, "transcription stream lost");
    this.close();
    onLost(new AntiphonError("unavailable", "The recogniser was lost.", { cause: reason }));
  }

  async #read(): Promise<void> {
    try {
      const answers = this.#options.asr.transcribe(generated(this.#requests), {
        signal: this.#abort.signal,
      });
      for await (const { segmentId, kind } of answers) {
        if (this.#over) return;
        this.#answered = true;
        this.#silentMs = 0;
        if (kind.case !== "progress") this.#options.onAnswer(segmentId, kind);
      }
      throw new Error("the worker ended the stream");
    } catch (reason) {
      // `Canceled` included: while we did not abort, it means that the connection broke.
      this.lose(reason);
    }
  }

  /** Counts ticks, not time: a tick that comes late because this process was busy counts once, so its lateness is forgiven. */
  #armWatch(): void {
    this.#watch = this.#options.clock.setTimer(WATCH_TICK_MS, () => {
      if (this.#over) return;
      this.#armWatch();
      this.#silentMs += WATCH_TICK_MS;
      // The tick under way may have begun before the last answer came.
      const limitMs = this.#answered ? PROGRESS_TIMEOUT_MS : FIRST_ANSWER_MS_MAX;
      if (this.#silentMs > limitMs) this.lose(new Error("the worker fell silent"));
    });
  }
}

/** The transport throws into what it reads once the call is over, which a queue's iterator cannot take but a generator can. */
async function* generated<T>(queue: BoundedQueue<T>): AsyncGenerator<T> {
  yield* queue;
}

/** The replays of all the segments a session may have under way: eight of 500 frames, a begin and an end. */
const REQUESTS_MAX = 4_096;
const WATCH_TICK_MS = 50;
/** The first answer waits for a connection as well, and for a worker whose code has not run yet. */
const FIRST_ANSWER_MS_MAX = 1_000;
