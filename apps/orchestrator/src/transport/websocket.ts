/** The session socket, server side: frames and messages between one WebSocket and one Session. Owns the wire; knows nothing of turns. */
import {
  AntiphonError,
  CLOSE_NORMAL,
  type ClientMessage,
  decodeMicrophoneFrame,
  ERROR_MAP,
  encodeVoiceFrame,
  FRAME_SAMPLES,
  LEAD_MS,
  parseClientMessage,
  publicError,
  type ServerMessage,
} from "@antiphon/protocol";
import type { WebSocket } from "ws";
import type {
  OutgoingVoiceFrame,
  Transport,
  TransportEnd,
  TransportTraits,
} from "../session/ports.ts";

/** What the socket's messages are for. */
export interface SocketSession {
  receive(message: ClientMessage): void;
  receiveMicrophone(seq: number, frame: Int16Array): void;
  end(end: TransportEnd): void;
}

/** Sends on one WebSocket. After the socket closed, sending is a no-op. */
export class WebSocketTransport implements Transport {
  readonly traits: TransportTraits = { leadMs: LEAD_MS, holds: true, reports: true };
  readonly #socket: WebSocket;
  readonly #leaseEpoch: number;

  constructor(socket: WebSocket, leaseEpoch: number) {
    this.#socket = socket;
    this.#leaseEpoch = leaseEpoch;
  }

  send(message: ServerMessage): void {
    this.#write(JSON.stringify(message));
  }

  sendVoice(frame: OutgoingVoiceFrame): void {
    this.#write(encodeVoiceFrame({ ...frame, leaseEpoch: this.#leaseEpoch }));
  }

  /** Errors are said before the close: a close reason holds only the code word. */
  close(end: TransportEnd): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (end.kind === "normal") {
      this.#socket.close(CLOSE_NORMAL, "ended");
      return;
    }
    const error = AntiphonError.from(end.error);
    this.send({ type: "error", ...publicError(error) });
    this.#socket.close(ERROR_MAP[error.code].close, error.code);
  }

  #write(data: string | Uint8Array): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    // Credit keeps audio far below this; only a peer that reads nothing at all gets here.
    if (this.#socket.bufferedAmount > BUFFERED_BYTES_MAX) {
      this.#socket.close(ERROR_MAP.overloaded.close, "overloaded");
      return;
    }
    // An error arrives as the socket's own close event.
    this.#socket.send(data, () => {});
  }
}

/**
 * Hands a socket's messages to its session until it closes.
 *
 * A message that cannot be read, or does not fit, is answered with an error and forgotten, ten times; binary that is no microphone frame
 * ends the session: its sender's audio could only be noise. The session ends with the socket.
 */
export function connectSocket(
  socket: WebSocket,
  session: SocketSession,
  transport: WebSocketTransport,
): void {
  const samples = new Int16Array(FRAME_SAMPLES);
  const bytes = new Uint8Array(samples.buffer);
  let refused = 0;
  socket.on("message", (data, isBinary) => {
    try {
      if (isBinary) {
        const frame = decodeMicrophoneFrame(data as Buffer);
        // The PCM lies at any byte offset in the message; the copy aligns it.
        bytes.set(frame.pcm);
        session.receiveMicrophone(frame.seq, samples);
      } else session.receive(parseClientMessage((data as Buffer).toString("utf8")));
    } catch (reason) {
      const error = AntiphonError.from(reason);
      const noise = isBinary && error.code === "invalid_argument";
      const fatal = noise || error.code === "internal" || ++refused > REFUSED_MESSAGES_MAX;
      if (fatal) session.end({ kind: "error", error });
      else transport.send({ type: "error", ...publicError(error) });
    }
  });
  socket.on("close", () => session.end({ kind: "normal" }));
  // The library has sent a close that says what was wrong (1009: too large); nothing more is heard.
  socket.on("error", () => session.end({ kind: "normal" }));
}

/** About five seconds of audio: the most that credit, captions and a reconnecting relay can add up to, several times over. */
const BUFFERED_BYTES_MAX = 512 * 1024;
/** A program under development makes some mistakes; a broken or hostile one makes them without end. */
const REFUSED_MESSAGES_MAX = 10;
