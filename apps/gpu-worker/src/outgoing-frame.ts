/** What leaves a Synthesize stream, in the protocol's words. Builds messages, decides nothing. */
import { type AntiphonError, publicError } from "@antiphon/protocol";
import { type AudioFrameSchema, TimingSource } from "@antiphon/protocol/worker";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { TimedWord } from "./synthesis.ts";

export type OutgoingFrame = MessageInitShape<typeof AudioFrameSchema>;

export type OutgoingKind = NonNullable<OutgoingFrame["kind"]>;

/** 1,920 bytes; not copied. */
export function audioKind(pcm: Uint8Array, seq: number): OutgoingKind {
  return { case: "audio", value: { seq, pcm: pcm as Uint8Array<ArrayBuffer> } };
}

export function wordsKind(words: readonly TimedWord[]): OutgoingKind {
  return {
    case: "wordTimings",
    value: {
      words: words.map(({ text, startSample, endSample, measured }) => ({
        text,
        startSample,
        endSample,
        source: measured ? TimingSource.MEASURED : TimingSource.ESTIMATED,
      })),
    },
  };
}

export function cancelledKind(samples: number): OutgoingKind {
  return { case: "cancelled", value: { samples } };
}

/** An internal error's text stays inside. */
export function errorKind(error: AntiphonError, samples: number): OutgoingKind {
  const { code, message, retryable } = publicError(error);
  return { case: "error", value: { code, message, retryable, samples } };
}
