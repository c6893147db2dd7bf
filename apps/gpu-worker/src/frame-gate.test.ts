import { settle } from "@antiphon/runtime/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { FrameGate } from "./frame-gate.ts";

describe("the frame gate", () => {
  const first = { name: "first" };
  const second = { name: "second" };
  let gate: FrameGate<object, string>;
  beforeEach(() => {
    gate = new FrameGate({ itemsMax: 3, progress: () => "progress" });
  });

  const put = (owner: object, message: string, sound = true) =>
    gate.put({ owner, sound, leave: () => message });
  /** Everything that leaves without more being put in. */
  async function drained(): Promise<string[]> {
    const messages: string[] = [];
    void (async () => {
      for (let message = await gate.take(); message !== undefined; message = await gate.take()) {
        messages.push(message);
      }
    })();
    await settle();
    return messages;
  }

  it("lets through in order what was put in", async () => {
    await put(first, "a");
    await put(first, "b", false);
    await put(second, "c");
    expect(await drained()).toEqual(["a", "b", "c"]);
  });

  it("makes the producer wait while the consumer does not pull, and holds no more than its room", async () => {
    let accepted = 0;
    for (const message of ["a", "b", "c", "d", "e"])
      void put(first, message).then(() => accepted++);
    await settle();
    expect([accepted, gate.length]).toEqual([3, 3]);
    expect(await gate.take()).toBe("a");
    await settle();
    expect([accepted, gate.length]).toEqual([4, 3]);
  });

  describe("while closed by PAUSE", () => {
    beforeEach(async () => {
      await put(first, "a");
      await put(first, "b");
      gate.paused = true;
    });

    it("lets no sound through, and goes on at the same frame when opened", async () => {
      const messages = await drained();
      expect(messages).toEqual([]);
      gate.paused = false;
      await settle();
      expect(messages).toEqual(["a", "b"]);
    });

    it("lets progress through, several as one", async () => {
      gate.sayProgress();
      gate.sayProgress();
      expect(await drained()).toEqual(["progress"]);
    });

    it("holds what comes after sound, and passes what comes before it", async () => {
      gate.clear(first);
      await put(second, "started", false);
      await put(second, "sound");
      await put(second, "done", false);
      expect(await drained()).toEqual(["started"]);
    });

    it("lets the end of a stopped utterance through, ahead of everything", async () => {
      gate.clear(first);
      gate.putAhead(() => "cancelled");
      expect(await drained()).toEqual(["cancelled"]);
    });
  });

  it("discards a cleared utterance wherever it is, and takes nothing more of it", async () => {
    await put(first, "a");
    await put(second, "b");
    await put(first, "c");
    const blocked = put(first, "d");
    gate.clear(first);
    expect(await blocked).toBe(false);
    expect(await put(first, "e")).toBe(false);
    expect(await drained()).toEqual(["b"]);
  });

  it("asks a message what it says only when it leaves", async () => {
    let sent = 0;
    for (let frame = 0; frame < 2; frame++) {
      await gate.put({ owner: first, sound: true, leave: () => `frame ${++sent}` });
    }
    await gate.put({ owner: first, sound: false, leave: () => `done after ${sent}` });
    expect(await drained()).toEqual(["frame 1", "frame 2", "done after 2"]);
  });

  it("ends after what is in it", async () => {
    await put(first, "a");
    gate.end();
    expect([await gate.take(), await gate.take()]).toEqual(["a", undefined]);
  });

  it("closes at once: the consumer is told, producers are refused", async () => {
    const taken = gate.take();
    gate.close();
    expect(await taken).toBeUndefined();
    expect(await put(first, "a")).toBe(false);
  });
});
