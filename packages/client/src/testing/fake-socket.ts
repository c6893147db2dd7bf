/** A WebSocket whose other end is the test: says what was sent, takes what the server would send. */
import {
  type ClientMessage,
  encodeVoiceFrame,
  FRAME_BYTES,
  parseClientMessage,
  type ServerMessage,
  type VoiceFrame,
} from "@antiphon/protocol";
import type { Socket, SocketConstructor } from "../socket.ts";

export class FakeSocket implements Socket {
  binaryType = "blob";
  bufferedAmount = 0;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly url: string;
  readonly protocols: string[];
  /** Control messages, checked against the protocol. */
  readonly messages: ClientMessage[] = [];
  readonly frames: Uint8Array[] = [];
  closed: { code: number | undefined; reason: string | undefined } | undefined;

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.protocols = protocols;
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (typeof data === "string") this.messages.push(parseClientMessage(data));
    else this.frames.push(data);
  }

  close(code?: number, reason?: string): void {
    this.closed = { code, reason };
  }

  sentOf<T extends ClientMessage["type"]>(type: T): Extract<ClientMessage, { type: T }>[] {
    return this.messages.filter(
      (message): message is Extract<ClientMessage, { type: T }> => message.type === type,
    );
  }

  serverOpens(): void {
    this.onopen?.({} as never);
  }

  serverSends(message: ServerMessage): void {
    this.serverSendsRaw(JSON.stringify(message));
  }

  serverSendsRaw(data: string | ArrayBuffer): void {
    this.onmessage?.({ data } as never);
  }

  serverSpeaks(frame: Partial<VoiceFrame>): void {
    const message = encodeVoiceFrame({
      leaseEpoch: 1,
      epoch: 1,
      utterance: 0,
      seq: 0,
      positionSamples: 0,
      pcm: new Uint8Array(FRAME_BYTES).fill(1),
      ...frame,
    });
    this.serverSendsRaw(message.buffer as ArrayBuffer);
  }

  serverCloses(code: number): void {
    this.onclose?.({ code } as never);
  }
}

/** A constructor for the code under test, and the sockets it made. */
export function fakeSockets(): { webSocket: SocketConstructor; sockets: FakeSocket[] } {
  const sockets: FakeSocket[] = [];
  const webSocket = class extends FakeSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      sockets.push(this);
    }
  };
  return { webSocket, sockets };
}
