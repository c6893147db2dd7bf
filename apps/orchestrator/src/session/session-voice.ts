/** What a session speaks with: its claim on a voice, and the replies made with it. Owns the claim's life; decides neither what is said nor when. */
import { AntiphonError, type SessionOptions } from "@antiphon/protocol";
import { deadline, untilAborted } from "@antiphon/runtime";
import type { FrameRing } from "./frame-ring.ts";
import type { AnswerRequest, LanguageModel, SynthesisStream } from "./ports.ts";
import { PreemptiveAnswer } from "./preemptive-answer.ts";
import { Reply, type ReplyListener } from "./reply.ts";
import type { SessionDeps } from "./session-deps.ts";
import type { ReplyRequest } from "./session-event.ts";
import { withStallDeadline } from "./stall-deadline.ts";
import { TurnMetrics } from "./turn-metrics.ts";
import type { FinishedTurn } from "./waiting-turns.ts";

export interface ReplyOrder {
  epoch: number;
  replyId: string;
  turn: number;
  request: ReplyRequest;
  history: AnswerRequest["history"];
  ring: FrameRing;
  /** The turn that it answers, where that was spoken. */
  spoken: FinishedTurn | undefined;
}

/** Belongs to one session: `open`, then `ready`, and `close` at any time. */
export class SessionVoice {
  readonly #deps: SessionDeps;
  readonly #sessionId: string;
  readonly #options: SessionOptions;
  readonly #ready = Promise.withResolvers<SynthesisStream>();
  readonly #lifetime = new AbortController();
  readonly #llm: LanguageModel;
  /** Undefined: the session wants none. */
  readonly #preemptive: PreemptiveAnswer | undefined;
  #claim: Promise<SynthesisStream> | undefined;
  #name = "";

  /** `count`: for operators. */
  constructor(
    deps: SessionDeps,
    sessionId: string,
    options: SessionOptions,
    count: (name: string) => void,
  ) {
    this.#deps = deps;
    this.#sessionId = sessionId;
    this.#options = options;
    const onStalled = () => count("watchdogLlm");
    this.#llm = withStallDeadline(deps.llm, { clock: deps.clock, onStalled });
    if (options.preemptiveGeneration ?? deps.defaults.preemptiveGeneration) {
      this.#preemptive = new PreemptiveAnswer({ llm: this.#llm, onOutcome: count });
    }
    // A session that ends before it could speak has nobody who waits.
    this.#ready.promise.catch(() => {});
  }

  /** "" until it is claimed. */
  get name(): string {
    return this.#name;
  }

  /** Claims it. Rejects when there is none in time, and when `close` comes first. */
  async open(): Promise<void> {
    const { synthesizer, defaults, clock } = this.#deps;
    const limit = deadline(
      clock,
      defaults.synthesisOpenTimeoutMs,
      () => new AntiphonError("unavailable", "No voice could be reached in time."),
      this.#lifetime.signal,
    );
    try {
      this.#claim = synthesizer.open(
        {
          sessionId: this.#sessionId,
          voice: this.#options.voice ?? defaults.voice,
          language: undefined,
          speed: this.#options.speed ?? 1,
        },
        limit.signal,
      );
      this.#name = (await untilAborted(this.#claim, limit.signal)).voice;
    } finally {
      limit.dispose();
    }
  }

  /** The listener knows that the session runs: replies that were asked for meanwhile begin now. */
  ready(): void {
    if (this.#claim !== undefined) this.#ready.resolve(this.#claim);
  }

  /** The turn under way may be over, and with it the history would be this. */
  anticipate(history: AnswerRequest["history"], turn: { number: number; spokenMs: number }): void {
    this.#preemptive?.prepare(this.#asking(history), turn);
  }

  /** It is not over. */
  forget(): void {
    this.#preemptive?.discard();
  }

  reply(order: ReplyOrder, listener: ReplyListener): Reply {
    const { clock } = this.#deps;
    const { spoken, history, ...rest } = order;
    const answer = this.#asking(history);
    const prepared = order.request.kind === "answer" ? this.#preemptive?.take(answer) : undefined;
    // Whatever else was begun is overtaken.
    this.forget();
    return new Reply(
      {
        ...rest,
        answer,
        prepared,
        llm: this.#llm,
        synthesis: this.#ready.promise,
        clock,
        metrics: new TurnMetrics(spoken, prepared !== undefined),
        reported: this.#options.playback !== "none",
      },
      listener,
    );
  }

  /** Gives it back, also where it is still being claimed. */
  close(): void {
    this.#lifetime.abort();
    this.forget();
    this.#ready.reject(new AntiphonError("unavailable", "The session is over."));
    this.#claim?.then(
      (stream) => stream.close(),
      // It never opened, and said so when it failed.
      () => {},
    );
  }

  #asking(history: AnswerRequest["history"]): AnswerRequest {
    const { defaults } = this.#deps;
    return {
      instructions: this.#options.instructions ?? defaults.instructions,
      language: this.#options.language ?? defaults.language,
      history,
    };
  }
}
