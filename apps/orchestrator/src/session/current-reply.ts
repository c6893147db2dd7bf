/** The reply that sounds, or was stopped a moment ago. Owns what was heard of it; decides neither when it starts nor why it stops. */
import { type ClientMessageOf, FRAME_MS, LOOK_AHEAD_MS } from "@antiphon/protocol";
import type { Clock } from "@antiphon/runtime";
import { FrameRing } from "./frame-ring.ts";
import type { Reply } from "./reply.ts";
import type { ReplyRequest } from "./session-event.ts";

/** What became of a reply. */
export interface SettledReply {
  reply: Reply;
  /** The words that were heard. */
  text: string;
  /** It was cut short after these words: stopped, or its voice was lost. */
  interrupted: boolean;
  /** Nobody stopped it: it was played as far as it came. */
  ended: boolean;
}

/** At most one reply is current, and at most one more is stopped and not yet settled. Belongs to a session. */
export class CurrentReply {
  /** The session's look-ahead: one memory for all its replies, since one plays at most. */
  readonly ring = new FrameRing(LOOK_AHEAD_MS / FRAME_MS);
  readonly #clock: Clock;
  #current: Reply | undefined;
  /** Late playback reports still say what was heard of it. */
  #stopped: Reply | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get reply(): Reply | undefined {
    return this.#current;
  }

  /** What was heard of a stopped reply is not known yet. */
  get settling(): boolean {
    return this.#stopped !== undefined;
  }

  /** Some reply was made from this very request, and what became of it is not known yet. */
  makes(request: ReplyRequest): boolean {
    return this.#current?.request === request || this.#stopped?.request === request;
  }

  start(reply: Reply): void {
    this.#current = reply;
    reply.start();
  }

  tick(nowMs: number): void {
    this.#current?.pacer.tick(nowMs);
  }

  /** PAUSE. Undefined where nothing sounds. */
  hold(): { reply: Reply; seq: number } | undefined {
    const reply = this.#current;
    return reply && { reply, seq: reply.hold() };
  }

  /** RESUME. */
  release(): { reply: Reply; seq: number } | undefined {
    const reply = this.#current;
    return reply && { reply, seq: reply.release() };
  }

  /** STOP before anything was released: there is nothing to settle. */
  drop(): Reply | undefined {
    const reply = this.#current;
    this.#current = undefined;
    reply?.stop();
    return reply;
  }

  /** STOP: nothing more is sent. What was heard is known once the listener's last report is in: `settle` then. */
  stop(): boolean {
    const reply = this.#current;
    if (reply === undefined) return false;
    this.#current = undefined;
    this.#stopped = reply;
    reply.stop();
    return true;
  }

  playback(message: ClientMessageOf<"playback">): void {
    for (const reply of [this.#current, this.#stopped]) {
      if (reply?.epoch !== message.epoch || reply.replyId !== message.replyId) continue;
      reply.pacer.report(message.positionSamples, message.empty, this.#clock.nowMs());
    }
  }

  /** The stopped reply is over; nothing where there is none. */
  settleStopped(): SettledReply | undefined {
    const reply = this.#stopped;
    if (reply === undefined) return undefined;
    this.#stopped = undefined;
    const text = reply.spoken.heard(reply.pacer.playedSamples(this.#clock.nowMs()));
    return { reply, text, interrupted: true, ended: false };
  }

  /** The current reply was played to its end, as far as it came. */
  settleEnded(): SettledReply | undefined {
    const reply = this.#current;
    if (reply === undefined) return undefined;
    this.#current = undefined;
    const text = reply.spoken.heard(reply.pacer.releasedSamples);
    return { reply, text, interrupted: reply.cutShort, ended: true };
  }
}
