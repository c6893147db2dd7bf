/** Bugs of the session core: what is held, stopped, sent and remembered. */
import { BargeIn } from "../../../apps/orchestrator/src/session/barge-in.ts";
import { Conversation } from "../../../apps/orchestrator/src/session/conversation.ts";
import { FrameRing } from "../../../apps/orchestrator/src/session/frame-ring.ts";
import { Pacer } from "../../../apps/orchestrator/src/session/pacer.ts";
import { SessionReport } from "../../../apps/orchestrator/src/session/session-report.ts";
import { SpokenText } from "../../../apps/orchestrator/src/session/spoken-text.ts";
import { Ticker } from "../../../apps/orchestrator/src/session/ticker.ts";
import { all, type Mutant, replace } from "./patch.ts";

export const SESSION_MUTANTS: readonly Mutant[] = [
  {
    name: "history-as-generated",
    bug: "the history holds what was written, not what was heard",
    plant: () =>
      replace(
        SpokenText.prototype,
        "heard",
        () =>
          function (this: SpokenText) {
            return this.written;
          },
      ),
  },
  {
    name: "turn-twice",
    bug: "the person's words are remembered twice",
    plant: () =>
      replace(
        Conversation.prototype,
        "addUser",
        (addUser) =>
          function (this: Conversation, text) {
            addUser.call(this, text);
            addUser.call(this, text);
          },
      ),
  },
  {
    name: "report-believed",
    bug: "a report counts beyond what was sent",
    plant: () => {
      const told = new WeakMap<Pacer, number>();
      return all(
        replace(
          Pacer.prototype,
          "report",
          (report) =>
            function (this: Pacer, position, empty, nowMs) {
              told.set(this, Math.max(told.get(this) ?? 0, position));
              report.call(this, position, empty, nowMs);
            },
        ),
        replace(
          Pacer.prototype,
          "playedSamples",
          (played) =>
            function (this: Pacer, nowMs) {
              return Math.max(played.call(this, nowMs), told.get(this) ?? 0);
            },
        ),
      );
    },
  },
  {
    name: "captions-of-the-utterance",
    bug: "captions count from their utterance, not from the reply",
    plant: () =>
      replace(
        SpokenText.prototype,
        "addWords",
        (addWords) =>
          function (this: SpokenText, number, words) {
            addWords.call(this, number, words);
            return words;
          },
      ),
  },
  {
    name: "pacer-not-held",
    bug: "PAUSE does not reach the pacer",
    plant: () => replace(Pacer.prototype, "hold", () => () => {}),
  },
  {
    name: "hold-counts-as-played",
    bug: "the time in which a reply was held is made up for",
    plant: () => {
      const heldMs = new WeakMap<Pacer, number>();
      return all(
        replace(
          Pacer.prototype,
          "hold",
          (hold) =>
            function (this: Pacer, nowMs) {
              if (!heldMs.has(this)) heldMs.set(this, nowMs);
              hold.call(this, nowMs);
            },
        ),
        replace(
          Pacer.prototype,
          "release",
          (release) =>
            function (this: Pacer, nowMs) {
              release.call(this, heldMs.get(this) ?? nowMs);
              heldMs.delete(this);
            },
        ),
      );
    },
  },
  {
    name: "resume-skips",
    bug: "a reply goes on one frame behind the one at which it was held",
    plant: () => {
      let resumed = false;
      return all(
        replace(
          Pacer.prototype,
          "release",
          (release) =>
            function (this: Pacer, nowMs) {
              release.call(this, nowMs);
              resumed = true;
            },
        ),
        replace(
          FrameRing.prototype,
          "peek",
          (peek) =>
            function (this: FrameRing) {
              if (resumed && this.length > 1) {
                resumed = false;
                this.take();
              }
              return peek.call(this);
            },
        ),
      );
    },
  },
  {
    name: "resume-repeats",
    bug: "a reply goes on with the frame that was sent last",
    plant: () => {
      let resumed = false;
      return all(
        replace(
          Pacer.prototype,
          "release",
          (release) =>
            function (this: Pacer, nowMs) {
              release.call(this, nowMs);
              resumed = true;
            },
        ),
        replace(
          FrameRing.prototype,
          "take",
          (take) =>
            function (this: FrameRing) {
              if (resumed) resumed = false;
              else take.call(this);
            },
        ),
      );
    },
  },
  {
    name: "stop-keeps-look-ahead",
    bug: "STOP leaves the frames that were not sent yet",
    plant: () => replace(FrameRing.prototype, "clear", () => () => {}),
  },
  {
    name: "stop-not-said",
    bug: "STOP is not passed on to the listener",
    plant: () => replace(SessionReport.prototype, "interrupted", () => () => {}),
  },
  {
    name: "released-twice",
    bug: "RESUME is said twice",
    plant: () =>
      replace(
        SessionReport.prototype,
        "released",
        (released) =>
          function (this: SessionReport, reply, seq) {
            released.call(this, reply, seq);
            released.call(this, reply, seq);
          },
      ),
  },
  {
    name: "blind-start",
    bug: "what is said in the first second of a reply is not heard",
    plant: () => {
      const windows = new WeakMap<BargeIn, number>();
      return all(
        replace(
          BargeIn.prototype,
          "begin",
          (begin) =>
            function (this: BargeIn, reply) {
              windows.set(this, 32);
              begin.call(this, reply);
            },
        ),
        replace(
          BargeIn.prototype,
          "window",
          (window) =>
            function (this: BargeIn, heard) {
              const blind = windows.get(this) ?? 0;
              windows.set(this, Math.max(0, blind - 1));
              return window.call(this, blind > 0 ? { ...heard, probability: 0 } : heard);
            },
        ),
      );
    },
  },
  {
    name: "never-resumed",
    bug: "a pause that came to nothing does not end",
    plant: () =>
      replace(
        BargeIn.prototype,
        "window",
        (window) =>
          function (this: BargeIn, heard) {
            const action = window.call(this, heard);
            return action?.kind === "resume" ? undefined : action;
          },
      ),
  },
  {
    name: "timer-left",
    bug: "a session that has ended is ticked on",
    plant: () => replace(Ticker.prototype, "remove", () => () => {}),
  },
];
