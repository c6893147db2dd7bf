/** What a session needs to open its socket: a WebSocket by the standard's own names, so that a browser's or Node's fits as it is, and where to. */
import type { SessionOptions } from "@antiphon/protocol";

export interface Socket {
  binaryType: string;
  readonly bufferedAmount: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

export type SocketConstructor = new (url: string, protocols: string[]) => Socket;

export interface ConnectTarget {
  streamUrl: string;
  /** Single use, seconds old. */
  ticket: string;
  options?: SessionOptions;
  /** Where the listener was when the last socket was lost. */
  resume?: ResumePoint;
  /** Until `ready`. */
  deadlineMs?: number;
}

export interface ResumePoint {
  replyId: string | null;
  positionSamples: number;
}
