/** One answer of the machine: text as it is written, speech as it is made, audio as it is paced. Owns this pipeline; does not know why it was asked for or stopped. */
import { AntiphonError, FRAME_SAMPLES, SAMPLE_RATE_HZ } from "@antiphon/protocol";
import { BoundedQueue, type Clock } from "@antiphon/runtime";
import { wordsOf } from "./backchannels.ts";
import type { FrameRing } from "./frame-ring.ts";
import { Pacer } from "./pacer.ts";
import type {
  AnswerRequest,
  LanguageModel,
  OutgoingVoiceFrame,
  SpeechEvent,
  SynthesisStream,
  TimedWord,
} from "./ports.ts";
import type { PreparedAnswer } from "./preemptive-answer.ts";
import { SentenceChunker } from "./sentence-chunker.ts";
import type { ReplyRequest } from "./session-event.ts";
import { SpokenText } from "./spoken-text.ts";
import type { TurnMetrics } from "./turn-metrics.ts";
import type { WatchedReply } from "./watchdogs.ts";

export interface ReplyOptions {
  epoch: number;
  replyId: string;
  /** Turn that it answers, for messages. */
  turn: number;
  request: ReplyRequest;
  answer: AnswerRequest;
  /** The answer to it, where that was begun before the turn was over. */
  prepared: PreparedAnswer | undefined;
  llm: LanguageModel;
  synthesis: Promise<SynthesisStream>;
  ring: FrameRing;
  clock: Clock;
  metrics: TurnMetrics;
  /** The client reports what it has played. */
  reported: boolean;
}

/** What a reply tells while it lasts: nothing after `stop`. */
export interface ReplyListener {
  send(frame: OutgoingVoiceFrame): void;
  /** The text so far, each time it grows. */
  onText(text: string): void;
  /** That was all of it. */
  onWritten(): void;
  /** Positions are the reply's. */
  onWords(utterance: number, words: TimedWord[]): void;
  onFirstFrame(): void;
  onUtterance(utterance: number): void;
  onError(error: AntiphonError): void;
  /** Played to its last sample, or failed and what there was has been played. */
  onEnded(): void;
  onReaderLost(): void;
}

