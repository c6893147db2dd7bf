/** A language model that takes its time, stalls, breaks off and comes back. Every word it writes is its own, so that a text tells whose it is. */
import { AntiphonError } from "@antiphon/protocol";
import { delay } from "@antiphon/runtime";
import type { AnswerRequest, LanguageModel } from "../../apps/orchestrator/src/session/ports.ts";
import type { Draw } from "./draw.ts";
import type { Trace } from "./trace.ts";
import type { Party } from "./virtual-clock.ts";
import type { Weather } from "./weather.ts";

export interface LanguageModelHabits {
  firstTokenMs: number;
  tokenMs: number;
  sentencesMax: number;
}

export interface FaultyLanguageModelOptions {
  party: Party;
  draw: Draw;
  weather: Weather;
  trace: Trace;
  habits: LanguageModelHabits;
  onAsked(request: AnswerRequest): void;
}

export class FaultyLanguageModel implements LanguageModel {
  readonly responder = { kind: "llm" as const, model: "simulated" };
  readonly notice = undefined;
  readonly #options: FaultyLanguageModelOptions;
  #answers = 0;
  /** Answers under way. */
  #open = 0;
  #awayUntilMs = 0;

  constructor(options: FaultyLanguageModelOptions) {
    this.#options = options;
  }

  get open(): number {
    return this.#open;
  }

  /** Nobody is answered for so long. */
  goAway(forMs: number): void {
    this.#options.trace.note("llm", `is gone for ${forMs.toFixed(0)} ms`);
    this.#awayUntilMs = this.#options.party.nowMs() + forMs;
  }

  async *answer(request: AnswerRequest, signal: AbortSignal): AsyncIterable<string> {
    const { party, weather, trace, habits, onAsked } = this.#options;
    const number = ++this.#answers;
    const draw = this.#options.draw.stream(`answer ${number}`);
    onAsked(request);
    const tokens = this.#write(number, draw);
    trace.note("llm", `asked ${number}: ${JSON.stringify(request.history.at(-1)?.text)}`);
    const breaksAt = weather.strikes(draw, 0.15) ? draw.below(tokens.length + 1) : -1;
    // One that does not hear that nobody listens any more writes on for a while.
    const deaf = weather.strikes(draw, 0.2);
    this.#open++;
    try {
      await delay(party, habits.firstTokenMs * draw.between(0.5, 2), deaf ? undefined : signal);
      for (const [index, token] of tokens.entries()) {
        const away = party.nowMs() < this.#awayUntilMs;
        if (index === breaksAt || away)
          throw new AntiphonError("unavailable", "The model broke off.");
        const stallMs = weather.strikes(draw, 0.02) ? draw.between(300, 6_000) : 0;
        const tokenMs = habits.tokenMs * draw.next() + stallMs;
        if (tokenMs >= 1) await delay(party, tokenMs, deaf ? undefined : signal);
        if (signal.aborted && !deaf) return;
        yield token;
      }
    } catch (reason) {
      if (!signal.aborted) throw reason;
    } finally {
      this.#open--;
    }
  }

  #write(number: number, draw: Draw): string[] {
    const kind = draw.next();
    if (kind < 0.03) return [];
    if (kind < 0.06) return ["  ", "\n"];
    if (kind < 0.1) return ["\u{1f44d} "];
    const tokens: string[] = [];
    const sentences = draw.whole(1, this.#options.habits.sentencesMax);
    for (let sentence = 0; sentence < sentences; sentence++) {
      if (draw.chance(0.05)) tokens.push("\u{1f389}. ");
      const words = draw.whole(1, 9);
      for (let word = 0; word < words; word++) {
        const end =
          word < words - 1 ? (draw.chance(0.15) ? ", " : " ") : draw.pick([". ", "? ", "! "]);
        tokens.push(`a${number}w${tokens.length}${end}`);
      }
    }
    return tokens;
  }
}
