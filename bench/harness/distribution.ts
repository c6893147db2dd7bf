/** Many figures in three. Pure. */
import type { Distribution } from "../bench.ts";

/** Milliseconds, or whatever the values are, to a tenth. */
export function distribution(values: readonly number[]): Distribution {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    p50: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    max: quantile(sorted, 1),
  };
}

/** Nearest rank: a value that was measured, never one between two. */
function quantile(sorted: readonly number[], share: number): number | null {
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  return value === undefined ? null : tenth(value);
}

export function tenth(value: number): number {
  return Math.round(value * 10) / 10;
}

/** To a thousandth; null of nothing. */
export function share(part: number, whole: number): number | null {
  return whole === 0 ? null : Math.round((part / whole) * 1000) / 1000;
}
