import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataPacketJoiner, toDataPackets } from "./data-packet.ts";
import { LIVEKIT_PACKET_BYTES_MAX, SOCKET_MESSAGE_BYTES_MAX } from "./limits.ts";

const FULL = LIVEKIT_PACKET_BYTES_MAX - 1;

const joined = (joiner: DataPacketJoiner, packets: readonly Uint8Array[]) =>
  packets.map((packet) => joiner.push(packet)).filter((message) => message !== undefined);

/** Well-formed texts whose lengths lie about a packet's end, with characters of every length there. */
const text = fc
  .tuple(
    fc.string({ unit: "grapheme", maxLength: 40 }),
    fc.constantFrom(0, FULL - 40, FULL, 2 * FULL - 20, 3 * FULL),
    fc.string({ unit: "binary", maxLength: 40 }),
  )
  .map(([before, filling, after]) => before + "é".repeat(filling / 2) + after)
  .map((each) => each.toWellFormed());

describe("a message in data packets", () => {
  it("comes back as it was, whatever its length and wherever it is cut", () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 4 }), (messages) => {
        const packets = messages.flatMap(toDataPackets);
        for (const packet of packets) {
          expect(packet.length).toBeLessThanOrEqual(LIVEKIT_PACKET_BYTES_MAX);
        }
        expect(joined(new DataPacketJoiner(), packets)).toEqual(messages);
      }),
      { numRuns: 100 },
    );
  });

  it("that fits is one packet, marked as the last", () => {
    expect(toDataPackets("")).toEqual([new Uint8Array([1])]);
    expect(toDataPackets("a".repeat(FULL)).map((packet) => packet[0])).toEqual([1]);
    expect(toDataPackets("a".repeat(FULL + 1)).map((packet) => packet[0])).toEqual([0, 1]);
  });
});

describe("packets that nobody honest sends", () => {
  it("of any bytes give a message or a refusal, and never keep the next one from coming through", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 6 }), { maxLength: 20 }), (packets) => {
        const joiner = new DataPacketJoiner();
        for (const packet of packets) {
          try {
            joiner.push(packet);
          } catch (reason) {
            expect(reason).toMatchObject({ code: "invalid_argument" });
          }
        }
        // Whatever is unfinished ends here, well or badly.
        expect(() => joiner.push(new Uint8Array([2]))).toThrow();
        expect(joined(joiner, toDataPackets("next"))).toEqual(["next"]);
      }),
    );
  });

  it("that never end are refused once, dropped to their end, and cost no more than one message", () => {
    const joiner = new DataPacketJoiner();
    const more = new Uint8Array(LIVEKIT_PACKET_BYTES_MAX);
    const outcomes = Array.from({ length: 20 }, () => {
      try {
        return joiner.push(more);
      } catch (reason) {
        return (reason as { code: string }).code;
      }
    });
    expect(outcomes.filter((outcome) => outcome !== undefined)).toEqual(["too_large"]);
    expect(joiner.push(new Uint8Array([1, 33]))).toBeUndefined();
    expect(joined(joiner, toDataPackets("next"))).toEqual(["next"]);
  });

  it("of the longest message that a socket takes come through, a byte more does not", () => {
    const joiner = new DataPacketJoiner();
    const longest = "a".repeat(SOCKET_MESSAGE_BYTES_MAX);
    expect(joined(joiner, toDataPackets(longest))).toEqual([longest]);
    expect(() => joined(joiner, toDataPackets(`${longest}a`))).toThrow(
      expect.objectContaining({ code: "too_large" }),
    );
    expect(joined(joiner, toDataPackets("next"))).toEqual(["next"]);
  });

  it("of broken UTF-8 are refused", () => {
    expect(() => new DataPacketJoiner().push(new Uint8Array([1, 0xff]))).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  });
});
