/** Session messages in LiveKit data packets: splits what is longer than one, joins it again. Owns the framing; reads no message. */
import { AntiphonError } from "./antiphon-error.ts";
import { LIVEKIT_PACKET_BYTES_MAX, SOCKET_MESSAGE_BYTES_MAX } from "./limits.ts";

/** A message as packets of at most 14 KiB, to be sent in order. Byte 0 of each says whether it is the last; the rest is UTF-8, cut anywhere. */
export function toDataPackets(message: string): Uint8Array<ArrayBuffer>[] {
  const bytes = new TextEncoder().encode(message);
  const packets: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  do {
    const part = bytes.subarray(at, at + PART_BYTES_MAX);
    at += part.length;
    const packet = new Uint8Array(1 + part.length);
    packet[0] = at === bytes.length ? LAST : MORE;
    packet.set(part, 1);
    packets.push(packet);
  } while (at < bytes.length);
  return packets;
}

/**
 * Joins the packets of one sender, one delivery: reliable packets come in order and lossy ones among them, so each kind needs a joiner of
 * its own, and what is sent lossy must fit one packet.
 *
 * Holds one message at most, of at most 64 KiB as on a socket.
 */
export class DataPacketJoiner {
  #bytes = new Uint8Array(0);
  /** What follows belongs to a message that was refused already. */
  #refused = false;

  /**
   * The message that this packet completes, if it does. Throws `invalid_argument` for what is no packet, `too_large` once a message that
   * is too long; the message is forgotten, the next one is joined as ever.
   */
  push(packet: Uint8Array): string | undefined {
    const flag = packet[0];
    if (flag !== LAST && flag !== MORE) {
      this.#forget(false);
      throw new AntiphonError("invalid_argument", "This is no packet of a session's messages.");
    }
    const last = flag === LAST;
    if (this.#refused) {
      this.#refused = !last;
      return undefined;
    }
    const part = packet.subarray(1);
    if (this.#bytes.length + part.length > SOCKET_MESSAGE_BYTES_MAX) {
      this.#forget(!last);
      throw new AntiphonError(
        "too_large",
        `A message has at most ${SOCKET_MESSAGE_BYTES_MAX} bytes.`,
      );
    }
    const bytes = new Uint8Array(this.#bytes.length + part.length);
    bytes.set(this.#bytes);
    bytes.set(part, this.#bytes.length);
    if (!last) {
      this.#bytes = bytes;
      return undefined;
    }
    this.#forget(false);
    return textOf(bytes);
  }

  #forget(refused: boolean): void {
    this.#bytes = new Uint8Array(0);
    this.#refused = refused;
  }
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new AntiphonError("invalid_argument", "The message is not UTF-8.", { cause });
  }
}

const MORE = 0;
const LAST = 1;
const PART_BYTES_MAX = LIVEKIT_PACKET_BYTES_MAX - 1;
