/** What simulated voices sound like: samples that say which frame they are of and where in it, so that what is heard proves what was played. */
import { FRAME_BYTES, FRAME_SAMPLES } from "@antiphon/protocol";

/** A frame's PCM; each serial has its own. */
export function voicePcm(serial: number): Uint8Array {
  const samples = templateOf(serial).slice();
  for (let digit = 0; digit < DIGITS; digit++) samples[digit] = voiceSample(serial, digit);
  return new Uint8Array(samples.buffer);
}

/** Which frame this is. The bytes lie at an even offset. */
export function serialOf(bytes: Uint8Array): number {
  const samples = new Int16Array(bytes.buffer, bytes.byteOffset, FRAME_BYTES / 2);
  let serial = 0;
  for (let digit = DIGITS - 1; digit >= 0; digit--) {
    serial = serial * RADIX + ((Math.abs(samples[digit] ?? 0) - BASE) % RADIX);
  }
  return serial;
}

/** Sample `index` of the frame `serial`. */
export function voiceSample(serial: number, index: number): number {
  if (index >= DIGITS) return templateOf(serial)[index] ?? 0;
  const digit = Math.floor(serial / RADIX ** index) % RADIX;
  return coded(serial & 1, index, digit);
}

/** Neighbours differ. */
function templateOf(serial: number): Int16Array {
  return TEMPLATES[serial & 1] as Int16Array;
}

/**
 * Loud throughout, so that no sample is silence, and all of it at the highest frequency there is: what compares voices by their energy in
 * the bands of speech finds none, and takes nobody for its echo.
 */
function coded(template: number, index: number, digit: number): number {
  const magnitude = BASE + template * RADIX + digit;
  return index % 2 === 0 ? magnitude : -magnitude;
}

/** A frame begins with its serial, in digits of this radix; then it counts in it. */
const RADIX = 16;
const DIGITS = 6;
const BASE = 8_192;
const TEMPLATES = [0, 1].map((template) =>
  Int16Array.from({ length: FRAME_SAMPLES }, (_, index) => coded(template, index, index % RADIX)),
);
