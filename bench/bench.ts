/** What a bench is: a name's work, its options, and what it hands back. Types only. */

/** Rejects where nothing could be measured; figures that miss a target are no failure. */
export interface Bench {
  /** One line for `--help`. */
  summary: string;
  run(options: BenchOptions): Promise<BenchResult>;
}

export interface BenchOptions {
  /** A small run, to see that everything works: its figures mean little. */
  quick: boolean;
  /** What is drawn at random is drawn from it. */
  seed: number;
  /** Sessions at once; undefined: the bench's own number. */
  sessions: number | undefined;
  /** For whoever waits. */
  progress(words: string): void;
}

export interface BenchResult {
  /** Of the generator's own ticks: a run whose p99 is above 5 ms is void. */
  generator: Lateness;
  /** The bench's own figures. */
  figures: Record<string, unknown>;
  /** How the figures are to be read. */
  notes: string[];
}

export interface Lateness {
  ticks: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

/** Three figures of many; null where there is none. */
export interface Distribution {
  p50: number | null;
  p95: number | null;
  max: number | null;
}