/** From the request to the last sample played. `start` once; after `stop` no callback comes any more. */
export class Reply {
  readonly spoken = new SpokenText();
  readonly pacer: Pacer;
  readonly #options: ReplyOptions;
  readonly #listener: ReplyListener;
  readonly #abort = new AbortController();
  readonly #texts = new BoundedQueue<{ utterance: number; text: string }>({
    max: UTTERANCES_MAX,
    overflow: "reject",
  });
  #queuedSamples = 0;
  #utterance = -1;
  #holds = 0;
  #workerPaused = false;
  #cutShort = false;
  #complete = false;

  constructor(options: ReplyOptions, listener: ReplyListener) {
    this.#options = options;
    this.#listener = listener;
    this.#abort.signal.addEventListener("abort", () => options.prepared?.abort());
    this.pacer = new Pacer({
      epoch: options.epoch,
      ring: options.ring,
      reported: options.reported,
      send: (frame) => this.#send(frame),
      onFirstFrame: () => {
        options.metrics.stamp("first-frame-released", options.clock.nowMs());
        listener.onFirstFrame();
      },
      onPlayed: () => listener.onEnded(),
      onReaderLost: () => listener.onReaderLost(),
    });
  }

  get epoch(): number {
    return this.#options.epoch;
  }

  get replyId(): string {
    return this.#options.replyId;
  }

  get turn(): number {
    return this.#options.turn;
  }

  /** The very one that asked for it. */
  get request(): ReplyRequest {
    return this.#options.request;
  }

  get metrics(): TurnMetrics {
    return this.#options.metrics;
  }

  /** Its voice was lost: more was to be said than there will ever be to hear. */
  get cutShort(): boolean {
    return this.#cutShort;
  }

  /** All its text is there. */
  get complete(): boolean {
    return this.#complete;
  }

  start(): void {
    void this.#write();
    void this.#speak();
  }

  /** STOP: ends writing, synthesis and pacing at once. */
  stop(): void {
    this.#abort.abort();
    this.pacer.stop(this.#options.clock.nowMs());
    this.#pauseWorker(false);
    this.#texts.close();
  }

  /** PAUSE, at the pacer and at the worker. Returns the number under which the listener is told. */
  hold(): number {
    this.pacer.hold(this.#options.clock.nowMs());
    this.#pauseWorker(true);
    return ++this.#holds;
  }

  /** RESUME, under the number of the pause that it ends. */
  release(): number {
    this.pacer.release(this.#options.clock.nowMs());
    this.#pauseWorker(false);
    return this.#holds;
  }

  /** How it stands, for the session's watchdogs. */
  watched(): WatchedReply {
    return {
      epoch: this.epoch,
      sourceEnded: this.pacer.sourceEnded,
      waitingFrames: this.#options.ring.length,
      ...this.pacer.progress,
    };
  }

  /** The words that may come back as an echo now, as they are compared. */
  recentWords(): string[] {
    const played = this.pacer.soundingSamples(this.#options.clock.nowMs());
    return wordsOf(this.spoken.wordsBetween(played - OWN_WORDS_SAMPLES, played).join(" "));
  }

  /** The gate belongs to the session: left closed, it would silence the next reply. */
  #pauseWorker(paused: boolean): void {
    if (paused === this.#workerPaused) return;
    this.#workerPaused = paused;
    this.#options.synthesis.then(
      (stream) => stream.setPaused(paused),
      // A session without a voice has nothing to pause.
      () => {},
    );
  }

  #send(frame: OutgoingVoiceFrame): void {
    this.#listener.send(frame);
    if (frame.utterance === this.#utterance) return;
    this.#utterance = frame.utterance;
    this.#listener.onUtterance(frame.utterance);
  }

  /** Tokens → utterances, as fast as they come: a model is not held open for as long as its answer is spoken. */
  async #write(): Promise<void> {
    const { metrics, clock, llm, answer, prepared, request, synthesis } = this.#options;
    const signal = this.#abort.signal;
    try {
      // Nothing is said of a reply before the session can speak.
      await synthesis;
      if (signal.aborted) return;
      if (request.kind === "answer") metrics.stamp("llm-requested", clock.nowMs());
      const tokens =
        request.kind === "say"
          ? [request.text]
          : (prepared?.tokens() ?? llm.answer(answer, signal));
      const onToken = () => {
        if (request.kind === "answer") metrics.stamp("llm-first-token", clock.nowMs());
      };
      for await (const text of utterancesOf(tokens, onToken)) {
        if (signal.aborted) return;
        const utterance = this.spoken.utteranceCount;
        if (this.#texts.push({ utterance, text }) === "rejected") break;
        this.spoken.add(text);
        this.#listener.onText(this.spoken.written);
      }
      if (signal.aborted) return;
      this.#complete = true;
      this.#listener.onWritten();
    } catch (reason) {
      if (!signal.aborted) this.#listener.onError(AntiphonError.from(reason));
    } finally {
      this.#texts.close();
    }
  }

  /** Utterances → frames, one ahead, so that the next is being computed while this one is taken. */
  async #speak(): Promise<void> {
    const signal = this.#abort.signal;
    try {
      const texts = this.#texts[Symbol.asyncIterator]();
      const next = async () => {
        const result = await texts.next();
        if (result.done) return undefined;
        const { utterance, text } = result.value;
        const utteranceId = `${this.#options.replyId}.${utterance}`;
        const synthesis = await this.#options.synthesis;
        if (signal.aborted) return undefined;
        this.#options.metrics.stamp("synthesis-requested", this.#options.clock.nowMs());
        return { utterance, events: synthesis.speak({ utteranceId, text }, signal) };
      };
      let current = await next();
      while (current !== undefined && !signal.aborted) {
        const following = next();
        // Awaited below; a failure of this utterance must not leave that one's unhandled.
        following.catch(() => {});
        await this.#take(current.utterance, current.events, signal);
        current = await following;
      }
    } catch (reason) {
      if (signal.aborted) return;
      this.#cutShort = true;
      // What there is plays on. What is still being written, or was begun behind this utterance, would never be played.
      this.#abort.abort();
      this.#listener.onError(AntiphonError.from(reason));
    } finally {
      this.pacer.endSource();
    }
  }

  async #take(
    utterance: number,
    events: AsyncIterable<SpeechEvent>,
    signal: AbortSignal,
  ): Promise<void> {
    this.spoken.begin(utterance, this.#queuedSamples);
    for await (const event of events) {
      if (signal.aborted) return;
      if (event.kind === "words") {
        this.#listener.onWords(utterance, this.spoken.addWords(utterance, event.words));
      }
      if (event.kind === "done") this.spoken.end(utterance);
      if (event.kind !== "audio") continue;
      this.#options.metrics.stamp("first-audio", this.#options.clock.nowMs());
      await this.#options.ring.room(signal);
      if (signal.aborted) return;
      this.#options.ring.push(utterance, event.pcm);
      this.spoken.addAudio(utterance, FRAME_SAMPLES);
      this.#queuedSamples += FRAME_SAMPLES;
    }
  }
}

async function* utterancesOf(
  tokens: AsyncIterable<string> | Iterable<string>,
  onToken: () => void,
): AsyncIterable<string> {
  const chunker = new SentenceChunker();
  for await (const token of tokens) {
    onToken();
    yield* chunker.push(token);
  }
  yield* chunker.end();
}

/** An echo is up to 600 ms late, and a recogniser hears the last words of what was said before it, too. */
const OWN_WORDS_SAMPLES = 4 * SAMPLE_RATE_HZ;
/** An hour of speech: a model that writes on without end is cut off there. */
const UTTERANCES_MAX = 512;
