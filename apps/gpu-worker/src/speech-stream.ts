/** One Synthesize stream: its utterances, spoken in the order begun, each with exactly one terminal. Owns the protocol's rules for it. */
import assert from "node:assert/strict";
import { AntiphonError, FRAME_SAMPLES, publicError, TEXT_BYTES_MAX } from "@antiphon/protocol";
import {
  type AudioFrameSchema,
  type SynthesizeRequest,
  TimingSource,
} from "@antiphon/protocol/worker";
import type { Log } from "@antiphon/runtime/log";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { FrameGate } from "./frame-gate.ts";
import { type SpeechPart, speak } from "./synthesis.ts";
import { Utterance, type VoiceSettings } from "./utterance.ts";

export type OutgoingFrame = MessageInitShape<typeof AudioFrameSchema>;

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
  readonly stopped: StoppedIds;
}

/** What the session remembers of STOP and cancel. */
export interface StoppedIds {
  has(id: string): boolean;
  add(id: string): void;
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
  readonly #over = new Map<string, Over>();
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
      stopped.add(id);
      if (live !== undefined) this.#cancel(live);
      else if (attempt > (this.#over.get(id)?.attempt ?? 0)) {
        this.#refuse(id, attempt, { case: "cancelled", value: { samples: 0 } });
      }
      return;
    }
    const utterance = live ?? this.#begin(id, attempt);
    if (utterance === undefined) return;
    try {
      if (kind.case === "end") utterance.endText();
      else utterance.addText(kind.value.text, textBytes(kind.value.text));
    } catch (reason) {
      this.#fail(utterance, AntiphonError.from(reason));
    }
  }

  /** STOP: one utterance, or with "" all that are not over. False: nothing of that name is under way here. */
  stop(id: string): boolean {
    const named = id === "" ? [...this.#pending.values()] : [this.#pending.get(id)];
    let found = false;
    for (const utterance of named) {
      if (utterance === undefined) continue;
      found = true;
      this.#attached.stopped.add(utterance.id);
      this.#cancel(utterance);
    }
    return found;
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
    if (!this.#taking) return;
    this.#taking = false;
    this.#failure = error;
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
      this.#refuse(id, attempt, { case: "cancelled", value: { samples: 0 } });
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
      try {
        await this.#speak(utterance);
      } catch (reason) {
        if (!utterance.signal.aborted) await this.#putError(utterance, AntiphonError.from(reason));
      }
    }
    this.#running = false;
  }

  async #speak(utterance: Utterance): Promise<void> {
    const { settings, signal, pieces } = utterance;
    const { model, voice } = settings;
    const wanted = await this.#put(utterance, false, () => ({
      case: "started",
      value: { model, voice },
    }));
    if (!wanted) return;
    let seq = 0;
    for await (const part of speak({ ...settings, pieces, signal })) {
      if (signal.aborted) return;
      const kind = part.kind === "frame" ? audioKind(part.pcm, seq++) : wordsKind(part.words);
      if (!(await this.#put(utterance, part.kind === "frame", () => kind))) return;
    }
    if (signal.aborted) return;
    await this.#putTerminal(utterance, true, () => ({
      case: "done",
      value: { samples: utterance.samplesSent },
    }));
  }

  /** After the frames that are already in the gate: they were spoken well. */
  async #putError(utterance: Utterance, error: AntiphonError): Promise<void> {
    this.#logError(utterance.id, error);
    await this.#putTerminal(utterance, false, () => errorKind(error, utterance.samplesSent));
  }

  #put(utterance: Utterance, sound: boolean, kind: () => OutgoingKind): Promise<boolean> {
    return this.gate.put({
      owner: utterance,
      sound,
      leave: () => {
        if (sound) utterance.samplesSent += FRAME_SAMPLES;
        return { utteranceId: utterance.id, attempt: utterance.attempt, kind: kind() };
      },
    });
  }

  async #putTerminal(
    utterance: Utterance,
    spoken: boolean,
    kind: () => OutgoingKind,
  ): Promise<void> {
    await this.#put(utterance, false, () => {
      const terminal = kind();
      this.#settle(utterance, spoken);
      return terminal;
    });
  }

  #cancel(utterance: Utterance): void {
    this.#cutShort(utterance, { case: "cancelled", value: { samples: utterance.samplesSent } });
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
    this.#remember(utteranceId, { attempt, spoken: false });
  }

  #settle(utterance: Utterance, spoken: boolean): void {
    this.#pending.delete(utterance.id);
    const place = this.#waiting.indexOf(utterance);
    if (place >= 0) this.#waiting.splice(place, 1);
    if (this.#current === utterance) this.#current = undefined;
    this.#remember(utterance.id, { attempt: utterance.attempt, spoken });
    this.#endWhenDone();
  }

  #remember(id: string, over: Over): void {
    this.#over.delete(id);
    this.#over.set(id, over);
    const [oldest] = this.#over.keys();
    if (oldest !== undefined && this.#over.size > OVER_MAX) this.#over.delete(oldest);
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

type OutgoingKind = NonNullable<OutgoingFrame["kind"]>;

function audioKind(pcm: Uint8Array, seq: number): OutgoingKind {
  return { case: "audio", value: { seq, pcm: pcm as Uint8Array<ArrayBuffer> } };
}

function wordsKind(words: Extract<SpeechPart, { kind: "words" }>["words"]): OutgoingKind {
  return {
    case: "wordTimings",
    value: {
      words: words.map(({ text, startSample, endSample, measured }) => ({
        text,
        startSample,
        endSample,
        source: measured ? TimingSource.MEASURED : TimingSource.ESTIMATED,
      })),
    },
  };
}

function errorKind(error: AntiphonError, samples: number): OutgoingKind {
  const { code, message, retryable } = publicError(error);
  return { case: "error", value: { code, message, retryable, samples } };
}

function textBytes(text: string): number {
  const bytes = Buffer.byteLength(text);
  if (bytes <= TEXT_BYTES_MAX) return bytes;
  throw new AntiphonError("too_large", `A text has at most ${TEXT_BYTES_MAX} bytes, not ${bytes}.`);
}

/** 200 ms: covers the wait for the next frame to be computed, and is what a STOP discards. */
const GATE_ITEMS_MAX = 10;
/** A reply of this many sentences waiting at once is none that a person listens to. */
const PENDING_MAX = 256;
/** Refusals that a caller may leave unread. */
const ANSWERS_MAX = 1_024;
/** Late messages come within a round trip; ids are remembered far longer. */
const OVER_MAX = 1_024;
