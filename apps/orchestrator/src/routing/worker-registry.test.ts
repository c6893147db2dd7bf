import { fromConnectError, RegistryService, signBeat } from "@antiphon/protocol/worker";
import { createLog } from "@antiphon/runtime/log";
import { FakeClock } from "@antiphon/runtime/testing";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { beforeEach, describe, expect, it } from "vitest";
import { beat } from "./testing/beats.ts";
import { createRegistryService, WorkerRegistry } from "./worker-registry.ts";

let clock: FakeClock;
let registry: WorkerRegistry;
beforeEach(() => {
  clock = new FakeClock();
  registry = new WorkerRegistry({
    clock,
    log: createLog({ name: "test", level: "silent" }),
    workersMax: 3,
  });
});

const states = () => registry.view().map(({ workerId, suspect }) => `${workerId} ${suspect}`);

describe("a worker that beats", () => {
  it("is there, is suspect after 600 ms of silence and gone after 3 s, by our clock", () => {
    registry.accept(beat("a", 1));
    clock.advance(599);
    expect(states()).toEqual(["a false"]);
    clock.advance(1);
    expect(states()).toEqual(["a true"]);
    registry.accept(beat("a", 2));
    expect(states()).toEqual(["a false"]);
    clock.advance(3_000);
    expect(states()).toEqual([]);
  });

  it("is refused when it repeats itself, and stays as it was", () => {
    registry.accept(beat("a", 5));
    for (const seq of [5, 4]) {
      expect(() => registry.accept(beat("a", seq, { draining: true }))).toThrow(/rise/);
    }
    expect(registry.view()[0]?.draining).toBe(false);
  });

  it("leaves at its word, and an older beat does not bring it back", () => {
    registry.accept(beat("a", 1));
    registry.accept(beat("a", 3, { leaving: true }));
    expect(states()).toEqual([]);
    expect(() => registry.accept(beat("a", 2))).toThrow(/rise/);
  });

  it("does not come back by a replay after it was gone, but does by itself", () => {
    registry.accept(beat("a", 7));
    clock.advance(3_000);
    expect(() => registry.accept(beat("a", 7))).toThrow(/rise/);
    registry.accept(beat("a", 8));
    expect(states()).toEqual(["a false"]);
  });

  it("is suspect from the moment a stream to it is lost, until its next beat", () => {
    registry.accept(beat("a", 1));
    registry.reportLost("a");
    expect(states()).toEqual(["a true"]);
    registry.accept(beat("a", 2));
    expect(states()).toEqual(["a false"]);
  });
});

describe("a pool", () => {
  it("has a limit", () => {
    for (const id of ["a", "b", "c"]) registry.accept(beat(id, 1));
    expect(() => registry.accept(beat("d", 1))).toThrow(/full/);
    registry.accept(beat("c", 2));
    clock.advance(3_000);
    registry.accept(beat("d", 1));
    expect(states()).toEqual(["d false"]);
  });

  it("takes no beat without an id or a usable address", () => {
    expect(() => registry.accept(beat("", 1))).toThrow(/worker_id/);
    expect(() => registry.accept(beat("x".repeat(129), 1))).toThrow(/worker_id/);
    for (const address of ["", "127.0.0.1:80", "ftp://x", "http://"]) {
      expect(() => registry.accept(beat("a", 1, { address }))).toThrow(/origin/);
    }
  });
});

describe("whoever waits for a worker", () => {
  it("is answered by the beat that satisfies it", async () => {
    const waiting = registry.waitFor(
      (view) => view.find(({ draining }) => draining)?.workerId,
      new AbortController().signal,
    );
    registry.accept(beat("a", 1));
    registry.accept(beat("b", 1, { draining: true }));
    expect(await waiting).toBe("b");
  });

  it("is let go by its signal, or by what its question throws", async () => {
    const controller = new AbortController();
    const waiting = registry.waitFor(() => undefined, controller.signal);
    controller.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    const failing = registry.waitFor(() => {
      throw new Error("never");
    }, new AbortController().signal);
    await expect(failing).rejects.toThrow("never");
  });
});

describe("the registry service", () => {
  const client = () =>
    createClient(
      RegistryService,
      createRouterTransport(({ service }) => {
        service(RegistryService, createRegistryService({ registry, secret: "s" }));
      }),
    );

  it("takes a signed beat", async () => {
    await client().beat(signBeat(beat("a", 1), "s"));
    expect(states()).toEqual(["a false"]);
  });

  it("refuses a foreign signature, and a replay", async () => {
    const codeOf = (call: Promise<unknown>) => call.then(() => "", fromConnectError);
    expect(await codeOf(client().beat(signBeat(beat("a", 1), "t")))).toMatchObject({
      code: "permission_denied",
    });
    await client().beat(signBeat(beat("a", 1), "s"));
    expect(await codeOf(client().beat(signBeat(beat("a", 1), "s")))).toMatchObject({
      code: "failed_precondition",
    });
    expect(states()).toEqual(["a false"]);
  });
});
