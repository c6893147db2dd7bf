/** Bounds how long a language model may say nothing. Owns those two limits, whatever the model and its own deadlines are; not what is done with what it wrote. */
import { AntiphonError } from "@antiphon/protocol";
import { type Clock, deadline, untilAborted } from "@antiphon/runtime";
import type { AnswerRequest, LanguageModel } from "./ports.ts";

export interface StallDeadlineOptions {
  clock: Clock;
  /** An answer has ended in `deadline_exceeded`, this file's or the model's own; before it is thrown. */
  onStalled(): void;
}

/**
 * The same model, of which no silence is waited for longer than the limits: the answer then throws `deadline_exceeded`, after all that was
 * written. Only time in which somebody waits for the next token counts.
 */
export function withStallDeadline(
  llm: LanguageModel,
  options: StallDeadlineOptions,
): LanguageModel {
  return {
    responder: llm.responder,
    notice: llm.notice,
    answer: (request, signal) => answer(llm, options, request, signal),
  };
}

async function* answer(
  llm: LanguageModel,
  { clock, onStalled }: StallDeadlineOptions,
  request: AnswerRequest,
  parent: AbortSignal,
): AsyncGenerator<string> {
  const call = new AbortController();
  const signal = AbortSignal.any([parent, call.signal]);
  const tokens = llm.answer(request, signal)[Symbol.asyncIterator]();
  try {
    let next = await nextToken(tokens, clock, parent, FIRST_TOKEN);
    while (next !== undefined) {
      yield next;
      next = await nextToken(tokens, clock, parent, NEXT_TOKEN);
    }
  } catch (reason) {
    if (parent.aborted) return;
    if (AntiphonError.from(reason).code === "deadline_exceeded") onStalled();
    throw reason;
  } finally {
    call.abort();
    // Not awaited: what is stalled need not end.
    tokens.return?.().catch(() => {});
  }
}

/** Undefined: the answer is complete. An empty token is no sign of life. */
async function nextToken(
  tokens: AsyncIterator<string>,
  clock: Clock,
  parent: AbortSignal,
  limit: StallLimit,
): Promise<string | undefined> {
  const { signal, dispose } = deadline(clock, limit.ms, () => stalled(limit), parent);
  try {
    for (;;) {
      const next = await untilAborted(tokens.next(), signal);
      if (next.done === true) return undefined;
      if (next.value !== "") return next.value;
    }
  } finally {
    dispose();
  }
}

interface StallLimit {
  ms: number;
  message: string;
}

function stalled(limit: StallLimit): AntiphonError {
  return new AntiphonError("deadline_exceeded", limit.message);
}

/** A local model may still be read from disk; whoever has asked something has given up by then. */
const FIRST_TOKEN: StallLimit = {
  ms: 10_000,
  message: "The language model did not begin its answer in time.",
};
/** Models write in bursts, and some think in between: a sentence of what is written is still being spoken meanwhile. */
const NEXT_TOKEN: StallLimit = {
  ms: 8_000,
  message: "The language model stopped in the middle of its answer.",
};
