/** A real worker makes itself known to a registry, and says good-bye. */
import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { ModelState, openBeat, RegistryService, type WorkerBeat } from "@antiphon/protocol/worker";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gone, startWorker, WORKER_SECRET } from "../support/worker.ts";

const POOL_SECRET = "another secret for tests";
const beats: WorkerBeat[] = [];
const authorizations = new Set<string | null>();
let connections = new Set<ServerHttp2Session>();
let server: Http2Server;
let url: string;

beforeAll(async () => {
  const routes = connectNodeAdapter({
    routes: (router) =>
      router.service(RegistryService, {
        beat(request, { requestHeader }) {
          authorizations.add(requestHeader.get("authorization"));
          beats.push(openBeat(request, POOL_SECRET));
          return {};
        },
      }),
  });
  server = createServer(routes);
  server.on("session", (session) => connections.add(session));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

/** Resolves when some beat from now on fits. */
async function beatThat(fits: (beat: WorkerBeat) => boolean): Promise<WorkerBeat> {
  for (let read = beats.length; ; ) {
    const beat = beats[read];
    if (beat === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
    else if (fits(beat)) return beat;
    else read++;
  }
}

describe("a worker and a registry", () => {
  it("hear of each other while models load, when they are ready, after a lost connection, and at the end", async () => {
    const worker = await startWorker("tone", { REGISTRY_URL: url, POOL_SECRET });
    const ready = await beatThat(({ models }) => models[0]?.state === ModelState.READY);
    expect(ready.address).toBe(worker.address);
    expect(ready.models[0]).toMatchObject({ model: "tone", slots: 32, isDefault: true });
    expect(beats[0]?.models[0]?.state).toBe(ModelState.LOADING);
    // GOAWAY between two beats, as an orchestrator that restarts sends it.
    const lost = connections;
    connections = new Set();
    for (const connection of lost) {
      connection.goaway();
      connection.destroy();
    }
    await beatThat(({ seq }) => seq > ready.seq + 5);
    expect(connections.size).toBeGreaterThan(0);
    worker.process.kill("SIGTERM");
    expect(await beatThat(({ leaving }) => leaving)).toMatchObject({ draining: true });
    expect(await worker.exited).toBe(0);
    await gone(worker.family);
    const seqs = beats.map(({ seq }) => seq);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    expect(new Set(beats.map(({ workerId }) => workerId)).size).toBe(1);
    expect([...authorizations]).toEqual([`Bearer ${WORKER_SECRET}`]);
    expect(beats.at(-1)?.leaving).toBe(true);
  });

  it("that is away does not disturb a worker", async () => {
    const worker = await startWorker("tone", { REGISTRY_URL: "http://127.0.0.1:9", POOL_SECRET });
    await worker.stop();
    expect(await worker.exited).toBe(0);
    // Said once, not five times a second.
    expect(worker.said().match(/registry not reached/g)?.length).toBe(1);
  });
});
