import {
  Health,
  ModelKind,
  ModelState,
  HealthCheckResponse_ServingStatus as Status,
} from "@antiphon/protocol/worker";
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
} from "@connectrpc/connect";
import { beforeEach, describe, expect, it } from "vitest";
import { createHealthService, type HealthServer } from "./health-service.ts";
import type { ModelStatus } from "./models/model-manager.ts";

let models: Array<Pick<ModelStatus, "kind" | "state" | "isDefault">>;
let draining: boolean;
let health: HealthServer;
let client: Client<typeof Health>;

beforeEach(() => {
  models = [
    { kind: ModelKind.TTS, state: ModelState.READY, isDefault: true },
    { kind: ModelKind.TTS, state: ModelState.LOADING, isDefault: false },
    { kind: ModelKind.ASR, state: ModelState.READY, isDefault: true },
  ];
  draining = false;
  health = createHealthService({
    models: () => models as ModelStatus[],
    draining: () => draining,
  });
  client = createClient(
    Health,
    createRouterTransport((router) => router.service(Health, health.service)),
  );
});

const check = async (service: string) => (await client.check({ service })).status;
const setState = (index: number, state: ModelState) => {
  models[index] = { ...(models[index] as ModelStatus), state };
  health.changed();
};

describe("a health check", () => {
  it("is SERVING when the default models are ready", async () => {
    for (const service of [
      "",
      "antiphon.v1.TtsService",
      "antiphon.v1.AsrService",
      "antiphon.v1.ModelService",
    ]) {
      expect(await check(service)).toBe(Status.SERVING);
    }
  });

  it("is NOT_SERVING while a default model loads, but where it is not needed", async () => {
    setState(2, ModelState.LOADING);
    expect(await check("")).toBe(Status.NOT_SERVING);
    expect(await check("antiphon.v1.AsrService")).toBe(Status.NOT_SERVING);
    expect(await check("antiphon.v1.TtsService")).toBe(Status.SERVING);
  });

  it("is SERVING as a whole when one model failed, and not when all did", async () => {
    setState(2, ModelState.FAILED);
    expect(await check("")).toBe(Status.SERVING);
    expect(await check("antiphon.v1.AsrService")).toBe(Status.NOT_SERVING);
    setState(0, ModelState.FAILED);
    expect(await check("")).toBe(Status.NOT_SERVING);
  });

  it("is NOT_SERVING while the worker drains", async () => {
    draining = true;
    expect(await check("")).toBe(Status.NOT_SERVING);
    expect(await check("antiphon.v1.ModelService")).toBe(Status.NOT_SERVING);
  });

  it("of an unknown service is NOT_FOUND", async () => {
    for (const service of ["nobody", "constructor"]) {
      const error = await check(service).catch((reason: unknown) => reason);
      expect(ConnectError.from(error).code).toBe(Code.NotFound);
    }
  });
});

describe("a health watch", () => {
  it("says the state now and each change, and ends with the worker", async () => {
    const watch = client.watch({ service: "antiphon.v1.TtsService" })[Symbol.asyncIterator]();
    const next = async () => (await watch.next()).value?.status;
    expect(await next()).toBe(Status.SERVING);
    const changed = next();
    setState(0, ModelState.LOADING);
    expect(await changed).toBe(Status.NOT_SERVING);
    const again = next();
    setState(1, ModelState.READY);
    setState(0, ModelState.READY);
    expect(await again).toBe(Status.SERVING);
    const end = next();
    health.close();
    expect(await end).toBeUndefined();
  });

  it("of an unknown service says so and stays", async () => {
    const watch = client.watch({ service: "nobody" })[Symbol.asyncIterator]();
    expect((await watch.next()).value?.status).toBe(Status.SERVICE_UNKNOWN);
    const end = watch.next();
    health.close();
    expect((await end).done).toBe(true);
  });
});
