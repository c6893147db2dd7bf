import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { recordFromJson, recordToJson, SessionRecordSchema } from "./record.ts";

const record = create(SessionRecordSchema, {
  sessionId: "s",
  leaseEpoch: 2,
  version: 7,
  owesAnswer: true,
  reply: {
    replyId: "2-1",
    text: "Hello there. How are you?",
    heardSamples: 4_800,
    complete: true,
    turn: 1,
    kind: "answer",
    utterances: [
      {
        text: "Hello there.",
        begun: true,
        startSample: 0,
        samples: 9_600,
        ended: true,
        words: [{ text: "Hello", startSample: 0, endSample: 4_000, measured: true }],
      },
      { text: "How are you?" },
    ],
  },
  options: { voice: "slt", clientOptionsJson: '{"playback":"reported"}' },
});

describe("a session record", () => {
  it("comes back from JSON as it was, the reply's words included", () => {
    const json = JSON.parse(JSON.stringify(recordToJson(record))) as unknown;
    expect(recordFromJson(json)).toEqual(record);
  });

  it("of a version before this one reads as one that knows less", () => {
    const older = { sessionId: "s", version: 1, reply: { replyId: "1-1", text: "Hi" } };
    expect(recordFromJson(older)).toMatchObject({
      owesAnswer: false,
      reply: { complete: false, kind: "", utterances: [] },
    });
  });

  it("of a version after this one is read without what is new in it", () => {
    const json = recordToJson(record) as Record<string, unknown>;
    const reply = { ...(json["reply"] as object), mood: "merry" };
    expect(recordFromJson({ ...json, reply, weather: "fair" })).toEqual(record);
  });

  it("that is none is refused", () => {
    expect(() => recordFromJson([1])).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  });
});
