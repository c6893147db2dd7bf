/** Speech from the pool: chooses workers, keeps a session on one, and moves it when that one is lost. Owns attempts; frames are the channel's business. */
import { randomUUID } from "node:crypto";
import { AntiphonError } from "@antiphon/protocol";
import { fromConnectError, type StartSessionResponse } from "@antiphon/protocol/worker";
import { type Clock, deadline, untilAborted } from "@antiphon/runtime";
import type { Log } from "@antiphon/runtime/log";
import type {
  SpeechEvent,
  SynthesisOptions,
  SynthesisStream,
  Synthesizer,
} from "../session/ports.ts";
import { type NoWorker, type RouteRequest, rankWorkers, voicesOf } from "./router.ts";
import { SpeechFeed } from "./speech-feed.ts";
import { SynthesisChannel } from "./synthesis-channel.ts";
import type { WorkerConnection, WorkerConnections } from "./worker-connections.ts";
import type { WorkerRegistry, WorkerView } from "./worker-registry.ts";

export interface WorkerSynthesizerOptions {
  registry: WorkerRegistry;
  connections: WorkerConnections;
  clock: Clock;
  log: Log;
  /** In [0, 1). */
  random: () => number;
}

export function createWorkerSynthesizer(options: WorkerSynthesizerOptions): Synthesizer {
  return {
    async open(session, signal) {
      const request: RouteRequest = {
        kind: "tts",
        voice: session.voice,
        language: session.language,
      };
      const placement = await place(options, session, request, new Set(), signal);
      return new WorkerSynthesisStream(options, session, placement);
    },
  };
}

/** A session's voice, on one worker at a time. Model and voice stay the same when it moves. */
class WorkerSynthesisStream implements SynthesisStream {
  readonly voice: string;
  readonly wholeUtterance: boolean;
  readonly #options: WorkerSynthesizerOptions;
  readonly #session: SynthesisOptions;
  readonly #model: string;
  readonly #utterances: Utterance[] = [];
  readonly #retired = new Set<SynthesisChannel>();
  readonly #closing = new AbortController();
  #channel: SynthesisChannel | undefined;
  #moving = false;
  #paused = false;

  constructor(options: WorkerSynthesizerOptions, session: SynthesisOptions, placement: Placement) {
    this.#options = options;
    this.#session = session;
    this.#model = placement.granted.model;
    this.voice = placement.granted.voice;
    this.wholeUtterance = placement.granted.wholeUtterance;
    this.#channel = this.#channelTo(placement);
  }

