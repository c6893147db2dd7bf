/** Watches what the server says: that messages, states and decisions follow each other as the protocol promises. Demands, and changes nothing. */
import type { ServerMessage, ServerMessageOf } from "@antiphon/protocol";
import type { FrameWatch } from "./frame-watch.ts";
import type { HeardWatch } from "./heard-watch.ts";
import type { BookedReply, ReplyBook } from "./reply-book.ts";
import type { Trace } from "./trace.ts";
import type { Verdict } from "./verdict.ts";

export interface MessageWatchOptions {
  verdict: Verdict;
  trace: Trace;
  book: ReplyBook;
  frames: FrameWatch;
  heard: HeardWatch;
  /** Nothing fails in this run. */
  faultless: boolean;
  nowMs(): number;
}

export class MessageWatch {
  readonly #options: MessageWatchOptions;
  #state: ServerMessageOf<"state"> | undefined;
  #ready = false;
  /** Decisions and orders of this step that belong together. */
  #decided: string[] = [];
  #ordered: string[] = [];
  /** The last decision about each reply. */
  readonly #lastDecision = new Map<string, string>();
  closed = false;

  constructor(options: MessageWatchOptions) {
    this.#options = options;
  }

  get state(): ServerMessageOf<"state"> | undefined {
    return this.#state;
  }

  /** A reply is held, since when. */
  get heldSinceMs(): number | undefined {
    return this.#options.book.sounding?.heldSinceMs;
  }

  sent(message: ServerMessage): void {
    const { verdict, book, frames, heard } = this.#options;
    verdict.demand(!this.closed, "protocol", () => `${message.type} after the close`);
    switch (message.type) {
      case "ready":
        verdict.demand(!this.#ready, "protocol", "a second ready");
        this.#ready = true;
        return;
      case "state":
        this.#changed(message);
        return;
      case "reply":
        this.#reply(message);
        return;
      case "clear": {
        frames.cleared(message.epoch);
        this.#ordered.push("stop");
        const reply = book.sounding;
        if (reply !== undefined) {
          this.#unhold(reply);
          reply.stoppedMs = this.#options.nowMs();
        }
        return;
      }
      case "hold":
        this.#hold(message);
        return;
      case "release":
        this.#release(message);
        return;
      case "interruption":
        this.#interruption(message);
        return;
      case "caption":
        heard.captioned(message);
        return;
      case "error":
        verdict.demand(
          message.code !== "internal" && !(this.#options.faultless && FAILURES.has(message.code)),
          "fault",
          () => `${message.code}: ${message.message}`,
        );
        return;
      case "transcript":
        heard.transcribed(message);
        return;
      default:
        return;
    }
  }

  /** After each step: what was ordered in it agrees with what was decided, and the state with both. */
  step(): void {
    if (this.#decided.length === 0 && this.#ordered.length === 0) return;
    const { verdict, book } = this.#options;
    const decided = this.#decided.splice(0).sort().join(" ");
    const ordered = this.#ordered.splice(0).sort().join(" ");
    verdict.demand(
      decided === ordered,
      "decisions",
      () => `decided: ${decided || "nothing"}; ordered: ${ordered || "nothing"}`,
    );
    const held = book.sounding?.heldSinceMs !== undefined;
    if (this.#state?.state === "speaking") {
      verdict.demand(
        this.#state.held === held,
        "decisions",
        () =>
          `the state says held: ${this.#state?.held}, and hold was ${held ? "" : "not "}ordered`,
      );
    }
  }

  #changed(message: ServerMessageOf<"state">): void {
    const before = this.#state?.state ?? "idle";
    this.#options.verdict.demand(
      message.state === before || (NEXT[before] ?? []).includes(message.state),
      "decisions",
      () => `${before} is followed by ${message.state}`,
    );
    this.#state = message;
  }

  #reply(message: ServerMessageOf<"reply">): void {
    const { verdict, book, heard } = this.#options;
    const { replyId, epoch } = message;
    const reply = book.ofId(replyId) ?? book.add(replyId, epoch);
    verdict.demand(this.#ready || message.done, "protocol", "a reply before ready");
    verdict.demand(!reply.done, "terminal", () => `${replyId} goes on after its end`);
    verdict.demand(reply.epoch === epoch, "protocol", () => `${replyId} changes its epoch`);
    if (!message.done) {
      verdict.demand(
        message.text.startsWith(reply.text),
        "protocol",
        () => `${replyId} takes words back`,
      );
      reply.text = message.text;
      return;
    }
    this.#unhold(reply);
    reply.done = true;
    reply.interrupted = message.interrupted;
    heard.ended(reply, message.text);
  }

  #hold({ replyId, pauseSeq }: ServerMessageOf<"hold">): void {
    const { verdict, book, nowMs } = this.#options;
    const reply = book.sounding;
    this.#ordered.push("pause");
    verdict.demand(
      reply?.replyId === replyId,
      "decisions",
      () => `hold of ${replyId}, which does not sound`,
    );
    if (reply === undefined) return;
    verdict.demand(
      reply.heldSinceMs === undefined && pauseSeq > reply.pauseSeq && pauseSeq > reply.resumeSeq,
      "decisions",
      () => `hold ${pauseSeq} after hold ${reply.pauseSeq} and release ${reply.resumeSeq}`,
    );
    reply.pauseSeq = pauseSeq;
    reply.heldSinceMs ??= nowMs();
  }

  #release({ replyId, resumeSeq }: ServerMessageOf<"release">): void {
    const { verdict, book } = this.#options;
    const reply = book.sounding;
    this.#ordered.push("resume");
    verdict.demand(
      reply?.replyId === replyId && reply.heldSinceMs !== undefined,
      "decisions",
      () => `release of ${replyId}, which is not held`,
    );
    if (reply === undefined) return;
    verdict.demand(
      resumeSeq >= reply.pauseSeq,
      "decisions",
      () => `release ${resumeSeq} does not end hold ${reply.pauseSeq}`,
    );
    reply.resumeSeq = resumeSeq;
    this.#unhold(reply);
  }

  #unhold(reply: BookedReply): void {
    if (reply.heldSinceMs === undefined) return;
    reply.heldMs += this.#options.nowMs() - reply.heldSinceMs;
    reply.heldSinceMs = undefined;
  }

  #interruption({ replyId, decision, reason }: ServerMessageOf<"interruption">): void {
    const { verdict } = this.#options;
    const last = this.#lastDecision.get(replyId);
    this.#lastDecision.set(replyId, decision);
    this.#decided.push(decision);
    const legal =
      decision === "stop"
        ? last !== "stop"
        : decision === "pause"
          ? last !== "pause" && last !== "stop"
          : last === "pause";
    verdict.demand(
      legal,
      "decisions",
      () => `${replyId}: ${decision} (${reason}) after ${last ?? "nothing"}`,
    );
  }
}

/** What nobody is told where nothing failed. */
const FAILURES: ReadonlySet<string> = new Set(["unavailable", "deadline_exceeded"]);
const NEXT: Readonly<Record<string, readonly string[]>> = {
  idle: ["listening", "terminated"],
  listening: ["speaking", "terminated"],
  speaking: ["listening", "barged-in", "terminated"],
  "barged-in": ["listening", "terminated"],
  terminated: [],
};
