/** One Synthesize stream: its utterances, spoken in the order begun, each with exactly one terminal. Owns the protocol's rules for it. */
import assert from "node:assert/strict";
import { AntiphonError } from "@antiphon/protocol";
import type { SynthesizeRequest } from "@antiphon/protocol/worker";
import type { Log } from "@antiphon/runtime/log";
import { feedGate } from "./feed-gate.ts";
import { FrameGate } from "./frame-gate.ts";
import {
  cancelledKind,
  errorKind,
  type OutgoingFrame,
  type OutgoingKind,
} from "./outgoing-frame.ts";
import { RecentIds } from "./recent-ids.ts";
import { Utterance, type VoiceSettings } from "./utterance.ts";

export interface SpeechStreamOptions {
  /** Nothing new is begun. */
  draining: () => boolean;
  log: Log;
}

/** Whose stream it is: known from the first message on. */
export interface SpeechStreamHost {
  readonly id: string;
  readonly settings: VoiceSettings;
  /** Ids that STOP or cancel named, whether or not they were seen: they are never spoken. */
  readonly stopped: RecentIds<true>;
}

export class SpeechStream {
  readonly gate: FrameGate<Utterance, OutgoingFrame>;
  readonly #options: SpeechStreamOptions;
  #host: SpeechStreamHost | undefined;
  /** Accepted and without a terminal on the wire. */
  readonly #pending = new Map<string, Utterance>();
  /** Of these the ones whose turn has not come, in the order begun. */
  readonly #waiting: Utterance[] = [];
  /** Terminals said on this stream, newest last: what was on its way to these utterances is discarded. */
  readonly #over = new RecentIds<Over>(OVER_MAX);
  #current: Utterance | undefined;
  #taking = true;
  #running = false;
  #failure: AntiphonError | undefined;

