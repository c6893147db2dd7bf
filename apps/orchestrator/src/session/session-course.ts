/** Where one session stands. Owns its state and the wait for a listener's empty buffers; what follows from an event is `session-state.ts`'s decision, and others perform it. */
import type { Clock, Timer } from "@antiphon/runtime";
import type { ReplyEffect, SessionEffect, SessionEvent } from "./session-event.ts";
import { INITIAL_STATE, type SessionState, transition } from "./session-state.ts";

export interface SessionCourseOptions {
  clock: Clock;
  perform(effect: ReplyEffect): void;
  tearDown(): void;
  /** An event's effects have all been performed. */
  onSettled(): void;
  /** One of these threw. */
  onFault(reason: unknown): void;
}

/** The session's one state variable. */
export class SessionCourse {
  readonly #options: SessionCourseOptions;
  #state: SessionState = INITIAL_STATE;
  #emptyTimer: Timer | undefined;

  constructor(options: SessionCourseOptions) {
    this.#options = options;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Called from timers and promises too: a fault in it ends this session, not the process. */
  dispatch(event: SessionEvent): void {
    try {
      const next = transition(this.#state, event);
      this.#state = next.state;
      if (next.state.kind !== "barged-in") this.#emptyTimer?.cancel();
      for (const effect of next.effects) this.#perform(effect);
      this.#options.onSettled();
    } catch (reason) {
      this.#options.onFault(reason);
    }
  }

  #perform(effect: SessionEffect): void {
    if (effect.kind === "tear-down") this.#options.tearDown();
    else if (effect.kind === "start-barge-in-timer") this.#awaitEmptyBuffers(effect.epoch);
    else this.#options.perform(effect);
  }

  #awaitEmptyBuffers(epoch: number): void {
    this.#emptyTimer?.cancel();
    this.#emptyTimer = this.#options.clock.setTimer(BUFFERS_EMPTY_MS_MAX, () =>
      this.dispatch({ kind: "barge-in-timed-out", epoch }),
    );
  }
}

/** A client empties its buffers within one round trip; one that does not answer must not hold up the next turn. */
const BUFFERS_EMPTY_MS_MAX = 200;
