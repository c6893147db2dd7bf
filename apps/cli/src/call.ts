/** A conversation with the server as a telephone would have it: a socket session, and a loudspeaker that plays on a clock instead of a device. */
import { type AntiphonClient, Playout, SocketSession } from "@antiphon/client";
import {
  AntiphonError,
  FRAME_MS,
  FRAME_SAMPLES,
  type ServerMessageOf,
  type SessionOptions,
} from "@antiphon/protocol";
import { type Clock, untilAborted } from "@antiphon/runtime";
import { Metronome } from "./metronome.ts";
import type { Recording } from "./recording.ts";

/**
 * Add listeners to `session`, then `connect`. From then on every 20 ms a frame is played into the recording and `onTick` is called:
 * what is sent there shares the recording's time. `hangUp` in any case.
 */
export class Call {
  readonly session: SocketSession;
  readonly playout = new Playout();
  /** Aborts when the session ends, with why, or when the person gives up. */
  readonly lifetime: AbortSignal;
  readonly #options: CallOptions;
  readonly #ended = new AbortController();
  readonly #frame = new Int16Array(FRAME_SAMPLES);
  #metronome: Metronome | undefined;
  #wasEmpty = true;

  constructor(options: CallOptions) {
    this.#options = options;
    this.session = new SocketSession({ clock: options.clock, player: this.playout });
    this.session.on("closed", ({ error }) =>
      this.#ended.abort(
        error ?? new AntiphonError("unavailable", "The server ended the conversation."),
      ),
    );
    this.lifetime = AbortSignal.any([this.#ended.signal, options.signal]);
  }

  async connect(options: SessionOptions): Promise<ServerMessageOf<"ready">> {
    const { client, clock, signal } = this.#options;
    signal.throwIfAborted();
    const { streamUrl, ticket } = await untilAborted(client.createSession(), signal);
    const ready = await untilAborted(this.session.connect({ streamUrl, ticket, options }), signal);
    this.#metronome = new Metronome({
      clock,
      intervalMs: FRAME_MS,
      onTick: (tick) => this.#tick(tick),
    });
    return ready;
  }

  /** Settles with `work`, or rejects as soon as the call is over. */
  during<T>(work: Promise<T>): Promise<T> {
    return untilAborted(work, this.lifetime);
  }

  async hangUp(): Promise<void> {
    this.#metronome?.stop();
    this.#options.recording?.close();
    await this.session.end();
  }

  #tick(tick: number): void {
    const played = this.playout.pull(this.#frame);
    const { empty } = this.playout.report();
    if (empty && !this.#wasEmpty) this.session.reportPlayback();
    this.#wasEmpty = empty;
    this.#options.onPlayed?.(this.#frame, played);
    this.#options.recording?.write(this.#frame);
    this.#options.onTick?.(tick);
  }
}

export interface CallOptions {
  client: AntiphonClient;
  clock: Clock;
  signal: AbortSignal;
  /** Gets everything from the moment of `ready`, silence included. Closed with the call. */
  recording?: Recording;
  /** Every 20 ms. */
  onTick?: (tick: number) => void;
  /** 20 ms of what is heard, valid until it returns, and how many samples of it are a reply's. */
  onPlayed?: (frame: Int16Array, replySamples: number) => void;
}
