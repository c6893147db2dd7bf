/** Watches each frame as it leaves the server: order, pace, credit, and that it is what was synthesised for this place. Demands, and changes nothing. */
import {
  CREDIT_EXTRA_MS,
  CREDIT_HOLD_MS,
  FRAME_MS,
  FRAME_SAMPLES,
  LEAD_MS,
  LOOK_AHEAD_MS,
  type VoiceFrame,
} from "@antiphon/protocol";
import { type BookedReply, type ReplyBook, sentSamples } from "./reply-book.ts";
import type { Verdict } from "./verdict.ts";
import type { Party } from "./virtual-clock.ts";
import { serialOf } from "./voice-code.ts";
import type { SpokenUtterance, VoiceLedger } from "./voice-ledger.ts";

export interface FrameWatchOptions {
  /** The orchestrator's. */
  party: Party;
  verdict: Verdict;
  book: ReplyBook;
  ledger: VoiceLedger;
  /** The listener reports what it plays. */
  reported: boolean;
}

export class FrameWatch {
  readonly #options: FrameWatchOptions;
  #clearedEpoch = 0;
  #newestEpoch = 0;
  #ticked = { atMs: Number.NEGATIVE_INFINITY, frames: 0 };
  #lateUntilMs = Number.NEGATIVE_INFINITY;
  /** Frames that the reply under way took from its voice, and did not send yet. */
  readonly #taken = new Map<string, number>();
  readonly #flows = new Map<string, { attempt: number; read: number; taken: number }>();
  readonly #over = new Set<string>();
  #waitsSinceMs: number | undefined;
  ended = false;

  constructor(options: FrameWatchOptions) {
    this.#options = options;
  }

