/** Tells the server where the listener is: its credit, and its knowledge of what was heard, rest on these reports. Owns when, not what. */
import { type ClientMessageOf, PLAYBACK_REPORT_INTERVAL_MS } from "@antiphon/protocol";
import type { Clock, Timer } from "@antiphon/runtime";
import type { PlaybackReport } from "./reply-player.ts";

/** Reports every 100 ms from a reply's first frame until the buffer was reported empty; silent in between replies. */
export class PlaybackReporter {
  readonly #options: PlaybackReporterOptions;
  #timer: Timer | undefined;

  constructor(options: PlaybackReporterOptions) {
    this.#options = options;
  }

  frameArrived(): void {
    this.#timer ??= this.#options.clock.setTimer(PLAYBACK_REPORT_INTERVAL_MS, () => {
      this.#timer = undefined;
      this.reportNow();
    });
  }

  /** The player ran empty, or somebody wants to be exact. */
  reportNow(): void {
    const report = this.#options.report();
    this.#send(report);
    if (report.empty) this.stop();
    else this.frameArrived();
  }

  /**
   * Answers `clear`. `before` is where the listener was when it came: sent first, so that the server need not guess what was heard
   * since the last report.
   */
  cleared(epoch: number, before: PlaybackReport): void {
    if (!before.empty && before.epoch < epoch) this.#send(before);
    this.#send({ epoch, replyId: null, positionSamples: 0, empty: true });
    this.stop();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #send(report: PlaybackReport): void {
    this.#options.send({ type: "playback", ...report });
  }
}

export interface PlaybackReporterOptions {
  clock: Clock;
  report: () => PlaybackReport;
  send: (message: ClientMessageOf<"playback">) => void;
}
