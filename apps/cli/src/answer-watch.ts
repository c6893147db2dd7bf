/** Tells when a conversation has come to rest: everything said was understood, answered and played. Watches; sends nothing. */
import type { Playout, SocketSession } from "@antiphon/client";
import type { Clock } from "@antiphon/runtime";

/** Belongs to one session; asked every 20 ms or so. */
export class AnswerWatch {
  readonly #clock: Clock;
  readonly #playout: Playout;
  #playedSamples = 0;
  /** Last time that anything happened. */
  #activeMs: number;
  /** The machine is thinking or speaking, or the person is speaking. */
  #busy = false;
  /** The person spoke, and no final transcript has come. */
  #transcriptOwed = false;
  #openReplyId: string | undefined;
  #repliesDone = 0;

  constructor(options: { clock: Clock; session: SocketSession; playout: Playout }) {
    this.#clock = options.clock;
    this.#playout = options.playout;
    this.#activeMs = options.clock.nowMs();
    const { session } = options;
    session.on("state", (state) => {
      this.#touch();
      this.#busy = state.state !== "listening" || state.thinking || state.userSpeaking;
      if (state.userSpeaking) this.#transcriptOwed = true;
    });
    session.on("transcript", ({ final }) => {
      this.#touch();
      this.#transcriptOwed = !final;
    });
    session.on("reply", ({ replyId, done }) => {
      this.#touch();
      if (done) this.#repliesDone++;
      if (!done) this.#openReplyId = replyId;
      else if (this.#openReplyId === replyId) this.#openReplyId = undefined;
    });
  }

  /** Replies that ended. */
  get repliesDone(): number {
    return this.#repliesDone;
  }

  get playing(): boolean {
    return !this.#playout.report().empty;
  }

  /** For how long nothing has been happening and nothing is expected; 0 while something is. */
  restingMs(): number {
    const { playedSamples } = this.#playout.stats();
    if (playedSamples !== this.#playedSamples) this.#touch();
    this.#playedSamples = playedSamples;
    if (this.#busy || this.playing || this.#openReplyId !== undefined) return 0;
    const idleMs = this.idleMs();
    // Noise opens a turn that ends without a word, and without a message.
    if (this.#transcriptOwed && idleMs < TRANSCRIPT_OWED_MS_MAX) return 0;
    return idleMs;
  }

  /** For how long nothing has been happening, whatever is expected. */
  idleMs(): number {
    return this.#clock.nowMs() - this.#activeMs;
  }

  #touch(): void {
    this.#activeMs = this.#clock.nowMs();
  }
}

/** End of speech to final transcript is well under a second; on a machine under full load it was seen to take several. */
const TRANSCRIPT_OWED_MS_MAX = 8_000;
