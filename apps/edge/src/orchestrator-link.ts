/** The way to an orchestrator: chooses one, dials, hands over the lease, dials again within a budget. Forwards nothing. */
import {
  AntiphonError,
  type LeaseMessage,
  ORCHESTRATOR_STREAM_PATH,
  SOCKET_SUBPROTOCOL,
} from "@antiphon/protocol";
import { type Clock, deadline, delay, untilAborted } from "@antiphon/runtime";

export interface OrchestratorLinkOptions {
  urls: readonly string[];
  secret: string;
  clock: Clock;
  fetch: typeof fetch;
  /** Grants the session anew, once a dial. */
  lease: () => LeaseMessage;
  /** A dial that failed; the next one follows. */
  onFailure: (url: string, error: unknown) => void;
}

/** Belongs to one relay. Trouble is counted from the first loss until a socket has lived long enough to trust. */
export class OrchestratorLink {
  readonly #options: OrchestratorLinkOptions;
  #openedAtMs: number | undefined;
  #troubleSinceMs = 0;
  #attempts = 0;

  constructor(options: OrchestratorLinkOptions) {
    this.#options = options;
  }

  /**
   * A socket on which the lease has been sent; `attach` adds its listeners before any message can arrive.
   * Rejects with `unavailable` when the budget is spent, or with the signal's reason.
   */
  async open(attach: (socket: WebSocket) => void, signal: AbortSignal): Promise<WebSocket> {
    const { clock, urls, onFailure } = this.#options;
    const calm =
      this.#openedAtMs === undefined || clock.nowMs() - this.#openedAtMs >= TRUSTED_AFTER_MS;
    if (calm) {
      this.#troubleSinceMs = clock.nowMs();
      this.#attempts = 0;
    }
    for (;;) {
      await this.#backOff(signal);
      for (const url of shuffled(urls)) {
        try {
          const socket = await this.#dial(url, attach, signal);
          this.#openedAtMs = clock.nowMs();
          return socket;
        } catch (error) {
          if (signal.aborted) throw signal.reason;
          onFailure(url, error);
        }
      }
    }
  }

  /** The first dial waits for nothing; later ones wait longer each time, each session for another while. */
  async #backOff(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const attempt = this.#attempts++;
    if (attempt === 0) return;
    const ceilingMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** (attempt - 1));
    const waitMs = ceilingMs * (0.5 + Math.random() / 2);
    if (clock.nowMs() + waitMs - this.#troubleSinceMs > REDIAL_BUDGET_MS) {
      throw new AntiphonError("unavailable", "No orchestrator can be reached; try again later.");
    }
    await delay(clock, waitMs, signal);
  }

  async #dial(
    url: string,
    attach: (socket: WebSocket) => void,
    signal: AbortSignal,
  ): Promise<WebSocket> {
    const { clock, secret } = this.#options;
    const limit = deadline(
      clock,
      DIAL_DEADLINE_MS,
      () => new AntiphonError("deadline_exceeded", "The orchestrator did not answer the dial."),
      signal,
    );
    try {
      const answer = this.#options.fetch(new URL(ORCHESTRATOR_STREAM_PATH, url).href, {
        headers: {
          upgrade: "websocket",
          authorization: `Bearer ${secret}`,
          "sec-websocket-protocol": SOCKET_SUBPROTOCOL,
        },
        redirect: "manual",
        signal: limit.signal,
      });
      const response = await untilAborted(answer, limit.signal);
      const socket = response.webSocket;
      if (socket === null) {
        await response.body?.cancel();
        throw new AntiphonError("unavailable", `The orchestrator answered ${response.status}.`);
      }
      socket.binaryType = "arraybuffer";
      attach(socket);
      socket.accept();
      socket.send(JSON.stringify(this.#options.lease()));
      return socket;
    } finally {
      limit.dispose();
    }
  }
}

/** Whether one orchestrator at least answers its health path. Bounded; never throws. */
export async function anyOrchestratorHealthy(urls: readonly string[]): Promise<boolean> {
  const asked = urls.map(async (url) => {
    const response = await fetch(new URL("/healthz", url), {
      signal: AbortSignal.timeout(HEALTH_DEADLINE_MS),
      redirect: "manual",
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`status ${response.status}`);
  });
  return Promise.any(asked).then(
    () => true,
    () => false,
  );
}

function shuffled<T>(values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, order: Math.random() }))
    .sort((one, other) => one.order - other.order)
    .map(({ value }) => value);
}

/** A local dial takes 10–30 ms, one across regions 300 ms; a stopped process would take for ever. */
const DIAL_DEADLINE_MS = 3_000;
/** A process restarts within it; a person who hears nothing for longer has hung up. */
const REDIAL_BUDGET_MS = 10_000;
const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 1_600;
/** A socket that lives shorter is still the same trouble: an orchestrator that takes sockets only to drop them must not be dialled for ever. */
const TRUSTED_AFTER_MS = 2_000;
/** An orchestrator answers in milliseconds; one that needs a second is not healthy. */
const HEALTH_DEADLINE_MS = 1_000;
