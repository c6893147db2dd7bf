/** One HTTP/2 connection and its clients per worker. Owns transport settings; chooses nobody and retries nothing. */
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { RPC_MESSAGE_BYTES_MAX } from "@antiphon/protocol";
import { AsrService, TtsService } from "@antiphon/protocol/worker";
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

export interface WorkerConnection {
  readonly tts: Client<typeof TtsService>;
  readonly asr: Client<typeof AsrService>;
}

/** Connections by worker id. A worker that restarts has a new id, and so a new connection. */
export class WorkerConnections {
  readonly #secret: string;
  readonly #connections = new Map<string, WorkerConnection & { manager: Http2SessionManager }>();

  constructor(options: { secret: string }) {
    this.#secret = options.secret;
  }

  /** Connects when first called upon. */
  of(worker: { workerId: string; address: string }): WorkerConnection {
    const known = this.#connections.get(worker.workerId);
    if (known !== undefined) return known;
    this.#dropClosed();
    const manager = new GuardedSessionManager(worker.address, {
      pingIntervalMs: PING_INTERVAL_MS,
      pingTimeoutMs: PING_TIMEOUT_MS,
      idleConnectionTimeoutMs: IDLE_CONNECTION_TIMEOUT_MS,
    });
    const transport = createGrpcTransport({
      baseUrl: worker.address,
      sessionManager: manager,
      interceptors: [bearer(this.#secret), againWhenRefused],
      // Every audio frame would be compressed otherwise, for a tenth of the throughput.
      acceptCompression: [],
      readMaxBytes: RPC_MESSAGE_BYTES_MAX,
      writeMaxBytes: RPC_MESSAGE_BYTES_MAX,
    });
    const connection = {
      manager,
      tts: createClient(TtsService, transport),
      asr: createClient(AsrService, transport),
    };
    this.#connections.set(worker.workerId, connection);
    return connection;
  }

  /** Ends every stream that is still open. */
  close(): void {
    for (const { manager } of this.#connections.values()) manager.abort();
    this.#connections.clear();
  }

  /** Idle connections close by themselves; those of workers that are no more are forgotten here. */
  #dropClosed(): void {
    for (const [workerId, { manager }] of this.#connections) {
      const state = manager.state();
      if (state === "closed" || state === "error") this.#connections.delete(workerId);
    }
  }
}

/**
 * Keeps an error listener on each HTTP/2 session for all its life.
 *
 * The base class takes its own away when it replaces a session; a GOAWAY on an idle one destroys it with an error that nobody
 * hears then, and an `error` event that nobody hears ends the process (connect-es#1768).
 */
export class GuardedSessionManager extends Http2SessionManager {
  readonly #guarded = new WeakSet<ClientHttp2Session>();

  override async request(
    ...args: Parameters<Http2SessionManager["request"]>
  ): Promise<ClientHttp2Stream> {
    const stream = await super.request(...args);
    const { session } = stream;
    if (session !== undefined && !this.#guarded.has(session as ClientHttp2Session)) {
      this.#guarded.add(session as ClientHttp2Session);
      // Whoever waits for an answer hears of it through its stream.
      session.on("error", () => {});
    }
    return stream;
  }
}

function bearer(secret: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${secret}`);
    return next(request);
  };
}

/** A call that met a GOAWAY was never looked at, says HTTP/2; it goes out once more, on the connection that replaces this one. */
const againWhenRefused: Interceptor = (next) => async (request) => {
  try {
    return await next(request);
  } catch (reason) {
    if (request.stream || !String(reason).includes("REFUSED_STREAM")) throw reason;
    return next(request);
  }
};

/**
 * Pings find a worker that hangs while nobody reads from it; the progress messages on each stream are quicker, and unlike
 * these forgive the time in which this process itself was late. So the pings have room for a stall of a second.
 */
const PING_INTERVAL_MS = 500;
const PING_TIMEOUT_MS = 1_500;
/** An idle pool keeps no sockets; opening one anew takes some milliseconds on any network worth using. */
const IDLE_CONNECTION_TIMEOUT_MS = 60_000;
