/** An answer that is begun while the person may still go on. Owns that one answer, its budget and its buffer; decides neither when a turn pauses nor when it is over. */
import { Waiter } from "@antiphon/runtime";
import type { AnswerRequest, LanguageModel } from "./ports.ts";

export interface PreemptiveAnswerOptions {
  llm: LanguageModel;
  onOutcome(outcome: "preemptiveUsed" | "preemptiveWasted"): void;
}

/** What was begun, and belongs to whoever took it. */
export interface PreparedAnswer {
  /** From the first token on, those that came meanwhile at once. Throws what the model threw. Once. */
  tokens(): AsyncIterable<string>;
  abort(): void;
}

/**
 * Stands before the language model. What it prepares is text that nobody is told of: it becomes an answer only if the very same
 * request is made in the end, so what the model has seen is what it would have seen without it. A failure of what is never taken is
 * nobody's business. Belongs to one session.
 */
export class PreemptiveAnswer {
  readonly #options: PreemptiveAnswerOptions;
  #draft: Draft | undefined;
  #turn = -1;
  #tries = 0;

  constructor(options: PreemptiveAnswerOptions) {
    this.#options = options;
  }

  /** The turn may end with this request. Asks the model, within the budget, unless it was asked for this already. */
  prepare(request: AnswerRequest, turn: { number: number; spokenMs: number }): void {
    if (this.#draft !== undefined && same(this.#draft.request, request)) return;
    this.discard();
    if (turn.number !== this.#turn) {
      this.#turn = turn.number;
      this.#tries = 0;
    }
    if (turn.spokenMs > SPOKEN_MS_MAX || this.#tries >= TRIES_MAX) return;
    this.#tries++;
    this.#draft = new Draft(this.#options.llm, request);
  }

  /**
   * The turn is over with this request: the answer that was begun to it. Anything else that was begun is thrown away, and so is what failed
   * before its first token: a model that was busy then may be free now.
   */
  take(request: AnswerRequest): PreparedAnswer | undefined {
    const draft = this.#draft;
    if (draft === undefined || draft.failedAtOnce || !same(draft.request, request)) {
      this.discard();
      return undefined;
    }
    this.#draft = undefined;
    this.#options.onOutcome("preemptiveUsed");
    return draft;
  }

  /** What was begun is not wanted. */
  discard(): void {
    const draft = this.#draft;
    if (draft === undefined) return;
    this.#draft = undefined;
    draft.abort();
    this.#options.onOutcome("preemptiveWasted");
  }
}

class Draft implements PreparedAnswer {
  readonly request: AnswerRequest;
  readonly #abort = new AbortController();
  readonly #came = new Waiter();
  readonly #room = new Waiter();
  #tokens: string[] = [];
  #chars = 0;
  #end: { kind: "done" } | { kind: "failed"; reason: unknown } | undefined;

  constructor(llm: LanguageModel, request: AnswerRequest) {
    this.request = request;
    void this.#read(llm);
  }

  /** There is nothing of it, and nothing will come. */
  get failedAtOnce(): boolean {
    return this.#end?.kind === "failed" && this.#tokens.length === 0;
  }

  async *tokens(): AsyncIterable<string> {
    const { signal } = this.#abort;
    try {
      while (!signal.aborted) {
        const token = this.#tokens.shift();
        if (token !== undefined) {
          this.#chars -= token.length;
          this.#room.wake();
          yield token;
        } else if (this.#end === undefined) await this.#came.wait(signal);
        else if (this.#end.kind === "failed") throw this.#end.reason;
        else return;
      }
    } finally {
      this.abort();
    }
  }

  abort(): void {
    this.#abort.abort();
    this.#tokens = [];
  }

  async #read(llm: LanguageModel): Promise<void> {
    const { signal } = this.#abort;
    try {
      for await (const token of llm.answer(this.request, signal)) {
        if (signal.aborted) return;
        this.#tokens.push(token);
        this.#chars += token.length;
        this.#came.wake();
        while (this.#chars >= CHARS_MAX && !signal.aborted) await this.#room.wait(signal);
      }
      this.#end = { kind: "done" };
    } catch (reason) {
      this.#end = { kind: "failed", reason };
    } finally {
      this.#came.wake();
    }
  }
}

function same(one: AnswerRequest, other: AnswerRequest): boolean {
  return (
    one.instructions === other.instructions &&
    one.language === other.language &&
    one.history.length === other.history.length &&
    one.history.every(
      (entry, index) =>
        entry.role === other.history[index]?.role && entry.text === other.history[index]?.text,
    )
  );
}

/** Each pause of a person who thinks aloud would ask once more, and the model is paid, or busy, for each. */
const TRIES_MAX = 3;
/** Whoever has spoken this long is telling something: most of the pauses are between two sentences of it. */
const SPOKEN_MS_MAX = 10_000;
/** A minute of speech; beyond it the model is not read until somebody listens. */
const CHARS_MAX = 1_000;
