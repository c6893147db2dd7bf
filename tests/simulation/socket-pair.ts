/** One WebSocket with both its ends: the standard's object for the client, `ws`' for the server, and the network between. Owns connections and their ends, not what is said. */
import { EventEmitter } from "node:events";
import type { Socket } from "@antiphon/client";
import type { Link } from "./link.ts";
import type { Party } from "./virtual-clock.ts";

export interface SocketPairOptions {
  client: Party;
  server: Party;
  up: Link;
  down: Link;
  /** The server has accepted: its end is open. */
  onAccepted(socket: ServerEnd): void;
}

/** What passes, for whoever watches. */
export interface SocketTap {
  serverSends(data: string | Uint8Array): void;
  clientGets(data: string | Uint8Array): void;
  clientSends(data: string | Uint8Array): void;
  serverGets(data: string | Uint8Array): void;
  /** Nothing that it says arrives any more; it is about to be told. */
  serverClosed(): void;
}

/** `ws`' WebSocket, as far as a session's transport uses it. */
export class ServerEnd extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  readonly #pair: SocketPair;

  constructor(pair: SocketPair) {
    super();
    this.#pair = pair;
  }

  get bufferedAmount(): number {
    return Math.max(0, this.#pair.options.down.underWayBytes - NETWORK_BYTES);
  }

  send(data: string | Uint8Array, done?: () => void): void {
    if (this.readyState !== this.OPEN) return;
    this.#pair.fromServer(data);
    done?.();
  }

  close(code: number): void {
    if (this.readyState !== this.OPEN) return;
    this.readyState = CLOSING;
    this.#pair.closedByServer(code);
  }
}

export class ClientEnd implements Socket {
  binaryType = "blob";
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  /** Whoever dials sets it. */
  pair: SocketPair | undefined;

  get bufferedAmount(): number {
    return Math.max(0, (this.pair?.options.up.underWayBytes ?? 0) - NETWORK_BYTES);
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    this.pair?.fromClient(data);
  }

  close(code = 1000): void {
    this.pair?.closedByClient(code);
  }
}

export class SocketPair {
  readonly options: SocketPairOptions;
  readonly #client: ClientEnd;
  readonly #server: ServerEnd;
  readonly #taps: SocketTap[] = [];
  #clientState: "connecting" | "open" | "closing" | "closed" = "connecting";

  constructor(client: ClientEnd, options: SocketPairOptions) {
    this.options = options;
    this.#client = client;
    client.pair = this;
    this.#server = new ServerEnd(this);
    const { up, down } = options;
    up.send(HANDSHAKE_BYTES, () => {
      down.send(HANDSHAKE_BYTES, () => {
        if (this.#clientState !== "connecting") return;
        this.#clientState = "open";
        this.#client.onopen?.({} as never);
      });
      options.onAccepted(this.#server);
    });
  }

  tap(tap: SocketTap): void {
    this.#taps.push(tap);
  }

  /** The connection is gone; each end learns it in its own time. */
  cut(serverLearnsMs: number, clientLearnsMs: number): void {
    this.options.up.cut();
    this.options.down.cut();
    this.options.server.setTimer(serverLearnsMs, () => this.#serverClosed(ABNORMAL));
    this.options.client.setTimer(clientLearnsMs, () => this.#clientClosed(ABNORMAL));
  }

  fromServer(data: string | Uint8Array): void {
    for (const tap of this.#taps) tap.serverSends(data);
    this.options.down.send(sizeOf(data), () => {
      if (this.#clientState !== "open" && this.#clientState !== "closing") return;
      for (const tap of this.#taps) tap.clientGets(data);
      const received = typeof data === "string" ? data : data.buffer;
      this.#client.onmessage?.({ data: received } as never);
    });
  }

  fromClient(data: string | Uint8Array): void {
    if (this.#clientState !== "open") return;
    for (const tap of this.#taps) tap.clientSends(data);
    this.options.up.send(sizeOf(data), () => this.toServer(data));
  }

  /** Also what the network says twice. */
  toServer(data: string | Uint8Array): void {
    if (this.#server.readyState === CLOSED) return;
    for (const tap of this.#taps) tap.serverGets(data);
    const isBinary = typeof data !== "string";
    this.#server.emit("message", isBinary ? data : Buffer.from(data), isBinary);
  }

  closedByServer(code: number): void {
    this.options.down.send(CLOSE_BYTES, () => {
      this.#clientClosed(code);
      this.options.up.send(CLOSE_BYTES, () => this.#serverClosed(code));
    });
    // A peer that does not answer is not waited for.
    this.options.server.setTimer(CLOSE_MS_MAX, () => this.#serverClosed(ABNORMAL));
  }

  closedByClient(code: number): void {
    if (this.#clientState === "closing" || this.#clientState === "closed") return;
    this.#clientState = "closing";
    this.options.up.send(CLOSE_BYTES, () => {
      this.#serverClosed(code);
      this.options.down.send(CLOSE_BYTES, () => this.#clientClosed(code));
    });
  }

  #serverClosed(code: number): void {
    if (this.#server.readyState === CLOSED) return;
    this.#server.readyState = CLOSED;
    for (const tap of this.#taps) tap.serverClosed();
    this.#server.emit("close", code);
  }

  #clientClosed(code: number): void {
    if (this.#clientState === "closed") return;
    this.#clientState = "closed";
    this.#client.onclose?.({ code } as never);
  }
}

function sizeOf(data: string | Uint8Array): number {
  return data.length;
}

const CLOSING = 2;
const CLOSED = 3;
const ABNORMAL = 1006;
/** As `ws` is told to. */
const CLOSE_MS_MAX = 2_000;
/** What two kernels hold before a socket's own buffer grows. */
const NETWORK_BYTES = 128 * 1024;
const HANDSHAKE_BYTES = 500;
const CLOSE_BYTES = 8;
