import { beforeEach, describe, expect, it } from "vitest";
import { ConversationFixture } from "./testing/conversation-fixture.ts";

const LONG = "There once was a man who walked all the way to the sea and back again. He liked it.";

let call: ConversationFixture;

beforeEach(async () => {
  call = await ConversationFixture.started({
    answers: [LONG],
    options: { voice: "slt", instructions: "Tell a story." },
  });
});

const newest = () => call.records.written.at(-1);

describe("what a successor would find", () => {
  it("is what the client asked for, before anything was said", () => {
    expect(newest()).toMatchObject({ owesAnswer: false, reply: undefined });
    expect(newest()?.options.client).toMatchObject({ instructions: "Tell a story." });
  });

  it("while a reply plays is its utterances with their words, and no more than half a second old", async () => {
    call.send({ type: "text", text: "Tell me one." });
    await call.wait(800);
    const positions: number[] = [];
    for (let step = 0; step < 3; step++) {
      await call.wait(500);
      positions.push(newest()?.reply?.heardSamples ?? 0);
    }
    for (const [index, position] of positions.slice(1).entries()) {
      expect(position - (positions[index] ?? 0)).toBeGreaterThan(0.3 * 48_000);
    }
    const reply = newest()?.reply;
    expect(newest()?.owesAnswer).toBe(true);
    expect(reply).toMatchObject({ complete: true, turn: 1, kind: "answer", text: LONG });
    expect(reply?.utterances.map((utterance) => utterance.text).join(" ")).toBe(LONG);
    expect(reply?.utterances[0]).toMatchObject({ begun: true, startSample: 0 });
    expect(reply?.utterances[0]?.words.length).toBeGreaterThan(0);
  });

  it("after it is an answer that is not owed any more", async () => {
    call.send({ type: "text", text: "Tell me one." });
    await call.wait(12_000);
    expect(newest()).toMatchObject({ owesAnswer: false, reply: undefined });
    expect(newest()?.history.at(-1)).toMatchObject({ role: "assistant", text: LONG });
  });

  it("is a turn that nobody answered, and the successor answers it without being asked", async () => {
    const history = [{ role: "user" as const, text: "Are you there?", interrupted: false }];
    const script = { answers: ["Yes."], options: { greeting: "Welcome." } };
    const identity = { leaseEpoch: 2, history, turnNumber: 1, owesAnswer: true };
    const successor = await ConversationFixture.started({ ...script, identity });
    await successor.wait(3_000);
    const said = successor.transport.all("reply").filter((reply) => reply.done);
    expect(said.map((reply) => [reply.turn, reply.text])).toEqual([[1, "Yes."]]);
    expect(successor.records.written.at(-1)).toMatchObject({ owesAnswer: false, turnNumber: 1 });
  });

  it("is not written again and again while nothing happens", async () => {
    const before = call.records.written.length;
    await call.wait(5_000);
    expect(call.records.written.length).toBe(before);
  });
});
