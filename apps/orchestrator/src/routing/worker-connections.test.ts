import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { FakeWorker } from "./testing/fake-worker.ts";
import { GuardedSessionManager } from "./worker-connections.ts";

describe("a GOAWAY on an idle connection", () => {
  const worker = new FakeWorker();
  afterEach(() => worker.die());

  it("in the very moment in which a call begins does not end the process", async () => {
    await worker.listen();
    const manager = new GuardedSessionManager(worker.address);
    const first = await manager.request("POST", "/", {}, {});
    const { session } = first;
    first.close();
    await once(first, "close");
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    // After the manager's own listener has destroyed the session, and before its error is emitted: the manager lets go of it.
    session?.on("goaway", () => {
      void manager.request("POST", "/", {}, {}).then((again) => {
        again.on("error", () => {});
        resolve(again.id);
      });
    });
    worker.goAway();
    expect(await promise).toBe(1);
    manager.abort();
  });
});
