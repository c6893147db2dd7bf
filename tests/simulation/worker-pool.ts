/** The simulated pool: workers that come, die and come back under a new name. Owns their number; each is a `WorkerProcess`. */
import type { WorkerConnections } from "../../apps/orchestrator/src/routing/worker-connections.ts";
import type { Party, VirtualClock } from "./virtual-clock.ts";
import type { WorkerProcessOptions } from "./worker-process.ts";
import { WorkerProcess } from "./worker-process.ts";

export interface WorkerPoolOptions
  extends Omit<WorkerProcessOptions, "workerId" | "party" | "onDead"> {
  clock: VirtualClock;
  /** Whoever starts a worker again. */
  world: Party;
  workers: number;
}

export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #workers = new Map<string, WorkerProcess>();
  #started = 0;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    for (let worker = 0; worker < options.workers; worker++) this.#start();
  }

  /** What the orchestrator's code knows of connections is how to ask for one. */
  get connections(): WorkerConnections {
    const of = ({ workerId }: { workerId: string }) => this.#workers.get(workerId)?.connection;
    return { of, close: () => {} } as unknown as WorkerConnections;
  }

  get alive(): WorkerProcess[] {
    return [...this.#workers.values()].filter((worker) => !worker.dead);
  }

  /** Claims and streams that somebody still holds at a worker that lives. */
  get held(): { claims: number; streams: number } {
    const held = { claims: 0, streams: 0 };
    for (const worker of this.alive) {
      held.claims += worker.held.claims;
      held.streams += worker.held.streams;
    }
    return held;
  }

  /** Every voice that was begun is ordered to be silent. */
  get paused(): boolean {
    return this.alive.every((worker) => !worker.unpaused);
  }

  killOne(): void {
    const { draw } = this.#options;
    const { alive } = this;
    if (alive.length > 0) draw.pick(alive).die(draw.chance(0.3));
  }

  calm(): void {
    for (const worker of this.alive) worker.calm();
  }

  #start(): void {
    const { clock, weather, draw, world } = this.#options;
    const workerId = `worker-${++this.#started}`;
    const worker = new WorkerProcess({
      ...this.#options,
      workerId,
      party: clock.party(workerId),
      draw: draw.stream(workerId),
      onDead: () => {
        const backMs = draw.between(300, 2_500);
        world.setTimer(backMs, () => this.#start());
      },
    });
    if (weather.calm) worker.calm();
    this.#workers.set(workerId, worker);
  }
}
