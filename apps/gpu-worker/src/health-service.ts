/** grpc.health.v1 for this worker. Owns what "serving" means to a load balancer; orchestrators judge by beats instead. */
import { AntiphonError } from "@antiphon/protocol";
import {
  AsrService,
  type Health,
  ModelKind,
  ModelService,
  ModelState,
  HealthCheckResponse_ServingStatus as Status,
  TtsService,
  toConnectError,
} from "@antiphon/protocol/worker";
import type { ServiceImpl } from "@connectrpc/connect";
import type { ModelStatus } from "./models/model-manager.ts";

export interface HealthDeps {
  models(): readonly ModelStatus[];
  draining(): boolean;
}

export interface HealthServer {
  readonly service: ServiceImpl<typeof Health>;
  /** Something that `check` depends on has changed: watchers are told. */
  changed(): void;
  /** Ends every watch. */
  close(): void;
}

export function createHealthService(deps: HealthDeps): HealthServer {
  const watchers = new Set<() => void>();
  let closed = false;
  const wakeAll = () => {
    for (const wake of [...watchers]) wake();
  };
  return {
    service: {
      check({ service }) {
        const status = statusOf(service, deps);
        if (status === undefined) {
          throw toConnectError(new AntiphonError("not_found", "There is no such service."));
        }
        return { status };
      },
      async *watch({ service }, { signal }) {
        if (watchers.size >= WATCHERS_MAX) {
          throw toConnectError(new AntiphonError("overloaded", "Too many watches."));
        }
        let said: Status | undefined;
        while (!closed && !signal.aborted) {
          // As the protocol has it: an unknown service is answered, and may become known.
          const status = statusOf(service, deps) ?? Status.SERVICE_UNKNOWN;
          if (status !== said) yield { status };
          else await nextChange(signal);
          said = status;
        }
      },
    },
    changed: wakeAll,
    close() {
      closed = true;
      wakeAll();
    },
  };

  function nextChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        watchers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      watchers.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}

/** Undefined: no such service. */
function statusOf(service: string, deps: HealthDeps): Status | undefined {
  const models = deps.models().filter((model) => model.isDefault);
  const ready = (kind: ModelKind) =>
    models.some((model) => model.kind === kind && model.state === ModelState.READY);
  const serving = SERVING_WHEN.get(service);
  if (serving === undefined) return undefined;
  return !deps.draining() && serving(ready, models) ? Status.SERVING : Status.NOT_SERVING;
}

/** A worker whose recogniser failed still speaks: as a whole it serves when all that has not failed is ready. */
const SERVING_WHEN: ReadonlyMap<string, ServingRule> = new Map<string, ServingRule>([
  [
    "",
    (_ready, models) => {
      const whole = models.filter((model) => model.state !== ModelState.FAILED);
      return whole.length > 0 && whole.every((model) => model.state === ModelState.READY);
    },
  ],
  [TtsService.typeName, (ready) => ready(ModelKind.TTS)],
  [AsrService.typeName, (ready) => ready(ModelKind.ASR)],
  [ModelService.typeName, () => true],
]);

type ServingRule = (ready: (kind: ModelKind) => boolean, models: readonly ModelStatus[]) => boolean;

/** A handful of balancers watch; anything else is a leak of theirs. */
const WATCHERS_MAX = 64;
