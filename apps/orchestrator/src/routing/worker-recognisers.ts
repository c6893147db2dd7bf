/** Which workers recognise speech now. Owns the choice; the stream to the chosen one belongs to recognition. */
import { languagesOf, rankWorkers } from "./router.ts";
import type { WorkerConnection, WorkerConnections } from "./worker-connections.ts";
import type { WorkerRegistry } from "./worker-registry.ts";

export interface WorkerRecognisers {
  /** BCP 47, of every recogniser that is ready. */
  languages(): string[];
  /** The best worker that is not excluded; undefined when there is none now. */
  pickRecogniser(
    language: string | undefined,
    excluding: ReadonlySet<string>,
  ): { workerId: string; model: string; asr: WorkerConnection["asr"] } | undefined;
  /** A stream to this worker broke. */
  reportLost(workerId: string): void;
}

export function createWorkerRecognisers(options: {
  registry: WorkerRegistry;
  connections: WorkerConnections;
  random: () => number;
}): WorkerRecognisers {
  const { registry, connections, random } = options;
  return {
    languages: () => languagesOf(registry.view(), "asr"),
    pickRecogniser(language, excluding) {
      const ranking = rankWorkers(registry.view(), { kind: "asr", language, excluding }, random);
      if (ranking.kind === "none") return undefined;
      const [{ worker, model }] = ranking.workers;
      return { workerId: worker.workerId, model: model.model, asr: connections.of(worker).asr };
    },
    reportLost: (workerId) => registry.reportLost(workerId),
  };
}
