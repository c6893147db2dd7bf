import { describe, expect, it } from "vitest";
import { BoundedQueue } from "./bounded-queue.ts";

describe("a bounded queue", () => {
  it("hands values over in order and ends after close", async () => {
    const queue = new BoundedQueue<number>({ max: 3, overflow: "reject" });
    queue.push(1);
    queue.push(2);
    queue.close();
    const read: number[] = [];
    for await (const value of queue) read.push(value);
    expect(read).toEqual([1, 2]);
    expect(queue.push(3)).toBe("rejected");
  });

  it("drops the oldest, and says so, when told to", async () => {
    const queue = new BoundedQueue<number>({ max: 2, overflow: "drop-oldest" });
    expect([queue.push(1), queue.push(2), queue.push(3)]).toEqual([
      "accepted",
      "accepted",
      "dropped-oldest",
    ]);
    expect(queue.drain()).toEqual([2, 3]);
  });

  it("rejects what does not fit, when told to", () => {
    const queue = new BoundedQueue<number>({ max: 1, overflow: "reject" });
    expect([queue.push(1), queue.push(2)]).toEqual(["accepted", "rejected"]);
  });

  it("wakes a waiting reader with the value, the end or the failure", async () => {
    const read = (queue: BoundedQueue<number>) => queue[Symbol.asyncIterator]().next();
    const one = new BoundedQueue<number>({ max: 1, overflow: "reject" });
    const value = read(one);
    one.push(7);
    expect(await value).toEqual({ done: false, value: 7 });
    const end = read(one);
    one.close();
    expect((await end).done).toBe(true);
    const two = new BoundedQueue<number>({ max: 1, overflow: "reject" });
    const failure = read(two);
    two.fail(new Error("lost"));
    await expect(failure).rejects.toThrow("lost");
  });
});
