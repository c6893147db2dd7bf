/** One PAUSE as the listener met it: when it was decided, when it was silent, how it ended. Types and the figures drawn from them. */
import type { ServerMessageOf } from "@antiphon/protocol";

export interface Pause {
  epoch: number;
  message: ServerMessageOf<"interruption">;
  arrivedMs: number;
  /** The last sample of the window that crossed had been sent: before it arrived, so what is counted from here is a little too long. */
  detectionMs: number;
  decidedMs: number;
  /** The last sample of the reply before the hold took effect had been played. */
  silenceMs: number | undefined;
  /** Resumed: its next sample sounds. Stopped: its STOP arrived. */
  overMs: number | undefined;
  over: "resumed" | "stopped" | "ended" | undefined;
  /** What was decided after it. */
  decisions: Array<{ atMs: number; message: ServerMessageOf<"interruption"> }>;
}

/** A reply that was silent just then was silent at once. */
export function detectionToSilenceMs(pause: Pause): number | undefined {
  return pause.silenceMs === undefined
    ? undefined
    : atLeastZero(pause.silenceMs - pause.detectionMs);
}

export function decidedToSilenceMs(pause: Pause): number | undefined {
  return pause.silenceMs === undefined ? undefined : atLeastZero(pause.silenceMs - pause.decidedMs);
}

/** How long the reply was silent for it. */
export function silentMs(pause: Pause): number {
  if (pause.silenceMs === undefined || pause.overMs === undefined) return 0;
  return atLeastZero(pause.overMs - pause.silenceMs);
}

export function known(values: ReadonlyArray<number | undefined>): number[] {
  return values.filter((value) => value !== undefined);
}

function atLeastZero(value: number): number {
  return Math.max(0, value);
}
