/** Binary messages of the session socket: a small little-endian header, then one 20 ms frame of PCM. No copies on reading. */
import { AntiphonError } from "./antiphon-error.ts";
import { FRAME_BYTES, PROTOCOL_VERSION } from "./limits.ts";

/** Bytes before the PCM of a frame to the client. */
export const VOICE_HEADER_BYTES = 24;
/** Bytes before the PCM of a microphone frame. */
export const MICROPHONE_HEADER_BYTES = 8;

const KIND_VOICE = 1;
const KIND_MICROPHONE = 2;

/** One frame of a reply, as the client receives it. */
export interface VoiceFrame {
  /** Which grant of the session sent it; a client drops older ones. */
  leaseEpoch: number;
  /** One reply's. A frame of an older epoch than the newest `clear` is dropped by comparison. */
  epoch: number;
  /** Within the reply, from 0. */
  utterance: number;
  /** Within the reply, from 0, without gap or repeat. */
  seq: number;
  /** Of the frame's first sample, within the reply. */
  positionSamples: number;
  /** 1,920 bytes, s16le; a view into the message, at any byte offset. */
  pcm: Uint8Array;
}

/**
 * Header: version u8, kind u8, utterance u16, leaseEpoch u32, epoch u32, seq u32, position u64.
 * @param into at least 1,944 bytes; default: a new buffer.
 */
export function encodeVoiceFrame(
  frame: VoiceFrame,
  into: Uint8Array = new Uint8Array(VOICE_HEADER_BYTES + FRAME_BYTES),
): Uint8Array {
  checkFrameSize(frame.pcm);
  const view = new DataView(into.buffer, into.byteOffset, VOICE_HEADER_BYTES);
  view.setUint8(0, PROTOCOL_VERSION);
  view.setUint8(1, KIND_VOICE);
  view.setUint16(2, frame.utterance & 0xffff, true);
  view.setUint32(4, frame.leaseEpoch, true);
  view.setUint32(8, frame.epoch, true);
  view.setUint32(12, frame.seq, true);
  view.setBigUint64(16, BigInt(frame.positionSamples), true);
  into.set(frame.pcm, VOICE_HEADER_BYTES);
  return into;
}

/** Throws `invalid_argument` for a wrong version, kind or size. */
export function decodeVoiceFrame(message: Uint8Array): VoiceFrame {
  const view = openHeader(message, KIND_VOICE, VOICE_HEADER_BYTES);
  return {
    utterance: view.getUint16(2, true),
    leaseEpoch: view.getUint32(4, true),
    epoch: view.getUint32(8, true),
    seq: view.getUint32(12, true),
    positionSamples: Number(view.getBigUint64(16, true)),
    pcm: message.subarray(VOICE_HEADER_BYTES),
  };
}

/** One frame of the person's microphone. */
export interface MicrophoneFrame {
  /** From 0 on each socket. A step of more than one says that the client dropped audio. */
  seq: number;
  /** 1,920 bytes, s16le; a view into the message, at any byte offset. */
  pcm: Uint8Array;
}

/** Header: version u8, kind u8, reserved u16 (0), seq u32. */
export function encodeMicrophoneFrame(frame: MicrophoneFrame): Uint8Array {
  checkFrameSize(frame.pcm);
  const message = new Uint8Array(MICROPHONE_HEADER_BYTES + FRAME_BYTES);
  const view = new DataView(message.buffer);
  view.setUint8(0, PROTOCOL_VERSION);
  view.setUint8(1, KIND_MICROPHONE);
  view.setUint32(4, frame.seq, true);
  message.set(frame.pcm, MICROPHONE_HEADER_BYTES);
  return message;
}

/** Throws `invalid_argument` for a wrong version, kind or size. */
export function decodeMicrophoneFrame(message: Uint8Array): MicrophoneFrame {
  const view = openHeader(message, KIND_MICROPHONE, MICROPHONE_HEADER_BYTES);
  return { seq: view.getUint32(4, true), pcm: message.subarray(MICROPHONE_HEADER_BYTES) };
}

/** Throws `invalid_argument` unless the PCM is exactly one frame. */
export function checkFrameSize(pcm: Uint8Array): void {
  if (pcm.byteLength === FRAME_BYTES) return;
  throw new AntiphonError(
    "invalid_argument",
    `An audio frame has ${FRAME_BYTES} bytes (20 ms of 48 kHz mono s16le), not ${pcm.byteLength}.`,
  );
}

function openHeader(message: Uint8Array, kind: number, headerBytes: number): DataView {
  if (message.byteLength !== headerBytes + FRAME_BYTES) {
    throw new AntiphonError(
      "invalid_argument",
      `A binary message has ${headerBytes + FRAME_BYTES} bytes here, not ${message.byteLength}.`,
    );
  }
  const view = new DataView(message.buffer, message.byteOffset, headerBytes);
  if (view.getUint8(0) !== PROTOCOL_VERSION || view.getUint8(1) !== kind) {
    throw new AntiphonError(
      "invalid_argument",
      `Binary header: version ${view.getUint8(0)} kind ${view.getUint8(1)}, expected version ${PROTOCOL_VERSION} kind ${kind}.`,
    );
  }
  return view;
}
