/** What is measured, started as it is run: the whole of `npm start`, or an orchestrator and a worker alone. Starts and ends processes; everything it started ends with this process. */
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AntiphonClient, type Socket, type SocketConstructor } from "@antiphon/client";
import {
  type LeaseMessage,
  ORCHESTRATOR_STREAM_PATH,
  type SessionOptions,
  SOCKET_SUBPROTOCOL,
} from "@antiphon/protocol";
import { WebSocket } from "ws";
import { CATALOG_MODELS } from "../../apps/gpu-worker/src/models/catalog.ts";
import { startStack } from "../../tests/support/stack.ts";
import { startWorker, WORKER_SECRET } from "../../tests/support/worker.ts";
import { Caller, type CallerOptions } from "./caller.ts";

/** Somewhere to call. */
export interface Stack {
  call(caller: Omit<CallerOptions, "webSocket">, session: SessionOptions): Promise<Caller>;
  stop(): Promise<void>;
}

export interface WholeStack extends Stack {
  client: AntiphonClient;
  /** The session's record at the edge, as `GET /v1/sessions/:id` shows it. */
  callRecorded(
    caller: Omit<CallerOptions, "webSocket">,
    session: SessionOptions,
  ): Promise<{ caller: Caller; record(): Promise<unknown> }>;
}

/** Edge, orchestrator and worker: calls go through the relay, as users' do. */
export async function startWholeStack(models: readonly string[]): Promise<WholeStack> {
  const stack = await startStack({ env: { MODELS: models.join(","), LOG_LEVEL: "error" } });
  const client = new AntiphonClient({ url: stack.url });
  const callRecorded: WholeStack["callRecorded"] = async (options, session) => {
    const created = await client.createSession();
    const caller = new Caller(options);
    await caller.connect(created, session);
    return {
      caller,
      record: () => client.getSession(created.sessionId, created.resumeToken),
    };
  };
  return ended({
    client,
    callRecorded,
    call: async (options, session) => (await callRecorded(options, session)).caller,
    stop: () => stack.stop(),
  });
}

/** Without an edge: calls go to the orchestrator's own session socket, dialled as the edge dials it; records are taken and forgotten. */
export async function startBareStack(models: readonly string[]): Promise<Stack> {
  const records = createServer((request, response) => {
    request.resume();
    request.once("end", () => response.writeHead(204).end());
  });
  records.listen(0, "127.0.0.1");
  await once(records, "listening");
  const orchestrator = fork(ORCHESTRATOR, [], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    env: {
      ...process.env,
      ORCHESTRATOR_PORT: "0",
      REGISTRY_PORT: "0",
      INTERNAL_SECRET: WORKER_SECRET,
      EDGE_URL: `http://127.0.0.1:${(records.address() as AddressInfo).port}`,
      LLM_DISCOVERY: "off",
      LOG_LEVEL: "error",
    },
  });
  const stopOrchestrator = () => stopChild(orchestrator);
  const { streamUrl, registryUrl } = await readyOf(orchestrator);
  const worker = await startWorker(models.join(","), {
    REGISTRY_URL: registryUrl,
    LOG_LEVEL: "error",
  });
  await untilHealthy(`${streamUrl}/healthz`);
  return ended({
    call: async (options, session) => {
      const caller = new Caller({ ...options, webSocket: leaseSocket(WORKER_SECRET) });
      const socketUrl = `${streamUrl.replace("http", "ws")}${ORCHESTRATOR_STREAM_PATH}`;
      await caller.connect({ streamUrl: socketUrl, ticket: "none" }, session);
      return caller;
    },
    stop: async () => {
      await stopOrchestrator();
      await worker.stop();
      records.closeAllConnections();
      records.close();
    },
  });
}

/** Ends whatever still runs; for a run that is broken off. */
export async function stopEverything(): Promise<void> {
  await Promise.allSettled([...running].map((stack) => stack.stop()));
}

/** A model is used where it is in the catalog and its files are found. */
export function kokoroIsThere(): boolean {
  const folder = process.env["ANTIPHON_MODELS_DIR"] ?? "";
  return (
    CATALOG_MODELS.includes("kokoro") && folder !== "" && existsSync(join(folder, "kokoro-82m"))
  );
}

const running = new Set<Stack>();

function ended<T extends Stack>(stack: T): T {
  const { stop } = stack;
  const once: T = {
    ...stack,
    stop: () => {
      running.delete(once);
      return stop();
    },
  };
  running.add(once);
  return once;
}

/** The client's socket as the edge opens one: proves the secret, sends a lease, and is open only then. */
function leaseSocket(secret: string): SocketConstructor {
  return class LeaseSocket extends WebSocket {
    constructor(url: string) {
      super(url, SOCKET_SUBPROTOCOL, { headers: { authorization: `Bearer ${secret}` } });
      const lease: LeaseMessage = {
        type: "lease",
        sessionId: randomBytes(16).toString("hex"),
        leaseEpoch: 1,
        record: null,
        resumeTtlMs: 300_000,
        start: "by-client",
        way: { kind: "socket" },
      };
      // Before the session's own listener, which says session_start.
      this.once("open", () => this.send(JSON.stringify(lease)));
    }
  } as unknown as new (
    url: string,
    protocols: string[],
  ) => Socket;
}

async function readyOf(
  orchestrator: ChildProcess,
): Promise<{ streamUrl: string; registryUrl: string }> {
  const ready = once(orchestrator, "message").then(
    ([message]) => message as { streamUrl: string; registryUrl: string },
  );
  const lost = once(orchestrator, "exit").then(([code]): never => {
    throw new Error(`the orchestrator left with ${code}`);
  });
  lost.catch(() => {});
  return Promise.race([ready, lost]);
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
  await exited;
  clearTimeout(timer);
}

async function untilHealthy(url: string): Promise<void> {
  for (let look = 0; look < LOOKS_MAX; look++) {
    const healthy = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (healthy) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  throw new Error("orchestrator and worker do not find each other");
}

const ORCHESTRATOR = fileURLToPath(new URL("../../apps/orchestrator/src/main.ts", import.meta.url));
const STOP_MS_MAX = 10_000;
const LOOK_MS = 100;
const LOOKS_MAX = 200;
