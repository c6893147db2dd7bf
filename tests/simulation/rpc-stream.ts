/** One bidirectional call to a simulated worker: requests there, answers back, each in order and each taking its time. Owns the way, not what is said on it. */
import { Code, ConnectError } from "@connectrpc/connect";
import type { Link } from "./link.ts";

export interface RpcStreamOptions<Request, Answer> {
  requests: AsyncIterable<Request>;
  signal: AbortSignal | undefined;
  up: Link;
  down: Link;
  onRequest(request: Request): void;
  /** The caller has read one more answer. */
  onRead?(answer: Answer): void;
  /** The caller is gone, or said that nothing more comes. */
  onEnded(): void;
}

export class RpcStream<Request, Answer> implements AsyncIterable<Answer> {
  readonly #options: RpcStreamOptions<Request, Answer>;
  readonly #answers: Answer[] = [];
  /** Sent by the worker, not read by the caller. */
  #unread = 0;
  #end: { error: Error } | undefined;
  #wake = Promise.withResolvers<void>();
  /** The worker waits until the caller has read. */
  #room = Promise.withResolvers<void>();

  constructor(options: RpcStreamOptions<Request, Answer>) {
    this.#options = options;
    options.signal?.addEventListener("abort", () => this.#aborted(), { once: true });
    if (options.signal?.aborted) this.#aborted();
    void this.#pump();
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  get unread(): number {
    return this.#unread;
  }

  /** From the worker; not bounded here: audio awaits `room` first. */
  answer(bytes: number, answer: Answer): void {
    if (this.#end !== undefined) return;
    this.#unread++;
    this.#options.down.send(bytes, () => {
      if (this.#end !== undefined) return;
      this.#answers.push(answer);
      this.#wake.resolve();
    });
  }

  /** As HTTP/2's flow control: the worker may send on once less than its window is unread. */
  async room(): Promise<void> {
    while (this.#end === undefined && this.#unread >= WINDOW_ANSWERS) {
      this.#room = Promise.withResolvers();
      await this.#room.promise;
    }
  }

  /** The connection breaks, as the caller sees it. */
  fail(error: Error): void {
    this.#finish(error);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Answer> {
    try {
      for (;;) {
        const answer = this.#answers.shift();
        if (answer !== undefined) {
          this.#unread--;
          this.#room.resolve();
          this.#options.onRead?.(answer);
          yield answer;
        } else if (this.#end !== undefined) {
          throw this.#end.error;
        } else {
          this.#wake = Promise.withResolvers();
          await this.#wake.promise;
        }
      }
    } finally {
      this.#finish(new ConnectError("not read any more", Code.Canceled));
    }
  }

  async #pump(): Promise<void> {
    const { requests, up, onRequest, onEnded } = this.#options;
    for await (const request of requests) {
      if (this.#end !== undefined) return;
      up.send(REQUEST_BYTES, () => {
        if (this.#end === undefined) onRequest(request);
      });
    }
    up.send(REQUEST_BYTES, onEnded);
  }

  #aborted(): void {
    this.#finish(new ConnectError("aborted", Code.Canceled));
  }

  #finish(error: Error): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.#answers.length = 0;
    this.#wake.resolve();
    this.#room.resolve();
    this.#options.up.send(REQUEST_BYTES, () => this.#options.onEnded());
  }
}

/** 64 KiB, HTTP/2's own, in frames of audio. */
const WINDOW_ANSWERS = 33;
const REQUEST_BYTES = 100;
