import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FRAME_BYTES } from "./limits.ts";
import {
  decodeMicrophoneFrame,
  decodeVoiceFrame,
  encodeMicrophoneFrame,
  encodeVoiceFrame,
  MICROPHONE_HEADER_BYTES,
  VOICE_HEADER_BYTES,
} from "./socket-frame.ts";

const u32 = fc.nat({ max: 0xffff_ffff });
const pcm = fc.uint8Array({ minLength: FRAME_BYTES, maxLength: FRAME_BYTES });

/** A copy of the message at an odd byte offset, as libraries hand them over. */
function shifted(message: Uint8Array, by: number): Uint8Array {
  const bytes = new Uint8Array(message.length + by);
  bytes.set(message, by);
  return bytes.subarray(by);
}

describe("a voice frame", () => {
  it("comes back as it was, wherever it lies in memory", () => {
    fc.assert(
      fc.property(
        fc.record({
          leaseEpoch: u32,
          epoch: u32,
          utterance: fc.nat({ max: 0xffff }),
          seq: u32,
          positionSamples: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
          pcm,
        }),
        fc.nat({ max: 7 }),
        (frame, by) => {
          const message = encodeVoiceFrame(frame);
          expect(message.byteLength).toBe(VOICE_HEADER_BYTES + FRAME_BYTES);
          expect(decodeVoiceFrame(shifted(message, by))).toEqual(frame);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe("a microphone frame", () => {
  it("comes back as it was", () => {
    fc.assert(
      fc.property(u32, pcm, (seq, bytes) => {
        const message = encodeMicrophoneFrame({ seq, pcm: bytes });
        expect(message.byteLength).toBe(MICROPHONE_HEADER_BYTES + FRAME_BYTES);
        expect(decodeMicrophoneFrame(shifted(message, 1))).toEqual({ seq, pcm: bytes });
      }),
      { numRuns: 50 },
    );
  });

  it("of the wrong size, version or kind is refused with invalid_argument", () => {
    const good = encodeMicrophoneFrame({ seq: 1, pcm: new Uint8Array(FRAME_BYTES) });
    const wrongVersion = good.slice();
    wrongVersion[0] = 9;
    const voice = encodeVoiceFrame({
      leaseEpoch: 1,
      epoch: 1,
      utterance: 0,
      seq: 0,
      positionSamples: 0,
      pcm: new Uint8Array(FRAME_BYTES),
    });
    for (const bad of [new Uint8Array(0), good.subarray(1), wrongVersion, voice]) {
      expect(() => decodeMicrophoneFrame(bad)).toThrow(
        expect.objectContaining({ code: "invalid_argument" }),
      );
    }
    expect(() => encodeMicrophoneFrame({ seq: 0, pcm: new Uint8Array(1_919) })).toThrow(
      "1920 bytes",
    );
  });
});
