/** The events of one utterance on their way from the worker's stream to whoever speaks them. Owns the few that wait in between. */
import { AntiphonError } from "@antiphon/protocol";
import type { SpeechEvent } from "../session/ports.ts";

/**
 * One producer, which waits for room; one consumer, which pulls.
 *
 * After `finish` what is queued is still read, and then its error is thrown with `audioSent` in the details; after `abandon` nothing
 * is read any more.
 */
export class SpeechFeed {
  #events: SpeechEvent[] = [];
  #end: { error: AntiphonError | undefined } | undefined;
  #wake = Promise.withResolvers<void>();
  #room = Promise.withResolvers<void>();
  #startedTaken = false;
  #spoken = false;

  /** Audio or word timings were taken: doing it all again would be heard twice. */
  get spoken(): boolean {
    return this.#spoken;
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  push(event: SpeechEvent): void {
    if (this.#end !== undefined || (event.kind === "started" && this.#startedTaken)) return;
    this.#events.push(event);
    this.#wake.resolve();
  }

  /** Settles once the consumer has taken enough, or wants no more. */
  async room(): Promise<void> {
    while (this.#end === undefined && this.#events.length >= EVENTS_MAX) {
      this.#room = Promise.withResolvers();
      await this.#room.promise;
    }
  }

  finish(error?: AntiphonError): void {
    this.#end ??= { error };
    this.#wake.resolve();
    this.#room.resolve();
  }

  /** Ends at once, without an error. */
  abandon(): void {
    this.#events = [];
    this.#end = { error: undefined };
    this.finish();
  }

  /** Forgets what a failed attempt left, for the next attempt. */
  reset(): void {
    this.#events = [];
    this.#room.resolve();
  }

  async next(): Promise<IteratorResult<SpeechEvent, undefined>> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) {
        if (event.kind === "started") this.#startedTaken = true;
        if (event.kind === "audio" || event.kind === "words") this.#spoken = true;
        this.#room.resolve();
        return { done: false, value: event };
      }
      if (this.#end?.error !== undefined) throw this.#withAudioSent(this.#end.error);
      if (this.#end !== undefined) return { done: true, value: undefined };
      this.#wake = Promise.withResolvers();
      await this.#wake.promise;
    }
  }

  /** Whoever retries must know whether the listener may have heard something. */
  #withAudioSent(error: AntiphonError): AntiphonError {
    return new AntiphonError(error.code, error.message, {
      cause: error,
      retryable: error.retryable,
      details: { ...error.details, audioSent: this.#spoken },
    });
  }
}

/** 100 ms of audio: covers a late event loop, and is all that a STOP has to discard here. */
const EVENTS_MAX = 5;
