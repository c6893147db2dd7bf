import { createLog } from "@antiphon/runtime/log";
import { FakeClock } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import type { VadWindow } from "../session/ports.ts";
import { createSileroVad } from "./silero-vad.ts";
import { FakeDetectorThread } from "./testing/fake-detector-thread.ts";

describe("frames on their way to the thread", () => {
  it("of all sessions go in one message after ten milliseconds", () => {
    const { detector, threads, clock } = started();
    const one = detector.open(() => {});
    const two = detector.open(() => {});
    one.push(frame(1));
    two.push(frame(2));
    one.push(frame(3));
    clock.advance(10);
    expect(sent(threads[0])).toEqual([
      [
        [1, 0, 1],
        [2, 0, 2],
        [1, 960, 3],
      ],
    ]);
  });

  it("are copied", () => {
    const { detector, threads, clock } = started();
    const pushed = frame(5);
    detector.open(() => {}).push(pushed);
    pushed.fill(9);
    clock.advance(10);
    expect(sent(threads[0])).toEqual([[[1, 0, 5]]]);
  });

  it("wait while two messages are unanswered, and go when one of them is", () => {
    const { detector, threads, clock } = started();
    const stream = detector.open(() => {});
    for (let index = 0; index < 5; index++) {
      stream.push(frame(index));
      clock.advance(10);
    }
    expect(sent(threads[0]).length).toBe(2);
    threads[0]?.answer(1);
    clock.advance(10);
    expect(sent(threads[0])[2]).toEqual([
      [1, 1920, 2],
      [1, 2880, 3],
      [1, 3840, 4],
    ]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("are left out beyond two seconds, and the ones after that keep their place", () => {
    const { detector, threads, clock } = started({ loaded: false });
    const stream = detector.open(() => {});
    for (let index = 0; index < 105; index++) stream.push(frame(index));
    threads[0]?.reply({ kind: "ready" });
    clock.advance(10);
    stream.push(frame(200));
    clock.advance(10);
    const [first, second] = sent(threads[0]);
    expect(first?.length).toBe(100);
    expect(second).toEqual([[1, 105 * 960, 200]]);
  });

  it("are refused when they are no frames", () => {
    const { detector } = started();
    expect(() => detector.open(() => {}).push(new Int16Array(320))).toThrow(RangeError);
  });
});

describe("windows", () => {
  it("reach their own listener, in order", () => {
    const { detector, threads } = started();
    const heard: Array<[string, number, number]> = [];
    const listen = (name: string) => (window: VadWindow) => {
      heard.push([name, window.endSample, window.probability]);
    };
    detector.open(listen("one"));
    detector.open(listen("two"));
    threads[0]?.answer(0, [
      [1, 1536, 0.1],
      [2, 1536, 0.9],
      [1, 3072, 0.2],
    ]);
    expect(heard).toEqual([
      ["one", 1536, 0.1],
      ["two", 1536, 0.9],
      ["one", 3072, 0.2],
    ]);
  });

  it("of a closed input reach nobody, and the thread is told to forget it", () => {
    const { detector, threads, clock } = started();
    const heard: VadWindow[] = [];
    const stream = detector.open((window) => heard.push(window));
    stream.close();
    stream.close();
    stream.push(frame(1));
    clock.advance(10);
    threads[0]?.answer(1, [[1, 1536, 0.5]]);
    expect(heard).toEqual([]);
    expect(threads[0]?.requests).toMatchObject([{ kind: "frames", count: 0, closed: [1] }]);
  });

  it("reach the others when one listener fails", () => {
    const { detector, threads } = started();
    const heard: number[] = [];
    detector.open(() => {
      throw new Error("a listener's fault");
    });
    detector.open((window) => heard.push(window.probability));
    threads[0]?.answer(0, [
      [1, 1536, 0.1],
      [2, 1536, 0.9],
    ]);
    expect(heard).toEqual([0.9]);
  });
});

describe("a thread that dies", () => {
  it("is replaced, and streams go on at their place", () => {
    const { detector, threads, clock } = started();
    const heard: number[] = [];
    const stream = detector.open((window) => heard.push(window.endSample));
    stream.push(frame(1));
    clock.advance(10);
    threads[0]?.die(new Error("out of memory"));
    stream.push(frame(2));
    expect(threads.length).toBe(2);
    threads[1]?.reply({ kind: "ready" });
    clock.advance(10);
    expect(sent(threads[1])).toEqual([[[1, 960, 2]]]);
    threads[1]?.answer(1, [[1, 960 + 1536, 0.7]]);
    expect(heard).toEqual([960 + 1536]);
  });

  it("is given up, and said so, after five replacements in a minute", () => {
    const { threads, givenUp, detector, clock } = started();
    for (let index = 0; index < 6; index++) {
      threads[index]?.reply({ kind: "ready" });
      threads[index]?.die(new Error(`death ${index}`));
    }
    expect(threads.length).toBe(6);
    expect(givenUp).toEqual(["death 5"]);
    detector.open(() => {}).push(frame(1));
    expect(clock.pendingTimers).toBe(0);
  });

  it("may die again later: the budget is one of a minute", () => {
    const { threads, givenUp, clock } = started();
    for (let index = 0; index < 12; index++) {
      threads[index]?.reply({ kind: "ready" });
      threads[index]?.die(new Error("now and then"));
      clock.advance(20_000);
    }
    expect([threads.length, givenUp.length]).toEqual([13, 0]);
  });

  it("before its model was ever loaded is not replaced: ready rejects", async () => {
    const { detector, threads, givenUp } = started({ loaded: false });
    threads[0]?.die(new Error("no such file"));
    await expect(detector.ready).rejects.toThrow("no such file");
    expect([threads.length, givenUp]).toEqual([1, ["no such file"]]);
  });
});

describe("closing", () => {
  it("asks the thread to stop and waits for its exit", async () => {
    const { detector, threads, clock } = started();
    detector.open(() => {}).push(frame(1));
    const closed = detector.close();
    expect(threads[0]?.requests).toEqual([{ kind: "stop" }]);
    threads[0]?.emit("exit", 0);
    await closed;
    expect([threads.length, clock.pendingTimers]).toEqual([1, 0]);
  });

  it("leaves a thread behind that does not stop in five seconds", async () => {
    const { detector, threads, clock } = started();
    const closed = detector.close();
    await clock.advanceAsync(5_000, 1_000);
    await closed;
    expect(threads[0]?.unreferenced).toBe(true);
  });
});

const quietLog = createLog({ name: "test", level: "silent" });
const frame = (value: number) => new Int16Array(960).fill(value);

function started(options: { loaded?: boolean } = {}) {
  const clock = new FakeClock();
  const threads: FakeDetectorThread[] = [];
  const givenUp: string[] = [];
  const detector = createSileroVad({
    log: quietLog,
    clock,
    onGivenUp: (reason) => givenUp.push(reason.message),
    startThread: () => {
      const thread = new FakeDetectorThread();
      threads.push(thread);
      return thread;
    },
  });
  if (options.loaded !== false) threads[0]?.reply({ kind: "ready" });
  return { clock, threads, detector, givenUp };
}

/** Of each message: input, position and first sample of every frame. */
function sent(thread: FakeDetectorThread | undefined): number[][][] {
  return (thread?.requests ?? []).flatMap((request) =>
    request.kind !== "frames"
      ? []
      : [
          request.streamIds.map((id, index) => [
            id,
            request.startSamples[index] ?? -1,
            request.pcm[index * 960] ?? -1,
          ]),
        ],
  );
}
