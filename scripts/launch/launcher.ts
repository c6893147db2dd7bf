/** The processes of `npm start`: which, with what settings, in what order, and what happens when one leaves. Says nothing itself. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ModelInfo } from "@antiphon/protocol/worker";
import { listModels } from "./models.ts";
import { Service } from "./service.ts";

export interface LauncherOptions {
  port: number;
  /** Of the person who starts it; settings of the services are taken from here. */
  env: NodeJS.ProcessEnv;
  onStep: (step: string) => void;
  /** For the screen. */
  onLine: (line: string) => void;
  /** After the start: nothing can be done any more, for this reason. */
  onFatal: (words: string) => void;
  onRestarted: () => void;
}

export interface Launched {
  url: string;
  responder: { kind: string; model?: string };
  models: ModelInfo[];
}

/** Everything it starts is ended by `stop`, or at the latest by `kill`. */
export class Launcher {
  readonly #options: LauncherOptions;
  readonly #services = new Map<Name, Service>();
  readonly #restarts = new Map<Name, number[]>();
  readonly #secrets = { INTERNAL_SECRET: secret(), TICKET_SECRET: secret() };
  #addresses: { streamUrl: string; registryUrl: string } | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: LauncherOptions) {
    this.#options = options;
  }

  get pids(): Record<string, number> {
    return Object.fromEntries([...this.#services].map(([name, { pid }]) => [name, pid]));
  }

  /** Resolves once a call can be taken. Rejects in words for people; `stop` is still due then. */
  async start(): Promise<Launched> {
    const { onStep } = this.#options;
    // The page is not needed before the edge is asked for it, but a start without it would be no start.
    const page = this.#run("page build", "scripts/launch/build-page.ts");
    onStep("starting the orchestrator");
    const orchestrator = await this.#ready("orchestrator");
    this.#addresses = addressesOf(orchestrator);
    onStep("starting the edge and loading the models");
    const [worker] = await Promise.all([this.#ready("worker"), this.#ready("edge"), page]);
    const models = await listModels(String(worker["address"]), this.#secrets.INTERNAL_SECRET);
    onStep("waiting for everybody to find each other");
    const url = `http://${HOST}:${this.#options.port}`;
    await untilHealthy(`${url}/healthz`);
    return { url, responder: responderOf(orchestrator), models };
  }

  /** In order: the orchestrator still writes its sessions' records to the edge. */
  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      await this.#services.get("orchestrator")?.stop(STOP_MS_MAX);
      await Promise.all([...this.#services.values()].map((service) => service.stop(STOP_MS_MAX)));
    })();
    return this.#stopping;
  }

  kill(): void {
    this.#stopping ??= Promise.resolve();
    for (const service of this.#services.values()) service.kill();
  }

  async #ready(name: Name): Promise<Record<string, unknown>> {
    return within(READY_MS_MAX[name], this.#launch(name).ready, `The ${name} is not ready`);
  }

  #launch(name: Name): Service {
    if (this.#stopping !== undefined) throw new Error("Stopped while starting.");
    const { env, port } = this.#options;
    const service = new Service({
      name,
      script: SCRIPTS[name],
      env: { ...env, ...this.#secrets, ...this.#settings(name) },
      ownGroup: name === "edge",
      logPath: join(LOGS, `${name}-${port}.log`),
      // What they say of each other while they leave is for the log alone.
      onLine: (line) => this.#stopping ?? this.#options.onLine(line),
      onExit: (left, how) => void this.#left(name, left, how),
    });
    this.#services.set(name, service);
    return service;
  }

  #settings(name: Name): NodeJS.ProcessEnv {
    const { port } = this.#options;
    const { streamUrl, registryUrl } = this.#addresses ?? { streamUrl: "", registryUrl: "" };
    switch (name) {
      case "orchestrator":
        return {
          ORCHESTRATOR_HOST: HOST,
          // Any free ports at first; the same again after a crash, since the others know them.
          ORCHESTRATOR_PORT: streamUrl === "" ? "0" : new URL(streamUrl).port,
          REGISTRY_PORT: registryUrl === "" ? "0" : new URL(registryUrl).port,
          EDGE_URL: `http://${HOST}:${port}`,
        };
      case "worker":
        return { WORKER_HOST: HOST, WORKER_PORT: "0", REGISTRY_URL: registryUrl };
      case "edge":
        return {
          EDGE_HOST: HOST,
          EDGE_PORT: String(port),
          GUEST_MODE: "loopback",
          ORCHESTRATOR_URLS: streamUrl,
        };
    }
  }

  /** A program that runs to its end. */
  async #run(name: string, script: string): Promise<void> {
    const { env, port, onLine } = this.#options;
    const left = Promise.withResolvers<string>();
    const service = new Service({
      name,
      script,
      env,
      ownGroup: false,
      logPath: join(LOGS, `page-${port}.log`),
      onLine,
      onExit: (_, how) => left.resolve(how),
    });
    try {
      await within(
        BUILD_MS_MAX,
        Promise.race([service.ready, left.promise]),
        "The page is not built",
      );
      await service.ready;
    } finally {
      service.kill();
    }
  }

  async #left(name: Name, service: Service, how: string): Promise<void> {
    // A Ctrl-C reaches everybody at once; whoever is quicker than we has not crashed.
    await new Promise((resolve) => setTimeout(resolve, SIGNAL_RACE_MS));
    if (this.#stopping !== undefined || this.#services.get(name) !== service) return;
    // While it starts, whoever waits for it hears of it.
    if (!service.wasReady) return;
    const words = `The ${name} ${how}.`;
    if (name === "edge") {
      this.#options.onFatal(`${words} Without it nobody can call, so everything stops.`);
      return;
    }
    const recent = (this.#restarts.get(name) ?? []).filter((at) => at > Date.now() - BUDGET_MS);
    if (recent.length >= RESTARTS_MAX) {
      this.#options.onFatal(
        `${words} It did so ${recent.length + 1} times within a minute: giving up.`,
      );
      return;
    }
    this.#restarts.set(name, [...recent, Date.now()]);
    this.#options.onLine(`[${name}] ${how}; starting it again.`);
    try {
      await this.#ready(name);
      this.#options.onRestarted();
    } catch (reason) {
      if (this.#stopping === undefined) this.#options.onFatal(wordsOf(reason));
    }
  }
}

export const wordsOf = (reason: unknown) =>
  reason instanceof Error ? reason.message : String(reason);

type Name = "orchestrator" | "worker" | "edge";

const SCRIPTS: Readonly<Record<Name, string>> = {
  orchestrator: "apps/orchestrator/src/main.ts",
  worker: "apps/gpu-worker/src/main.ts",
  edge: "apps/edge/host/main.ts",
};

function addressesOf(ready: Record<string, unknown>): { streamUrl: string; registryUrl: string } {
  return { streamUrl: String(ready["streamUrl"]), registryUrl: String(ready["registryUrl"]) };
}

function responderOf(ready: Record<string, unknown>): Launched["responder"] {
  const { kind, model } = (ready["responder"] ?? {}) as { kind?: unknown; model?: unknown };
  return { kind: String(kind), ...(typeof model === "string" ? { model } : {}) };
}

async function untilHealthy(url: string): Promise<void> {
  const giveUpMs = Date.now() + HEALTHY_MS_MAX;
  for (;;) {
    const healthy = await fetch(url, { signal: AbortSignal.timeout(HEALTHY_MS_MAX) }).then(
      async (response) => {
        await response.body?.cancel();
        return response.ok;
      },
      () => false,
    );
    if (healthy) return;
    if (Date.now() > giveUpMs) throw new Error("The services run but do not find each other.");
    await new Promise((resolve) => setTimeout(resolve, HEALTHY_INTERVAL_MS));
  }
}

async function within<T>(deadlineMs: number, work: Promise<T>, words: string): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new Error(`${words} after ${Math.round(deadlineMs / 1000)} s.`));
  }, deadlineMs);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** 256 bits, new at each start: a process of yesterday cannot talk to one of today. */
const secret = () => randomBytes(32).toString("hex");

/** `npm start` is for one machine; the ways to others are in docs/OPERATIONS.md. */
const HOST = "127.0.0.1";
const LOGS = fileURLToPath(new URL("../../.antiphon/logs/", import.meta.url));
/** Ten times what a slow laptop needs; models of some gigabytes are read from disk within the worker's. */
const READY_MS_MAX: Readonly<Record<Name, number>> = {
  orchestrator: 30_000,
  worker: 180_000,
  edge: 30_000,
};
const BUILD_MS_MAX = 60_000;
const HEALTHY_MS_MAX = 15_000;
const HEALTHY_INTERVAL_MS = 100;
/** An orchestrator writes its records in 3 s at most; whoever takes longer hangs. */
const STOP_MS_MAX = 5_000;
const SIGNAL_RACE_MS = 100;
/** What crashes once a quarter of a minute will not be mended by a fifth start. */
const RESTARTS_MAX = 3;
const BUDGET_MS = 60_000;
