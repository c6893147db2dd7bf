import { openBeat, type WorkerBeat } from "@antiphon/protocol/worker";
import { createLog } from "@antiphon/runtime/log";
import { FakeClock } from "@antiphon/runtime/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { quiet } from "./testing/speech-caller.ts";
import { type BeatSender, WorkerBeats } from "./worker-beat.ts";

const SECRET = "the pool's secret";

/** An orchestrator that takes beats, or fails, or hangs. */
class Registry implements BeatSender {
  readonly url = "http://registry";
  readonly beats: WorkerBeat[] = [];
  readonly atMs: number[] = [];
  mode: "takes" | "fails" | "hangs" = "takes";
  closed = false;
  openMax = 0;
  #open = 0;
  #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async send(request: Parameters<BeatSender["send"]>[0], signal: AbortSignal): Promise<void> {
    this.atMs.push(this.#clock.nowMs());
    this.beats.push(openBeat(request, SECRET));
    if (this.mode === "fails") throw new Error("refused");
    if (this.mode === "hangs") {
      this.openMax = Math.max(this.openMax, ++this.#open);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      this.#open--;
      throw new Error("too late");
    }
  }

  close(): void {
    this.closed = true;
  }
}

describe("a worker's beats", () => {
  let clock: FakeClock;
  let registries: [Registry, Registry];
  let beats: WorkerBeats;
  let draining: boolean;
  let randoms: number[];
  beforeEach(() => {
    clock = new FakeClock();
    registries = [new Registry(clock), new Registry(clock)];
    draining = false;
    randoms = [];
    beats = new WorkerBeats({
      senders: registries,
      workerId: "w",
      poolSecret: SECRET,
      content: () => ({ address: "http://w:1", models: [{ model: "tone" }], draining, load: 0.5 }),
      clock,
      log: createLog({ name: "test", level: "silent" }),
      random: () => randoms.shift() ?? 0.5,
    });
    beats.start();
  });

  it("reach every orchestrator each 200 ms, signed and numbered", async () => {
    await clock.advanceAsync(1_000);
    for (const { beats: taken } of registries) {
      expect(taken.map((beat) => beat.seq)).toEqual([1, 2, 3, 4, 5, 6]);
      expect(taken[5]).toMatchObject({
        workerId: "w",
        address: "http://w:1",
        load: 0.5,
        leaving: false,
      });
      expect(taken[5]?.models[0]?.model).toBe("tone");
    }
    await beats.stop();
  });

  it("spread by a tenth of their interval", async () => {
    await beats.stop();
    const [registry] = registries;
    registry.atMs.length = 0;
    randoms = [0, 0.999, 0.5];
    const spread = new WorkerBeats({
      senders: [registry],
      workerId: "w",
      poolSecret: SECRET,
      content: () => ({}),
      clock,
      log: createLog({ name: "test", level: "silent" }),
      random: () => randoms.shift() ?? 0.5,
    });
    spread.start();
    await clock.advanceAsync(620, 1);
    expect(registry.atMs.map(Math.round)).toEqual([0, 180, 400, 600]);
    await spread.stop();
  });

  it("go on when one orchestrator refuses them", async () => {
    registries[0].mode = "fails";
    await clock.advanceAsync(600);
    expect(registries.map((registry) => registry.beats.length)).toEqual([4, 4]);
    await beats.stop();
  });

  it("do not pile up at an orchestrator that hangs, and give each of them half a second", async () => {
    registries[0].mode = "hangs";
    await clock.advanceAsync(2_000);
    expect(registries.map((registry) => registry.beats.length)).toEqual([11, 11]);
    expect(registries[0].openMax).toBe(3);
    registries[0].mode = "takes";
    await beats.stop();
  });

  it("say that the worker drains, and at the end once that it leaves", async () => {
    draining = true;
    await clock.advanceAsync(200);
    await beats.stop();
    await clock.advanceAsync(1_000);
    for (const registry of registries) {
      const said = registry.beats.map(({ draining, leaving }) => [draining, leaving]);
      expect(said).toEqual([
        [false, false],
        [true, false],
        [true, true],
      ]);
      expect(registry.closed).toBe(true);
    }
    expect(clock.pendingTimers).toBe(0);
  });

  it("leave within half a second, whoever hangs", async () => {
    registries[0].mode = "hangs";
    const stopped = beats.stop();
    await quiet();
    clock.advance(500);
    await stopped;
    expect(registries[1].beats.at(-1)?.leaving).toBe(true);
  });
});