  /** STOP was said. */
  cleared(epoch: number): void {
    const { verdict } = this.#options;
    verdict.demand(epoch > this.#clearedEpoch, "decisions", `clear ${epoch} clears nothing`);
    this.#clearedEpoch = epoch;
  }

  /** It is spoken, or not wanted any more: what is still read of it is thrown away. */
  over(utteranceId: string): void {
    this.#over.add(utteranceId);
  }

  /** The orchestrator read a frame of the utterance from its worker. */
  read(utteranceId: string, attempt: number): void {
    if (this.#over.has(utteranceId)) return;
    let flow = this.#flows.get(utteranceId);
    if (flow?.attempt !== attempt) {
      flow = { attempt, read: 0, taken: 0 };
      this.#flows.set(utteranceId, flow);
    }
    flow.read++;
    const waiting = flow.read - flow.taken;
    this.#options.verdict.demand(
      waiting <= FEED_FRAMES_MAX,
      "bound",
      () => `${waiting} frames of ${utteranceId} were read ahead`,
    );
  }

  /** The voice handed this frame of the utterance to its reply. */
  took(utteranceId: string): void {
    const flow = this.#flows.get(utteranceId);
    if (flow !== undefined) flow.taken++;
    const replyId = utteranceId.slice(0, utteranceId.lastIndexOf("."));
    const taken = (this.#taken.get(replyId) ?? 0) + 1;
    this.#taken.set(replyId, taken);
    const waiting = taken - (this.#options.book.ofId(replyId)?.framesSent ?? 0);
    const bound = LOOK_AHEAD_MS / FRAME_MS;
    this.#options.verdict.demand(
      waiting <= bound + 1,
      "bound",
      () => `${waiting} frames of ${replyId} wait; ${bound} may`,
    );
  }

  sent(frame: VoiceFrame): void {
    const { verdict, book, party, reported } = this.#options;
    verdict.demand(!this.ended, "protocol", "a frame after the end");
    verdict.demand(
      frame.epoch >= this.#clearedEpoch,
      "after-stop",
      () => `a frame of epoch ${frame.epoch} leaves after STOP (${this.#clearedEpoch})`,
    );
    verdict.demand(frame.epoch >= this.#newestEpoch, "one-reply", "a frame of an earlier reply");
    this.#newestEpoch = Math.max(this.#newestEpoch, frame.epoch);
    const reply = book.ofEpoch(frame.epoch);
    if (reply === undefined) {
      verdict.demand(false, "protocol", `a frame of epoch ${frame.epoch}, which is no reply's`);
      return;
    }
    verdict.demand(!reply.done, "terminal", () => `a frame of ${reply.replyId} after its end`);
    verdict.demand(
      reply.heldSinceMs === undefined,
      "held",
      () => `a frame of ${reply.replyId} leaves while it is held`,
    );
    verdict.demand(
      !book.replies.some((each) => each !== reply && each.framesSent > 0 && !each.done),
      "one-reply",
      () => `${reply.replyId} begins while another is not over`,
    );
    verdict.demand(
      frame.seq === reply.framesSent && frame.positionSamples === frame.seq * FRAME_SAMPLES,
      "sequence",
      () =>
        `frame ${frame.seq} at ${frame.positionSamples} where ${reply.framesSent} was due in ${reply.replyId}`,
    );
    this.#content(reply, frame);
    this.#pace(reply);
    if (reported) this.#credit(reply);
    reply.framesSent++;
    reply.lastFrameMs = party.nowMs();
  }

  /** After each step: what could leave does leave. */
  step(): void {
    const { book, party, reported, verdict } = this.#options;
    const nowMs = party.nowMs();
    if (party.stalledUntilMs >= nowMs - FRAME_MS) this.#lateUntilMs = nowMs + 2 * FRAME_MS;
    const reply = book.sounding;
    const free =
      !this.ended &&
      reply !== undefined &&
      reply.heldSinceMs === undefined &&
      (this.#taken.get(reply.replyId) ?? 0) > reply.framesSent &&
      (!reported || this.#hasCredit(reply));
    if (!free || nowMs < this.#lateUntilMs) {
      this.#waitsSinceMs = undefined;
      return;
    }
    this.#waitsSinceMs ??= nowMs;
    const sinceMs = Math.max(this.#waitsSinceMs, reply.lastFrameMs);
    verdict.demand(
      nowMs - sinceMs <= 2 * FRAME_MS,
      "pace",
      () => `no frame of ${reply.replyId} for ${nowMs - sinceMs} ms, though there are some`,
    );
  }

  /** A report has reached the server; silence counts from then. */
  reportedAtMs = 0;

  #hasCredit(reply: BookedReply): boolean {
    const unacknowledged = sentSamples(reply) - reply.reportedSamples;
    const silentMs = this.#options.party.nowMs() - Math.max(this.reportedAtMs, reply.firstFrameMs);
    return unacknowledged < CREDIT_SAMPLES && silentMs < CREDIT_HOLD_MS;
  }

  #content(reply: BookedReply, frame: VoiceFrame): void {
    const { verdict, ledger } = this.#options;
    const found = ledger.frame(serialOf(frame.pcm));
    if (found === undefined) {
      verdict.demand(false, "content", "a frame that nobody spoke");
      return;
    }
    const { utterance: spoken, index } = found;
    verdict.demand(
      spoken.utteranceId === `${reply.replyId}.${frame.utterance}`,
      "one-reply",
      () =>
        `a frame of utterance ${spoken.utteranceId} is sent as ${reply.replyId}.${frame.utterance}`,
    );
    let current = reply.utterances.at(-1);
    if (current?.number !== frame.utterance) {
      verdict.demand(
        current === undefined ||
          (current.number < frame.utterance && current.framesSent === current.spoken.frames),
        "content",
        () => `utterance ${frame.utterance} of ${reply.replyId} begins before the last is complete`,
      );
      this.#isWritten(reply, spoken);
      const startSample = sentSamples(reply);
      current = { number: frame.utterance, spoken, startSample, framesSent: 0 };
      reply.utterances.push(current);
    }
    verdict.demand(
      current.spoken === spoken && index === current.framesSent,
      "content",
      () =>
        `frame ${index} of attempt ${spoken.attempt} at ${spoken.utteranceId} where ${current?.framesSent} of attempt ${current?.spoken.attempt} was due`,
    );
    current.framesSent++;
  }

  /** What is spoken is what this reply's text says at this place. */
  #isWritten(reply: BookedReply, spoken: SpokenUtterance): void {
    const before = reply.utterances
      .map((each) => each.spoken.text.length)
      .reduce((a, b) => a + b, 0);
    this.#options.verdict.demand(
      reply.text.indexOf(spoken.text, before) >= 0,
      "content",
      () =>
        `${reply.replyId} says ${JSON.stringify(spoken.text)}, and its text is ${JSON.stringify(reply.text)}`,
    );
  }

  #pace(reply: BookedReply): void {
    const { verdict, party } = this.#options;
    const nowMs = party.nowMs();
    if (reply.framesSent === 0) reply.firstFrameMs = nowMs;
    const soundedMs = nowMs - reply.firstFrameMs - reply.heldMs;
    verdict.demand(
      reply.framesSent * FRAME_MS - LEAD_MS <= soundedMs + EPSILON_MS,
      "pace",
      () =>
        `frame ${reply.framesSent} of ${reply.replyId} leaves after ${soundedMs} ms: beyond the lead`,
    );
    const sinceMs = nowMs - this.#ticked.atMs;
    if (sinceMs <= EPSILON_MS) {
      this.#ticked.frames++;
      verdict.demand(
        this.#ticked.frames <= LEAD_MS / FRAME_MS + 1,
        "pace",
        () => `${this.#ticked.frames} frames at once: more than the lead`,
      );
      return;
    }
    this.#ticked = { atMs: nowMs, frames: 1 };
    verdict.demand(
      sinceMs >= FRAME_MS - EPSILON_MS || nowMs < this.#lateUntilMs,
      "pace",
      () => `two frames ${sinceMs} ms apart`,
    );
  }

  #credit(reply: BookedReply): void {
    const unacknowledged = sentSamples(reply) - reply.reportedSamples;
    this.#options.verdict.demand(
      unacknowledged < CREDIT_SAMPLES,
      "credit",
      () => `${unacknowledged} samples of ${reply.replyId} are unacknowledged, and one more leaves`,
    );
  }
}

const CREDIT_SAMPLES = ((LEAD_MS + CREDIT_EXTRA_MS) * FRAME_SAMPLES) / FRAME_MS;
/** What a feed holds, and the frame that found it full. */
const FEED_FRAMES_MAX = 6;
const EPSILON_MS = 0.001;
