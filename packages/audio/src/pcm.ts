/** Conversions between the byte form of audio and numbers, and levels in dBFS. Owns no rate, no frame and no state. */

/**
 * Samples of little-endian 16-bit PCM, copied into an aligned array.
 *
 * Bytes out of an RPC or WebSocket message are views at any offset, odd ones too, where an `Int16Array` over the same
 * buffer throws. Throws a RangeError when half a sample is left over.
 */
export function decodePcm(bytes: Uint8Array): Int16Array<ArrayBuffer> {
  if (bytes.byteLength % 2 !== 0) {
    throw new RangeError(`16-bit PCM has an even number of bytes, not ${bytes.byteLength}`);
  }
  const samples = new Int16Array(bytes.byteLength / 2);
  decodePcmInto(bytes, samples);
  return samples;
}

/** As `decodePcm`, into an array that the caller owns and that is as long as the bytes hold samples. */
export function decodePcmInto(bytes: Uint8Array, samples: Int16Array): void {
  if (samples.byteLength !== bytes.byteLength) {
    throw new RangeError(`${bytes.byteLength} bytes do not fill ${samples.length} samples exactly`);
  }
  // Every engine we run on is little-endian (x86, ARM), so the bytes are the samples once they are aligned.
  new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength).set(bytes);
}

/** Little-endian 16-bit PCM in a buffer of its own. */
export function encodePcm(samples: Int16Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(viewPcm(samples));
}

/** The samples' own memory as bytes: no copy, valid as long as the samples are not changed. */
export function viewPcm(samples: Int16Array): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
}

/** −1 to 1, as models take it. */
export function toFloat32(samples: Int16Array): Float32Array<ArrayBuffer> {
  const floats = new Float32Array(samples.length);
  for (let index = 0; index < samples.length; index++) floats[index] = samples[index] / FULL_SCALE;
  return floats;
}

/** Rounded; what lies beyond full scale is clamped, what is not a number is silence. */
export function toInt16(floats: Float32Array): Int16Array<ArrayBuffer> {
  const samples = new Int16Array(floats.length);
  for (let index = 0; index < floats.length; index++) {
    samples[index] = clampSample(floats[index] * FULL_SCALE);
  }
  return samples;
}

/** Nearest 16-bit sample. A cast would wrap around: one loud sample would become its opposite. */
export function clampSample(value: number): number {
  return value >= 32767 ? 32767 : value <= -32768 ? -32768 : Math.round(value);
}

/** Level of the whole stretch against a full-scale square wave: 0 at most, −Infinity for silence or nothing. */
export function rmsDbfs(samples: Int16Array): number {
  let energy = 0;
  for (let index = 0; index < samples.length; index++) energy += samples[index] * samples[index];
  return samples.length === 0 ? -Infinity : powerToDbfs(energy / samples.length);
}

/** Level of the loudest sample. */
export function peakDbfs(samples: Int16Array): number {
  let peak = 0;
  for (let index = 0; index < samples.length; index++) {
    peak = Math.max(peak, Math.abs(samples[index]));
  }
  return powerToDbfs(peak * peak);
}

/** dBFS of a mean of squared 16-bit samples. */
export function powerToDbfs(power: number): number {
  return 10 * Math.log10(power / (FULL_SCALE * FULL_SCALE));
}

/** Factor of a level difference: 6 dB is about 2. */
export function dbToFactor(db: number): number {
  return 10 ** (db / 20);
}

/** Index of the first sample at or above `amplitude`, or −1. */
export function firstSampleAtLeast(samples: Int16Array, amplitude: number): number {
  return samples.findIndex((sample) => Math.abs(sample) >= amplitude);
}

/** 16-bit full scale: the magnitude of the most negative sample. */
const FULL_SCALE = 32_768;
