/** Puts the worker together: models, services, HTTP/2, beats; and takes it apart in order. The only place that creates on both sides. */
import { randomUUID } from "node:crypto";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { AntiphonError, RPC_MESSAGE_BYTES_MAX } from "@antiphon/protocol";
import {
  AsrService,
  Health,
  ModelService,
  TtsService,
  toConnectError,
} from "@antiphon/protocol/worker";
import { type Clock, delay } from "@antiphon/runtime";
import { carriesBearer } from "@antiphon/runtime/bearer";
import type { Log } from "@antiphon/runtime/log";
import type { HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { createAsrService } from "./asr-service.ts";
import type { Config } from "./config.ts";
import { createHealthService } from "./health-service.ts";
import { spawnInferenceChild } from "./inference/child-handle.ts";
import { createMachineLoad } from "./machine-load.ts";
import { createModelService } from "./model-service.ts";
import { ModelManager } from "./models/model-manager.ts";
import { createTtsService } from "./tts-service.ts";
import { createBeatSender, WorkerBeats } from "./worker-beat.ts";

export interface WorkerServer {
  readonly port: number;
  /** Where orchestrators reach this worker. */
  readonly address: string;
  /** Resolves when each model is ready or has failed. */
  readonly settled: Promise<void>;
  /** Takes nothing new, finishes what it has within a deadline, says good-bye and leaves nothing behind. Idempotent. */
  drain(): Promise<void>;
}

export interface WorkerServerOptions {
  config: Config;
  clock: Clock;
  log: Log;
  /** The environment of inference children: nothing secret. */
  childEnv: Readonly<Record<string, string>>;
}

/** Resolves when the port is bound; models load on. */
export async function startWorkerServer(options: WorkerServerOptions): Promise<WorkerServer> {
  const { config, clock, log, childEnv } = options;
  let draining = false;
  const models = new ModelManager({
    models: config.models,
    modelIfFast: config.voiceIfFast,
    spawn: (model) =>
      spawnInferenceChild({ model, modelsDirectory: config.modelsDirectory, env: childEnv }),
    clock,
    log,
    onChange: () => health.changed(),
  });
  const health = createHealthService({ models: () => models.list(), draining: () => draining });
  const tts = createTtsService({
    acquireModel: (model, language) => models.acquire("tts", model, language),
    clock,
    log,
  });
  const asr = createAsrService({
    async acquireRecogniser(model, language) {
      const lease = await models.acquire("asr", model, language);
      return {
        process: lease.process,
        languages: lease.description.languages,
        release: lease.release,
      };
    },
    clock,
    log,
  });
  const handler = connectNodeAdapter({
    routes(router) {
      router.service(TtsService, tts.service);
      router.service(AsrService, asr);
      router.service(ModelService, createModelService({ models, log }));
      router.service(Health, health.service);
    },
    grpcWeb: false,
    // Audio does not compress, and gzip costs eight times the throughput (measured).
    acceptCompression: [],
    readMaxBytes: RPC_MESSAGE_BYTES_MAX,
    writeMaxBytes: RPC_MESSAGE_BYTES_MAX,
    requestGate: createRequestGate(config.internalSecret),
  });
  const server = http2.createServer({ settings: { maxConcurrentStreams: STREAMS_MAX } }, handler);
  const connections = new Set<http2.ServerHttp2Session>();
  server.on("session", (session) => {
    connections.add(session);
    session.on("close", () => connections.delete(session));
  });
  server.on("sessionError", (error) => log.debug({ err: error }, "connection lost"));
  const port = await listen(server, config);
  const address = config.address ?? `http://${bracketed(config.host)}:${port}`;
  const load = createMachineLoad(clock);
  const beats = new WorkerBeats({
    senders: config.registryUrls.map((url) => createBeatSender(url, config.internalSecret)),
    workerId: randomUUID(),
    poolSecret: config.poolSecret,
    content: () => ({ address, models: models.list(), draining, load: load() }),
    clock,
    log,
    random: Math.random,
  });
  const settled = models.start();
  beats.start();
  log.info({ address, models: config.models }, "worker listens");

  async function leave(): Promise<void> {
    draining = true;
    tts.drain();
    health.changed();
    const deadlineMs = clock.nowMs() + DRAIN_MS_MAX;
    while (busy() && clock.nowMs() < deadlineMs) await delay(clock, DRAIN_LOOK_MS);
    tts.close();
    health.close();
    await beats.stop();
    server.close();
    for (const connection of connections) connection.close();
    await delay(clock, GOODBYE_MS);
    for (const connection of connections) connection.destroy();
    await models.stop();
    log.info("worker left");
  }
  const busy = () => tts.pending > 0 || models.list().some((model) => model.busy > 0);

  let leaving: Promise<void> | undefined;
  return {
    port,
    address,
    settled,
    drain() {
      leaving ??= leave();
      return leaving;
    },
  };
}

function listen(server: http2.Http2Server, config: Config): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(config.port, config.host, () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Every call but those of health checks proves that it comes from one of ours, before its body is read. */
function createRequestGate(secret: string): (context: HandlerContext) => void {
  if (secret === "") return () => {};
  return ({ service, requestHeader }) => {
    if (service.typeName === Health.typeName) return;
    if (carriesBearer(requestHeader.get("authorization"), secret)) return;
    throw toConnectError(
      new AntiphonError("unauthenticated", "The call does not carry the internal secret."),
    );
  };
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** Two streams a session and its controls, for all the sessions of one orchestrator on one connection. */
const STREAMS_MAX = 2_048;
/** Longer than most answers still to be said; a supervisor of ours waits a little longer before it kills. */
const DRAIN_MS_MAX = 10_000;
const DRAIN_LOOK_MS = 50;
/** For the last messages to leave before their connections are destroyed. */
const GOODBYE_MS = 100;