  constructor(options: SpeechStreamOptions) {
    this.#options = options;
    this.gate = new FrameGate({ itemsMax: GATE_ITEMS_MAX, progress: () => this.#progress() });
  }

  /** Pulled by the transport: what is not pulled is not computed. Ends in the stream's failure, if it has one. */
  async *responses(): AsyncGenerator<OutgoingFrame, void, undefined> {
    for (;;) {
      const message = await this.gate.take();
      if (message === undefined) break;
      yield message;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** Before the first `accept`. */
  attach(host: SpeechStreamHost): void {
    this.#host = host;
  }

  /** One message of the caller. Throws what ends the whole stream. */
  accept(request: SynthesizeRequest): void {
    const { stopped } = this.#attached;
    const id = request.utteranceId;
    const attempt = request.attempt === 0 ? 1 : request.attempt;
    const { kind } = request;
    if (!this.#taking) return;
    if (this.gate.length > ANSWERS_MAX) {
      throw new AntiphonError("overloaded", "The caller reads no answers.");
    }
    if (kind.case === undefined) {
      throw new AntiphonError("invalid_argument", "A message without text, end or cancel.");
    }
    const live = this.#live(id, attempt);
    if (live === "older") return;
    if (kind.case === "cancel") {
      stopped.set(id, true);
      if (live !== undefined) this.#cancel(live);
      else if (attempt > (this.#over.get(id)?.attempt ?? 0)) {
        this.#refuse(id, attempt, cancelledKind(0));
      }
      return;
    }
    const utterance = live ?? this.#begin(id, attempt);
    if (utterance === undefined) return;
    try {
      if (kind.case === "end") utterance.endText();
      else utterance.addText(kind.value.text);
    } catch (reason) {
      this.#fail(utterance, AntiphonError.from(reason));
    }
  }

  /** STOP: one utterance, or with "" all that are not over. */
  stop(id: string): void {
    for (const utterance of [...this.#pending.values()]) {
      if (id !== "" && utterance.id !== id) continue;
      this.#attached.stopped.set(utterance.id, true);
      this.#cancel(utterance);
    }
  }

  /** The caller says nothing more: what it began but did not end can never be complete. */
  halfClose(): void {
    this.#taking = false;
    for (const utterance of [...this.#pending.values()]) {
      if (!utterance.pieces.ended) {
        this.#fail(
          utterance,
          new AntiphonError("invalid_argument", "The stream ended within an utterance."),
        );
      }
    }
    this.#endWhenDone();
  }

  /** Stops everything, says so, and ends the stream. */
  finish(): void {
    this.#taking = false;
    for (const utterance of [...this.#pending.values()]) this.#cancel(utterance);
    this.#endWhenDone();
  }

  /** Everything fails with this error, each utterance with a terminal of its own; then the stream ends. */
  fail(error: AntiphonError): void {
    this.#taking = false;
    this.#failure ??= error;
    for (const utterance of [...this.#pending.values()]) this.#fail(utterance, error);
    this.#endWhenDone();
  }

  /** Nobody listens any more. */
  close(): void {
    this.#taking = false;
    for (const utterance of this.#pending.values()) utterance.abort();
    this.#pending.clear();
    this.#waiting.length = 0;
    this.gate.close();
  }

  get #attached(): SpeechStreamHost {
    assert(this.#host !== undefined, "a stream is attached before its first message");
    return this.#host;
  }

  /** The attempt under way, if this message is for it. A newer attempt ends an older one. */
  #live(id: string, attempt: number): Utterance | "older" | undefined {
    const live = this.#pending.get(id);
    if (live === undefined || live.attempt === attempt) return live;
    if (attempt < live.attempt) return "older";
    this.#cancel(live);
    return undefined;
  }

  #begin(id: string, attempt: number): Utterance | undefined {
    if (this.#isOver(id, attempt)) return undefined;
    const { settings, stopped } = this.#attached;
    if (stopped.has(id)) {
      this.#refuse(id, attempt, cancelledKind(0));
      return undefined;
    }
    if (this.#options.draining()) {
      this.#refuse(
        id,
        attempt,
        errorKind(new AntiphonError("unavailable", "This worker is leaving."), 0),
      );
      return undefined;
    }
    if (this.#pending.size >= PENDING_MAX) {
      const error = new AntiphonError("overloaded", "Too many utterances wait on this stream.");
      this.#refuse(id, attempt, errorKind(error, 0));
      return undefined;
    }
    const utterance = new Utterance({ id, attempt, settings });
    this.#pending.set(id, utterance);
    this.#waiting.push(utterance);
    if (!this.#running) void this.#run();
    return utterance;
  }

  /** What comes late for an utterance that was cut short is no fault; an id used twice is. */
  #isOver(id: string, attempt: number): boolean {
    const over = this.#over.get(id);
    if (over === undefined || attempt > over.attempt) return false;
    if (!over.spoken) return true;
    throw new AntiphonError("invalid_argument", "An utterance's id is used once.");
  }

  /** One utterance after another, until none waits. */
  async #run(): Promise<void> {
    this.#running = true;
    for (;;) {
      const utterance = this.#waiting.shift();
      if (utterance === undefined) break;
      this.#current = utterance;
      await feedGate(utterance, this.gate, {
        onFailure: (error) => this.#logError(utterance.id, error),
        onEnd: (spoken) => this.#settle(utterance, spoken),
      });
    }
    this.#running = false;
  }

  #cancel(utterance: Utterance): void {
    this.#cutShort(utterance, cancelledKind(utterance.samplesSent));
  }

  #fail(utterance: Utterance, error: AntiphonError): void {
    this.#logError(utterance.id, error);
    this.#cutShort(utterance, errorKind(error, utterance.samplesSent));
  }

  /** Discards the rest of an utterance at once; its terminal passes a closed gate. */
  #cutShort(utterance: Utterance, kind: OutgoingKind): void {
    utterance.abort();
    this.gate.clear(utterance);
    this.gate.putAhead(() => ({ utteranceId: utterance.id, attempt: utterance.attempt, kind }));
    this.#settle(utterance, false);
  }

  /** Ends an utterance that never began. */
  #refuse(utteranceId: string, attempt: number, kind: OutgoingKind): void {
    this.gate.putAhead(() => ({ utteranceId, attempt, kind }));
    this.#over.set(utteranceId, { attempt, spoken: false });
  }

  #settle(utterance: Utterance, spoken: boolean): void {
    this.#pending.delete(utterance.id);
    const place = this.#waiting.indexOf(utterance);
    if (place >= 0) this.#waiting.splice(place, 1);
    if (this.#current === utterance) this.#current = undefined;
    this.#over.set(utterance.id, { attempt: utterance.attempt, spoken });
    this.#endWhenDone();
  }

  #endWhenDone(): void {
    if (this.#taking || this.#pending.size > 0) return;
    this.gate.end();
  }

  #progress(): OutgoingFrame {
    const { paused } = this.gate;
    const kind = { case: "progress", value: { paused, pendingUtterances: this.pending } } as const;
    const current = this.#current;
    if (current === undefined) return { kind };
    return { utteranceId: current.id, attempt: current.attempt, kind };
  }

  #logError(utteranceId: string, error: AntiphonError): void {
    const { log } = this.#options;
    const fields = { sessionId: this.#host?.id, utteranceId, code: error.code, err: error };
    if (error.code === "internal") log.error(fields, "utterance failed");
    else log.info(fields, "utterance refused or lost");
  }
}

interface Over {
  attempt: number;
  /** Ended in `done`: nothing of it can be under way any more. */
  spoken: boolean;
}

/** 200 ms: covers the wait for the next frame to be computed, and is what a STOP discards. */
const GATE_ITEMS_MAX = 10;
/** A reply of this many sentences waiting at once is none that a person listens to. */
const PENDING_MAX = 256;
/** Refusals that a caller may leave unread. */
const ANSWERS_MAX = 1_024;
/** Late messages come within a round trip; ids are remembered far longer. */
const OVER_MAX = 1_024;
