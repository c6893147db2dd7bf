import { AntiphonError } from "@antiphon/protocol";
import { FakeClock, settle } from "@antiphon/runtime/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { type JobPriority, SlotQueue } from "./slot-queue.ts";

describe("the line before a model", () => {
  let clock: FakeClock;
  let queue: SlotQueue;
  let admitted: string[];
  let refused: string[];
  const releases = new Map<string, () => void>();
  beforeEach(() => {
    clock = new FakeClock();
    queue = new SlotQueue({ clock, waitingMax: 3, waitMsMax: 1_000 });
    admitted = [];
    refused = [];
  });

  function come(
    name: string,
    priority: JobPriority = "final",
    signal = new AbortController().signal,
  ) {
    queue.acquire(priority, signal).then(
      (release) => {
        admitted.push(name);
        releases.set(name, release);
      },
      (reason: AntiphonError) => refused.push(`${name} ${reason.code}`),
    );
    return settle();
  }
  async function leave(name: string) {
    releases.get(name)?.();
    await settle();
  }

  it("admits as many as there are slots, then in the order they came", async () => {
    queue.setSlots(2);
    for (const name of ["a", "b", "c", "d"]) await come(name);
    expect(admitted).toEqual(["a", "b"]);
    expect([queue.busy, queue.waiting]).toEqual([2, 2]);
    await leave("b");
    await leave("a");
    expect(admitted).toEqual(["a", "b", "c", "d"]);
  });

  it("lets finals go before partials", async () => {
    queue.setSlots(1);
    await come("running");
    await come("partial", "partial");
    await come("final");
    await leave("running");
    expect(admitted).toEqual(["running", "final"]);
  });

  it("counts a slot given back twice once", async () => {
    queue.setSlots(1);
    await come("a");
    await leave("a");
    await leave("a");
    expect(queue.busy).toBe(0);
  });

  it("refuses as overloaded whom it has no room for, and who has waited too long", async () => {
    queue.setSlots(1);
    for (const name of ["a", "b", "c", "d", "e"]) await come(name);
    expect(refused).toEqual(["e overloaded"]);
    clock.advance(1_000);
    await settle();
    expect(refused.slice(1)).toEqual(["b overloaded", "c overloaded", "d overloaded"]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("makes everybody wait while there is no process, and says so if it takes too long", async () => {
    await come("a");
    clock.advance(500);
    await come("b");
    clock.advance(500);
    await settle();
    expect(refused).toEqual(["a unavailable"]);
    queue.setSlots(1);
    await settle();
    expect(admitted).toEqual(["b"]);
  });

  it("forgets whoever gives up", async () => {
    queue.setSlots(1);
    const controller = new AbortController();
    await come("a");
    await come("b", "final", controller.signal);
    await come("c");
    controller.abort();
    await leave("a");
    expect(admitted).toEqual(["a", "c"]);
    expect(queue.waiting).toBe(0);
  });

  it("refuses all while it is closed", async () => {
    await come("a");
    queue.close(new AntiphonError("failed_precondition", "gone"));
    await come("b");
    expect(refused).toEqual(["a failed_precondition", "b failed_precondition"]);
    queue.open();
    queue.setSlots(1);
    await come("c");
    expect(admitted).toEqual(["c"]);
  });
});
