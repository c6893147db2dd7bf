/** Bugs on the way from the workers: attempts, terminals, late frames and queues. */
import { SpeechFeed } from "../../../apps/orchestrator/src/routing/speech-feed.ts";
import { SynthesisChannel } from "../../../apps/orchestrator/src/routing/synthesis-channel.ts";
import { FrameRing } from "../../../apps/orchestrator/src/session/frame-ring.ts";
import type { SpeechEvent } from "../../../apps/orchestrator/src/session/ports.ts";
import { SessionVoice } from "../../../apps/orchestrator/src/session/session-voice.ts";
import { all, type Mutant, replace, replaceGetter } from "./patch.ts";

export const VOICE_MUTANTS: readonly Mutant[] = [
  {
    name: "late-frame",
    bug: "a frame of a reply that was stopped is taken for the next one's",
    plant: () => {
      let late: SpeechEvent | undefined;
      const newest = new WeakMap<SpeechFeed, SpeechEvent>();
      return all(
        replace(
          SpeechFeed.prototype,
          "push",
          (push) =>
            function (this: SpeechFeed, event) {
              if (event.kind === "audio") {
                if (late !== undefined) push.call(this, late);
                late = undefined;
                newest.set(this, { ...event, pcm: event.pcm.slice() });
              }
              push.call(this, event);
            },
        ),
        replace(
          SpeechFeed.prototype,
          "abandon",
          (abandon) =>
            function (this: SpeechFeed) {
              late = newest.get(this);
              abandon.call(this);
            },
        ),
      );
    },
  },
  {
    name: "one-turn-late",
    bug: "each reply is spoken one turn late, for ever",
    plant: () => {
      const texts = new Map<string, Map<string, string>>();
      return replace(
        SynthesisChannel.prototype,
        "begin",
        (begin) =>
          function (this: SynthesisChannel, utterance) {
            const [reply = "", number = ""] = utterance.utteranceId.split(".");
            const own = texts.get(reply) ?? new Map<string, string>();
            texts.set(reply, own.set(number, utterance.text));
            const [lease, count] = reply.split("-");
            const before = texts.get(`${lease}-${Number(count) - 1}`)?.get(number);
            begin.call(this, { ...utterance, text: before ?? utterance.text });
          },
      );
    },
  },
  {
    name: "empty-text-hangs",
    bug: "a text without a sound never ends",
    plant: () =>
      replace(
        SynthesisChannel.prototype,
        "begin",
        (begin) =>
          function (this: SynthesisChannel, utterance) {
            if (/[\p{L}\p{N}]/u.test(utterance.text)) begin.call(this, utterance);
          },
      ),
  },
  {
    name: "retry-after-audio",
    bug: "an utterance is spoken again from the start though some of it was heard",
    plant: () => replaceGetter(SpeechFeed.prototype, "spoken", () => false),
  },
  {
    name: "lost-terminal",
    bug: "the end of every second utterance is lost",
    plant: () => {
      let ended = 0;
      return replace(
        SpeechFeed.prototype,
        "finish",
        (finish) =>
          function (this: SpeechFeed, error) {
            if (error !== undefined || this.ended || ++ended % 2 !== 0) finish.call(this, error);
          },
      );
    },
  },
  {
    name: "unbounded-feed",
    bug: "a worker's stream is read on, whoever takes the frames",
    plant: () => replace(SpeechFeed.prototype, "room", () => () => Promise.resolve()),
  },
  {
    name: "unbounded-look-ahead",
    bug: "the look-ahead never asks anybody to wait",
    plant: () => replace(FrameRing.prototype, "room", () => () => Promise.resolve()),
  },
  {
    name: "voice-not-paused",
    bug: "PAUSE does not reach the worker",
    plant: () => replace(SynthesisChannel.prototype, "setPaused", () => () => {}),
  },
  {
    name: "voice-stays-paused",
    bug: "RESUME does not reach the worker",
    plant: () =>
      replace(
        SynthesisChannel.prototype,
        "setPaused",
        (setPaused) =>
          function (this: SynthesisChannel, paused) {
            if (paused) setPaused.call(this, paused);
          },
      ),
  },
  {
    name: "voice-not-given-back",
    bug: "the end of a session leaves its claim at the worker",
    plant: () => replace(SessionVoice.prototype, "close", () => () => {}),
  },
];
