/** How busy the machine is. Owns the difference between two looks at the processors. */
import { type CpuInfo, cpus } from "node:os";
import type { Clock } from "@antiphon/runtime";

/** Share of the processors in use over the last second, 0 to 1; reads them at most once a second. */
export function createMachineLoad(clock: Clock, read: () => CpuInfo[] = cpus): () => number {
  let before = totals(read());
  let beforeMs = clock.nowMs();
  let load = 0;
  return () => {
    if (clock.nowMs() - beforeMs < WINDOW_MS) return load;
    const now = totals(read());
    const all = now.all - before.all;
    if (all > 0) load = Math.min(1, Math.max(0, 1 - (now.idle - before.idle) / all));
    before = now;
    beforeMs = clock.nowMs();
    return load;
  };
}

function totals(processors: readonly CpuInfo[]): { all: number; idle: number } {
  let all = 0;
  let idle = 0;
  for (const { times } of processors) {
    all += times.user + times.nice + times.sys + times.irq + times.idle;
    idle += times.idle;
  }
  return { all, idle };
}

const WINDOW_MS = 1_000;
