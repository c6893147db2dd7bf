/** Bugs of the listener's end: buffers, holds, fades and reports. */
import { Playout } from "@antiphon/client";
import { FadeTail } from "../../../packages/client/src/fade-tail.ts";
import { PlaybackReporter } from "../../../packages/client/src/playback-reporter.ts";
import { all, type Mutant, replace } from "./patch.ts";

export const LISTENER_MUTANTS: readonly Mutant[] = [
  {
    name: "uncleared-sink",
    bug: "STOP does not empty the buffer nearest to the ear",
    plant: () => replace(Playout.prototype, "clear", () => () => {}),
  },
  {
    name: "level-triggered-drop",
    bug: "STOP raises a flag that drops frames until ten were dropped, whosever they are",
    plant: () => {
      const toDrop = new WeakMap<Playout, number>();
      return all(
        replace(
          Playout.prototype,
          "clear",
          (clear) =>
            function (this: Playout, epoch) {
              toDrop.set(this, 10);
              clear.call(this, epoch);
            },
        ),
        replace(
          Playout.prototype,
          "accept",
          (accept) =>
            function (this: Playout, frame) {
              const left = toDrop.get(this) ?? 0;
              if (left === 0) return accept.call(this, frame);
              toDrop.set(this, left - 1);
              return "stale";
            },
        ),
      );
    },
  },
  {
    name: "player-not-held",
    bug: "PAUSE does not reach the player",
    plant: () => replace(Playout.prototype, "hold", () => () => {}),
  },
  {
    name: "player-resumes-late",
    bug: "the player goes on 5 ms behind the sample at which it was held",
    plant: () =>
      replace(
        Playout.prototype,
        "release",
        (release) =>
          function (this: Playout, replyId, seq) {
            const wasHeld = this.held;
            release.call(this, replyId, seq);
            if (wasHeld && !this.held) this.pull(new Int16Array(240));
          },
      ),
  },
  {
    name: "click",
    bug: "what is cut off does not fade",
    plant: () => replace(FadeTail.prototype, "start", () => () => {}),
  },
  {
    name: "silent-clear",
    bug: "a cleared listener does not say where it was",
    plant: () =>
      replace(
        PlaybackReporter.prototype,
        "cleared",
        (cleared) =>
          function (this: PlaybackReporter, epoch, before) {
            cleared.call(this, epoch, { ...before, empty: true });
          },
      ),
  },
];