  speak(
    { utteranceId, text }: { utteranceId: string; text: string },
    signal: AbortSignal,
  ): AsyncIterable<SpeechEvent> {
    const feed = new SpeechFeed();
    const utterance: Utterance = { utteranceId, text, attempt: 1, feed, channel: undefined };
    const stop = () => this.#stop(utterance);
    if (signal.aborted || this.#closing.signal.aborted) {
      feed.abandon();
    } else {
      signal.addEventListener("abort", stop, { once: true });
      this.#utterances.push(utterance);
      this.#begin();
    }
    const over = () => {
      signal.removeEventListener("abort", stop);
      this.#forget(utterance);
    };
    const iterator: AsyncIterator<SpeechEvent, undefined> = {
      next: async () => {
        try {
          const result = await feed.next();
          if (result.done === true) over();
          return result;
        } catch (error) {
          over();
          throw error;
        }
      },
      return: async () => {
        stop();
        over();
        return { done: true, value: undefined };
      },
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }

  setPaused(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    for (const channel of this.#channels()) channel.setPaused(paused);
  }

  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    for (const utterance of this.#utterances.splice(0)) utterance.feed.abandon();
    for (const channel of this.#channels()) channel.close();
  }

  *#channels(): Iterable<SynthesisChannel> {
    if (this.#channel !== undefined) yield this.#channel;
    yield* this.#retired;
  }

  #stop(utterance: Utterance): void {
    utterance.feed.abandon();
    utterance.channel?.stop(utterance.utteranceId);
    this.#forget(utterance);
  }

  #forget(utterance: Utterance): void {
    const index = this.#utterances.indexOf(utterance);
    if (index >= 0) this.#utterances.splice(index, 1);
  }

  /** Sends on what waits, in order; moves first where that is needed. */
  #begin(): void {
    if (this.#moving) return;
    const waiting = this.#utterances.filter(
      ({ channel, feed }) => channel === undefined && !feed.ended,
    );
    if (waiting.length === 0) return;
    this.#leaveIfDraining();
    const channel = this.#channel;
    if (channel === undefined) {
      void this.#move();
      return;
    }
    for (const utterance of waiting) {
      utterance.channel = channel;
      channel.begin(utterance);
    }
    // A channel is opened by its first utterance, and hears only then that the gate is to be closed.
    if (this.#paused) channel.setPaused(true);
  }

  /** A session is not sticky, an utterance is: what a draining worker has it finishes, what is new goes elsewhere if it can. */
  #leaveIfDraining(): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    const { registry, random } = this.#options;
    const view = registry.view();
    const worker = view.find(({ workerId }) => workerId === channel.workerId);
    if (worker === undefined || !worker.draining) return;
    if (rankWorkers(view, this.#request(), random).kind === "none") return;
    this.#retire(channel);
  }

  /** It gets nothing new, and closes by itself once what it has is spoken. */
  #retire(channel: SynthesisChannel): void {
    if (this.#channel === channel) this.#channel = undefined;
    for (const retired of this.#retired) if (retired.closed) this.#retired.delete(retired);
    this.#retired.add(channel);
    channel.retire();
  }

  async #move(avoid: ReadonlySet<string> = new Set()): Promise<void> {
    this.#moving = true;
    try {
      const placement = await place(
        this.#options,
        this.#session,
        this.#request(),
        avoid,
        this.#closing.signal,
      );
      if (this.#closing.signal.aborted) return;
      this.#channel = this.#channelTo(placement);
    } catch (reason) {
      const error = AntiphonError.from(reason);
      for (const { channel, feed } of this.#utterances) {
        if (channel === undefined) feed.finish(error);
      }
    } finally {
      this.#moving = false;
    }
    this.#begin();
  }

  #request(): RouteRequest {
    const { language } = this.#session;
    return { kind: "tts", model: this.#model, voice: this.voice, language };
  }

  #channelTo({ worker, sessionId }: Placement): SynthesisChannel {
    const { clock, log, connections, registry } = this.#options;
    const channel: SynthesisChannel = new SynthesisChannel({
      workerId: worker.workerId,
      sessionId,
      tts: connections.of(worker).tts,
      clock,
      log,
      onFailed: (utteranceId, error) => this.#failed(channel, utteranceId, error),
      onLost: (error) => {
        registry.reportLost(worker.workerId);
        this.#abandoned(channel, error);
      },
    });
    return channel;
  }

  /**
   * All that was sent to this worker after the utterance that failed goes elsewhere with it: utterances must be spoken in order. What was
   * sent before it stays. A worker that drains refuses the next sentence while it still speaks the last one, which nobody may cut short.
   */
  #failed(channel: SynthesisChannel, utteranceId: string, error: AntiphonError): void {
    const place = this.#utterances.findIndex((each) => each.utteranceId === utteranceId);
    const failed = this.#utterances[place];
    if (failed === undefined) return;
    if (!error.retryable || failed.feed.spoken || failed.attempt >= ATTEMPTS_MAX) {
      failed.feed.finish(error);
      return;
    }
    const has = (each: Utterance) => each.channel === channel && !each.feed.ended;
    if (!this.#utterances.slice(0, place).some(has)) {
      channel.close();
      this.#abandoned(channel, error);
      return;
    }
    for (const utterance of this.#utterances.slice(place).filter(has)) {
      channel.stop(utterance.utteranceId);
      utterance.channel = undefined;
      utterance.feed.reset();
    }
    failed.attempt += 1;
    this.#retire(channel);
    if (this.#moving) return;
    this.#takeBack();
    void this.#move(new Set([channel.workerId]));
  }

  /** Nothing more comes from this channel: what was not yet heard is spoken elsewhere, once. */
  #abandoned(lost: SynthesisChannel, error: AntiphonError): void {
    this.#retired.delete(lost);
    if (this.#channel === lost) this.#channel = undefined;
    let waits = false;
    for (const utterance of this.#utterances) {
      if (utterance.channel !== lost || utterance.feed.ended) continue;
      const { feed } = utterance;
      if (feed.spoken || utterance.attempt >= ATTEMPTS_MAX) {
        feed.finish(error);
        continue;
      }
      utterance.attempt += 1;
      utterance.channel = undefined;
      feed.reset();
      waits = true;
    }
    if (!waits || this.#moving || this.#closing.signal.aborted) return;
    this.#takeBack();
    void this.#move(new Set([lost.workerId]));
  }

  /** What was sent after an utterance that must be spoken again cannot stay ahead of it; nobody has read any of it yet. */
  #takeBack(): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    this.#channel = undefined;
    channel.close();
    for (const utterance of this.#utterances) {
      if (utterance.channel !== channel || utterance.feed.ended) continue;
      utterance.channel = undefined;
      utterance.feed.reset();
    }
  }
}

interface Utterance {
  utteranceId: string;
  text: string;
  attempt: number;
  feed: SpeechFeed;
  /** Undefined: waits for one. */
  channel: SynthesisChannel | undefined;
}

interface Placement {
  worker: WorkerView;
  sessionId: string;
  granted: StartSessionResponse;
}

/** Finds a worker that takes the session: waits for one that could, then asks the best and up to two others. */
async function place(
  { registry, connections, clock, log, random }: WorkerSynthesizerOptions,
  session: SynthesisOptions,
  request: RouteRequest,
  avoid: ReadonlySet<string>,
  parent: AbortSignal,
): Promise<Placement> {
  const limit = deadline(clock, PLACE_DEADLINE_MS, () => noWorkerError("no-workers", []), parent);
  try {
    const refused = new Set<string>();
    let refusal: AntiphonError | undefined;
    for (let asked = 0; asked < WORKERS_ASKED_MAX; asked++) {
      const best = (view: WorkerView[]) => {
        const elsewhere = rankWorkers(
          view,
          { ...request, excluding: new Set([...refused, ...avoid]) },
          random,
        );
        if (elsewhere.kind === "ranked") return elsewhere.workers[0];
        // One that failed before is better than none, once it has shown that it lives.
        const anywhere = rankWorkers(view, { ...request, excluding: refused }, random);
        if (anywhere.kind === "ranked") return anywhere.workers[0];
        // One that leaves, or cannot be reached, has a successor soon as a rule; one that is full stays full.
        if (refusal !== undefined && refusal.code !== "unavailable") throw refusal;
        if (!WORTH_WAITING.has(anywhere.reason)) throw noWorkerError(anywhere.reason, view);
        return undefined;
      };
      const { worker, model, voice } = await registry.waitFor(best, limit.signal);
      // Each claim has an id of its own: the end of one, however late it arrives, cannot end another on the same worker.
      const sessionId = `${session.sessionId.slice(0, SESSION_ID_CHARS)}.${randomUUID().slice(0, 8)}`;
      const start = deadline(clock, START_DEADLINE_MS, () => late(), limit.signal);
      try {
        const granted = await untilAborted(
          connections.of(worker).tts.startSession(
            {
              sessionId,
              model: model.model,
              voice,
              language: session.language ?? "",
              speed: session.speed,
            },
            { signal: start.signal },
          ),
          start.signal,
        );
        return { worker, sessionId, granted };
      } catch (reason) {
        // It may have been granted all the same: then nobody else would ever give it back.
        if (start.signal.aborted) giveBack(connections.of(worker), sessionId, clock, log);
        if (limit.signal.aborted) throw limit.signal.reason;
        refusal = fromConnectError(reason);
        refused.add(worker.workerId);
        log.warn(
          { workerId: worker.workerId, sessionId, err: refusal },
          "a worker did not take a session",
        );
      } finally {
        start.dispose();
      }
    }
    throw refusal ?? noWorkerError("no-workers", []);
  } finally {
    limit.dispose();
  }
}

function giveBack({ tts }: WorkerConnection, sessionId: string, clock: Clock, log: Log): void {
  const limit = deadline(clock, START_DEADLINE_MS, () => late());
  tts
    .endSession({ sessionId }, { signal: limit.signal })
    .catch((reason: unknown) => log.debug({ sessionId, err: reason }, "a claim may be left over"))
    .finally(() => limit.dispose());
}

const late = () => new AntiphonError("unavailable", "The voice worker did not answer in time.");

function noWorkerError(reason: NoWorker, view: readonly WorkerView[]): AntiphonError {
  switch (reason) {
    case "no-workers":
      return new AntiphonError("unavailable", "No voice worker can be reached.");
    case "not-ready":
      return new AntiphonError("unavailable", "No voice worker is ready.");
    case "unknown-model":
      return new AntiphonError("not_found", "No worker has this model.");
    case "unknown-voice":
      return new AntiphonError(
        "not_found",
        `No worker has this voice; there is ${voicesOf(view).join(", ") || "none"}.`,
      );
    case "unknown-language":
      return new AntiphonError("unimplemented", "No worker speaks this language.");
  }
}

const WORTH_WAITING: ReadonlySet<NoWorker> = new Set(["no-workers", "not-ready"]);

/** The first try and one more: what fails twice on two workers fails for its own sake. */
const ATTEMPTS_MAX = 2;
const WORKERS_ASKED_MAX = 3;
/** A first session right after the start waits for a worker to load; nobody waits longer in silence. */
const PLACE_DEADLINE_MS = 5_000;
/** Claiming a model that is loaded takes a worker some milliseconds. */
const START_DEADLINE_MS = 1_500;
/** Leaves room for the suffix under the limit for ids. */
const SESSION_ID_CHARS = 100;
