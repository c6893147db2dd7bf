/** Wires the orchestrator: the one place where both sides of each port are made. Decides nothing about conversations. */
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { AntiphonError, RPC_MESSAGE_BYTES_MAX } from "@antiphon/protocol";
import { RegistryService } from "@antiphon/protocol/worker";
import { systemClock } from "@antiphon/runtime";
import { createLog } from "@antiphon/runtime/log";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { Config } from "./config.ts";
import { discoverLanguageModel } from "./llm/discover-language-model.ts";
import { createSileroVad } from "./recognition/silero-vad.ts";
import { createWorkerTranscriber } from "./recognition/worker-transcriber.ts";
import { createWorkerSynthesizer } from "./routing/worker-client.ts";
import { WorkerConnections } from "./routing/worker-connections.ts";
import { createWorkerRecognisers } from "./routing/worker-recognisers.ts";
import { createRegistryService, WorkerRegistry } from "./routing/worker-registry.ts";
import type { Session } from "./session/session.ts";
import type { SessionDeps } from "./session/session-deps.ts";
import { Ticker } from "./session/ticker.ts";
import { SessionHost } from "./session-host.ts";
import { startSocketServer } from "./transport/socket-server.ts";

export interface Orchestrator {
  /** Where the edge dials. */
  readonly streamUrl: string;
  /** Where workers beat. */
  readonly registryUrl: string;
  readonly responder: { kind: string; model?: string };
  /** Takes nothing new, ends every session with `unavailable`, and writes the records. Bounded. */
  close(): Promise<void>;
}

/** Starts everything and resolves once sessions can be taken. */
export async function startOrchestrator(
  config: Config,
  onFatal: (reason: Error) => void,
): Promise<Orchestrator> {
  const log = createLog({ name: "orchestrator", level: config.log.level, pii: config.log.pii });
  const clock = systemClock;
  const registry = new WorkerRegistry({ clock, log });
  const connections = new WorkerConnections({ secret: config.internalSecret });
  const detector = createSileroVad({
    log,
    onGivenUp: () => onFatal(new Error("the voice activity detector cannot be kept running")),
  });
  const registryServer = await startRegistryServer(config, registry);
  const llm = await discoverLanguageModel({
    baseUrl: config.llm.baseUrl === "" ? undefined : config.llm.baseUrl,
    model: config.llm.model === "" ? undefined : config.llm.model,
    apiKey: config.llm.apiKey === "" ? undefined : config.llm.apiKey,
    discovery: config.llm.discovery ? "auto" : "off",
    clock,
    log,
  });
  const recognisers = createWorkerRecognisers({ registry, connections, random: Math.random });
  const deps: SessionDeps = {
    clock,
    ticker: new Ticker({
      clock,
      onError: (ticked, reason) =>
        (ticked as Session).end({ kind: "error", error: AntiphonError.from(reason) }),
    }),
    detector,
    transcriber: createWorkerTranscriber({ workers: recognisers, clock, log }),
    synthesizer: createWorkerSynthesizer({
      registry,
      connections,
      clock,
      log,
      random: Math.random,
    }),
    llm,
    defaults: config.session,
  };
  const sessions = new SessionHost({
    clock,
    log,
    deps,
    sessionsMax: config.sessionsMax,
    edgeUrl: config.edgeUrl,
    internalSecret: config.internalSecret,
  });
  await detector.ready;
  const sockets = await startSocketServer({
    host: config.host,
    port: config.port,
    secret: config.internalSecret,
    clock,
    log,
    missing: () => (registry.view().some((worker) => !worker.suspect) ? undefined : "worker"),
    admit: () => sessions.admit(),
    onSession: (socket, lease) => sessions.start(socket, lease),
  });
  return {
    streamUrl: sockets.url,
    registryUrl: `http://${config.host}:${(registryServer.server.address() as AddressInfo).port}`,
    responder: llm.responder,
    close: async () => {
      await sessions.close();
      await sockets.close();
      await registryServer.close();
      connections.close();
      await detector.close();
    },
  };
}

async function startRegistryServer(
  config: Config,
  registry: WorkerRegistry,
): Promise<{ server: Http2Server; close(): Promise<void> }> {
  const service = createRegistryService({ registry, secret: config.poolSecret });
  const server = createServer(
    {},
    connectNodeAdapter({
      routes: (router) => router.service(RegistryService, service),
      acceptCompression: [],
      readMaxBytes: RPC_MESSAGE_BYTES_MAX,
    }),
  );
  const open = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    open.add(session);
    session.on("close", () => open.delete(session));
    // A worker that dies resets its connection: no event of ours.
    session.on("error", () => session.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(config.registryPort, config.host, resolve);
  });
  return {
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of open) session.destroy();
      }),
  };
}
