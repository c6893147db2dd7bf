/** Tells each orchestrator that this worker lives and what it can do. Owns the rhythm and the signature; what is said comes from outside. */
import { BEAT_INTERVAL_MS } from "@antiphon/protocol";
import {
  RegistryService,
  signBeat,
  type WorkerBeat,
  WorkerBeatSchema,
} from "@antiphon/protocol/worker";
import type { Clock, Timer } from "@antiphon/runtime";
import type { Log } from "@antiphon/runtime/log";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

/** What varies from beat to beat. */
export type BeatContent = Omit<
  MessageInitShape<typeof WorkerBeatSchema>,
  "workerId" | "seq" | "leaving" | "$typeName"
>;

/** Takes one signed beat to one orchestrator. */
export interface BeatSender {
  readonly url: string;
  send(beat: ReturnType<typeof signBeat>, signal: AbortSignal): Promise<void>;
  close(): void;
}

export interface WorkerBeatOptions {
  senders: readonly BeatSender[];
  workerId: string;
  poolSecret: string;
  content: () => BeatContent;
  clock: Clock;
  log: Log;
  /** In [0, 1). */
  random: () => number;
}

/** Beats until stopped. A beat that fails is a beat missed: the next one follows anyway, and failures are logged rarely. */
export class WorkerBeats {
  readonly #options: WorkerBeatOptions;
  readonly #targets: Target[];
  #seq = 0;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: WorkerBeatOptions) {
    this.#options = options;
    this.#targets = options.senders.map((sender) => ({ sender, failures: 0 }));
  }

  start(): void {
    this.#beat();
  }

  /** Says that this worker leaves now; resolves when everybody was told or the beats' deadline has passed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    const beat = this.#sign(true);
    await Promise.all(this.#targets.map((target) => this.#send(target, beat)));
    for (const target of this.#targets) target.sender.close();
  }

  #beat(): void {
    const { clock, random } = this.#options;
    const beat = this.#sign(false);
    for (const target of this.#targets) void this.#send(target, beat);
    // A pool that was started at once must not beat at once.
    const jitter = 1 + JITTER * (2 * random() - 1);
    this.#timer = clock.setTimer(BEAT_INTERVAL_MS * jitter, () => {
      if (!this.#stopped) this.#beat();
    });
  }

  #sign(leaving: boolean): ReturnType<typeof signBeat> {
    const { workerId, poolSecret, content } = this.#options;
    const beat: WorkerBeat = create(WorkerBeatSchema, {
      ...content(),
      workerId,
      seq: ++this.#seq,
      leaving,
    });
    return signBeat(beat, poolSecret);
  }

  async #send(target: Target, beat: ReturnType<typeof signBeat>): Promise<void> {
    const { clock, log } = this.#options;
    const limit = new AbortController();
    const timer = clock.setTimer(BEAT_MS_MAX, () => limit.abort());
    try {
      await target.sender.send(beat, limit.signal);
      if (target.failures > 0) log.info({ url: target.sender.url }, "registry reached again");
      target.failures = 0;
    } catch (reason) {
      if (target.failures % FAILURES_PER_LOG === 0) {
        const { url } = target.sender;
        log.warn({ url, failures: target.failures + 1, err: reason }, "registry not reached");
      }
      target.failures++;
    } finally {
      timer.cancel();
    }
  }
}

interface Target {
  sender: BeatSender;
  /** In a row. */
  failures: number;
}

/** Over gRPC, to the RegistryService of the orchestrator at `url`. */
export function createBeatSender(url: string, internalSecret: string): BeatSender {
  const sessionManager = new QuietSessionManager(url, { idleConnectionTimeoutMs: 60_000 });
  const client = createClient(
    RegistryService,
    createGrpcTransport({ baseUrl: url, sessionManager, acceptCompression: [] }),
  );
  const headers: Record<string, string> =
    internalSecret === "" ? {} : { authorization: `Bearer ${internalSecret}` };
  return {
    url,
    async send(beat, signal) {
      await client.beat(beat, { headers, signal });
    },
    close: () => sessionManager.abort(),
  };
}

/** An orchestrator that leaves says GOAWAY between two beats, when nobody listens: an unheard `error` event would end this process. */
class QuietSessionManager extends Http2SessionManager {
  readonly #heard = new WeakSet<object>();

  override async request(
    ...args: Parameters<Http2SessionManager["request"]>
  ): ReturnType<Http2SessionManager["request"]> {
    const stream = await super.request(...args);
    const { session } = stream;
    if (session !== undefined && !this.#heard.has(session)) {
      this.#heard.add(session);
      // The beat that needs the connection next fails, and is counted.
      session.on("error", () => {});
    }
    return stream;
  }
}

/** So that beats of many workers spread; the receiver's limits leave room for it. */
const JITTER = 0.1;
/** By then two more beats were due; so a peer that hangs never holds more than three. */
const BEAT_MS_MAX = 500;
/** About once a minute at five beats a second. */
const FAILURES_PER_LOG = 300;
