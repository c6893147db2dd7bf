/** The live view of the pool, made of beats. Owns who is there and since when, not who is chosen. */

import { AntiphonError, ID_BYTES_MAX, WORKER_GONE_MS, WORKER_SUSPECT_MS } from "@antiphon/protocol";
import {
  type ModelInfo,
  openBeat,
  type RegistryService,
  toConnectError,
  type WorkerBeat,
} from "@antiphon/protocol/worker";
import { type Clock, untilAborted } from "@antiphon/runtime";
import type { Log } from "@antiphon/runtime/log";
import type { ServiceImpl } from "@connectrpc/connect";

/** One worker as of now. */
export interface WorkerView {
  readonly workerId: string;
  /** For instance "http://127.0.0.1:41001". */
  readonly address: string;
  readonly models: readonly ModelInfo[];
  readonly draining: boolean;
  /** Silent for three beats, or a stream to it was lost since its last: takes nothing new. */
  readonly suspect: boolean;
  readonly load: number;
}

/**
 * Takes beats and answers who is alive, by this process' own clock.
 *
 * A worker's beats must rise: a repeated or older one is refused, also after the worker has left. The number of workers
 * is bounded, so that a runaway launcher cannot fill this process' memory.
 */
export class WorkerRegistry {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #workersMax: number;
  readonly #workers = new Map<string, Entry>();
  /** Last beat of workers that are no longer here, oldest first. */
  readonly #departed = new Map<string, number>();
  readonly #listeners = new Set<() => void>();

  constructor(options: { clock: Clock; log: Log; workersMax?: number }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#workersMax = options.workersMax ?? WORKERS_MAX;
  }

  /** Takes an opened beat. Throws `invalid_argument`, `failed_precondition` for a replay, `overloaded` when the pool is full. */
  accept(beat: WorkerBeat): void {
    this.#dropGone();
    const { workerId } = beat;
    if (workerId === "" || Buffer.byteLength(workerId) > ID_BYTES_MAX) {
      throw new AntiphonError("invalid_argument", "A beat needs a worker_id of at most 128 bytes.");
    }
    if (!isOrigin(beat.address)) {
      throw new AntiphonError(
        "invalid_argument",
        "A beat's address is an http:// or https:// origin.",
      );
    }
    const known = this.#workers.get(workerId);
    const lastSeq = known?.seq ?? this.#departed.get(workerId);
    if (lastSeq !== undefined && beat.seq <= lastSeq) {
      throw new AntiphonError(
        "failed_precondition",
        "The beat does not rise: it was heard before.",
      );
    }
    if (beat.leaving) {
      this.#depart(workerId, beat.seq);
      this.#log.info({ workerId }, "worker left");
    } else {
      if (known === undefined && this.#workers.size >= this.#workersMax) {
        throw new AntiphonError("overloaded", "The pool is full.");
      }
      if (known === undefined) {
        this.#departed.delete(workerId);
        this.#log.info({ workerId, address: beat.address }, "worker joined");
      }
      this.#workers.set(workerId, {
        beat,
        seq: beat.seq,
        heardMs: this.#clock.nowMs(),
        lost: false,
      });
    }
    for (const listener of [...this.#listeners]) listener();
  }

  /** Every worker that is not gone. */
  view(): WorkerView[] {
    this.#dropGone();
    return [...this.#workers.values()].map(({ beat, heardMs, lost }) => ({
      workerId: beat.workerId,
      address: beat.address,
      models: beat.models,
      draining: beat.draining,
      suspect: lost || this.#clock.nowMs() - heardMs >= WORKER_SUSPECT_MS,
      load: beat.load,
    }));
  }

  /** A stream to this worker broke: it takes nothing new before its next beat. */
  reportLost(workerId: string): void {
    const entry = this.#workers.get(workerId);
    if (entry === undefined || entry.lost) return;
    entry.lost = true;
    this.#log.warn({ workerId }, "worker lost");
  }

  /** Resolves with the first answer that is not undefined, asked now and after each beat; rejects with the signal's reason. */
  async waitFor<T>(
    predicate: (view: WorkerView[]) => T | undefined,
    signal: AbortSignal,
  ): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      const answer = predicate(this.view());
      if (answer !== undefined) return answer;
      await this.#nextBeat(signal);
    }
  }

  async #nextBeat(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#listeners.add(resolve);
    try {
      await untilAborted(promise, signal);
    } finally {
      this.#listeners.delete(resolve);
    }
  }

  #dropGone(): void {
    const goneBefore = this.#clock.nowMs() - WORKER_GONE_MS;
    for (const [workerId, { heardMs, seq }] of this.#workers) {
      if (heardMs > goneBefore) continue;
      this.#depart(workerId, seq);
      this.#log.warn({ workerId }, "worker gone: no beat for too long");
    }
  }

  #depart(workerId: string, seq: number): void {
    this.#workers.delete(workerId);
    this.#departed.delete(workerId);
    this.#departed.set(workerId, seq);
    if (this.#departed.size <= DEPARTED_MAX) return;
    const oldest = this.#departed.keys().next().value;
    if (oldest !== undefined) this.#departed.delete(oldest);
  }
}

/** What workers call. The signature is the authentication: it covers the beat, whoever carries it. */
export function createRegistryService(options: {
  registry: WorkerRegistry;
  secret: string;
}): ServiceImpl<typeof RegistryService> {
  return {
    beat(request) {
      try {
        options.registry.accept(openBeat(request, options.secret));
        return {};
      } catch (reason) {
        throw toConnectError(AntiphonError.from(reason));
      }
    },
  };
}

interface Entry {
  beat: WorkerBeat;
  seq: number;
  heardMs: number;
  lost: boolean;
}

function isOrigin(address: string): boolean {
  const url = URL.parse(address);
  return url !== null && /^https?:$/.test(url.protocol) && url.host !== "";
}

/** A pool larger than one orchestrator can use; each entry is some kilobytes. */
const WORKERS_MAX = 256;
/** Enough to refuse a replay of every worker that left within any honest restart. */
const DEPARTED_MAX = 1_024;
