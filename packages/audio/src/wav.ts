/** Reads and writes WAV files in memory. Owns the container; opens no file and resamples nothing. */
import { clampSample, viewPcm } from "./pcm.ts";

/** A recording, mixed down to one channel. */
export interface WavAudio {
  sampleRateHz: number;
  samples: Int16Array<ArrayBuffer>;
}

/** The bytes are no WAV file that we read; the message says why, for the person who chose the file. */
export class WavError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "WavError";
  }
}

/**
 * Reads PCM of 16 or 24 bits or 32-bit float, any number of channels up to 8. Chunks may come in any order, unknown ones are
 * skipped, and a data chunk that claims more than there is (a recorder that was killed) is read as far as it goes.
 */
export function readWav(bytes: Uint8Array): WavAudio {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < 12 || tagAt(view, 0) !== "RIFF" || tagAt(view, 8) !== "WAVE") {
    throw new WavError("This is not a WAV file: it does not begin with RIFF and WAVE.");
  }
  let format: WavFormat | undefined;
  let data: { start: number; length: number } | undefined;
  for (let at = 12; at + 8 <= bytes.byteLength && !(format && data); ) {
    const length = view.getUint32(at + 4, true);
    const start = at + 8;
    const available = Math.min(length, bytes.byteLength - start);
    if (tagAt(view, at) === "fmt ") format = readFormat(view, start, available);
    if (tagAt(view, at) === "data") data = { start, length: available };
    // Chunks are padded to even lengths.
    at = start + length + (length % 2);
  }
  if (format === undefined) throw new WavError("The WAV file has no format chunk.");
  if (data === undefined) throw new WavError("The WAV file has no audio in it.");
  return { sampleRateHz: format.sampleRateHz, samples: mixDown(view, data, format) };
}

/** A mono file of 16-bit PCM. */
export function writeWav(samples: Int16Array, sampleRateHz: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + samples.byteLength);
  const view = new DataView(bytes.buffer);
  putTag(bytes, 0, "RIFF");
  view.setUint32(4, bytes.byteLength - 8, true);
  putTag(bytes, 8, "WAVE");
  putTag(bytes, 12, "fmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, FORMAT_PCM, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRateHz, true);
  view.setUint32(28, sampleRateHz * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  putTag(bytes, 36, "data");
  view.setUint32(40, samples.byteLength, true);
  bytes.set(viewPcm(samples), HEADER_BYTES);
  return bytes;
}

interface WavFormat {
  sampleRateHz: number;
  channels: number;
  encoding: Encoding;
}

type Encoding = keyof typeof READERS;

/** One sample as a 16-bit value, not yet rounded. */
const READERS = {
  pcm16: { bytes: 2, read: (view: DataView, at: number) => view.getInt16(at, true) },
  // Three bytes, little-endian: the upper two hold sign and most of the value.
  pcm24: {
    bytes: 3,
    read: (view: DataView, at: number) => view.getInt16(at + 1, true) + view.getUint8(at) / 256,
  },
  float32: {
    bytes: 4,
    read: (view: DataView, at: number) => {
      const value = view.getFloat32(at, true);
      return Number.isFinite(value) ? value * 32768 : 0;
    },
  },
} as const;

function readFormat(view: DataView, start: number, length: number): WavFormat {
  if (length < 16) throw new WavError("The WAV file's format chunk is cut off.");
  const channels = view.getUint16(start + 2, true);
  const sampleRateHz = view.getUint32(start + 4, true);
  const bits = view.getUint16(start + 14, true);
  let tag = view.getUint16(start, true);
  // The extensible form names the real format in the first two bytes of a GUID.
  if (tag === FORMAT_EXTENSIBLE && length >= 26) tag = view.getUint16(start + 24, true);
  if (channels < 1 || channels > CHANNELS_MAX) {
    throw new WavError(`A WAV file has 1 to ${CHANNELS_MAX} channels, this one says ${channels}.`);
  }
  if (sampleRateHz < RATE_HZ_MIN || sampleRateHz > RATE_HZ_MAX) {
    throw new WavError(`The WAV file's sample rate of ${sampleRateHz} Hz is not usable.`);
  }
  return { sampleRateHz, channels, encoding: encodingOf(tag, bits) };
}

function encodingOf(tag: number, bits: number): Encoding {
  if (tag === FORMAT_PCM && bits === 16) return "pcm16";
  if (tag === FORMAT_PCM && bits === 24) return "pcm24";
  if (tag === FORMAT_FLOAT && bits === 32) return "float32";
  throw new WavError(
    `WAV format ${tag} with ${bits} bits is not supported: save it as 16-bit PCM, 24-bit PCM or 32-bit float.`,
  );
}

function mixDown(
  view: DataView,
  data: { start: number; length: number },
  format: WavFormat,
): Int16Array<ArrayBuffer> {
  const { bytes, read } = READERS[format.encoding];
  const { channels } = format;
  const samples = new Int16Array(Math.floor(data.length / (bytes * channels)));
  let at = data.start;
  for (let index = 0; index < samples.length; index++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++, at += bytes) sum += read(view, at);
    samples[index] = clampSample(sum / channels);
  }
  return samples;
}

function tagAt(view: DataView, at: number): string {
  return String.fromCharCode(...[0, 1, 2, 3].map((offset) => view.getUint8(at + offset)));
}

function putTag(bytes: Uint8Array, at: number, tag: string): void {
  for (let index = 0; index < 4; index++) bytes[at + index] = tag.charCodeAt(index);
}

const HEADER_BYTES = 44;
const FORMAT_PCM = 1;
const FORMAT_FLOAT = 3;
const FORMAT_EXTENSIBLE = 0xfffe;
/** Surround recordings; more is a wrong header. */
const CHANNELS_MAX = 8;
/** Narrower than telephone or wider than any converter: a wrong header. */
const RATE_HZ_MIN = 4_000;
const RATE_HZ_MAX = 384_000;
