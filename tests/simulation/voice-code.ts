/** What simulated voices sound like: samples that say which frame they are of and where in it, so that what is heard proves what was played. */
import { FRAME_BYTES, FRAME_SAMPLES } from "@antiphon/protocol";

/** A frame's PCM; each serial has its own. */
export function voicePcm(serial: number): Uint8Array {
  const samples = templateOf(serial).slice();
  samples[0] = HEADER_BASE + (serial & HEADER_MASK);
  samples[1] = HEADER_BASE + (serial >> HEADER_BITS);
  return new Uint8Array(samples.buffer);
}

/** Which frame this is. `offset` is even. */
export function serialOf(bytes: Uint8Array): number {
  const samples = new Int16Array(bytes.buffer, bytes.byteOffset, FRAME_BYTES / 2);
  return ((samples[1] ?? 0) - HEADER_BASE) * (HEADER_MASK + 1) + ((samples[0] ?? 0) - HEADER_BASE);
}

/** Sample `index` of the frame `serial`. */
export function voiceSample(serial: number, index: number): number {
  if (index === 0) return HEADER_BASE + (serial & HEADER_MASK);
  if (index === 1) return HEADER_BASE + (serial >> HEADER_BITS);
  return templateOf(serial)[index] ?? 0;
}

/** Neighbours differ; beyond that there is no order in it, so that a voice rises and falls as nobody else's does. */
function templateOf(serial: number): Int16Array {
  const hash = Math.imul(serial >> 1, 0x9e3779b1) >>> 28;
  return TEMPLATES[(hash & ~1) | (serial & 1)] as Int16Array;
}

const HEADER_BITS = 12;
const HEADER_MASK = (1 << HEADER_BITS) - 1;
/** Loud throughout: no sample of a frame is silence, and none is another's neighbour's. */
const HEADER_BASE = 4_096;
const BASE = 8_192;
const TEMPLATE_STEP = 1_024;
/** Steps through a frame's values, prime to its length: each value comes once, and the larger the step the brighter the sound. */
const STEPS = [1, 479, 7, 241, 31, 101, 433, 13, 359, 11, 53, 319, 17, 143, 71, 203];
const TEMPLATES = STEPS.map((step, template) =>
  Int16Array.from(
    { length: FRAME_SAMPLES },
    (_, index) => BASE + template * TEMPLATE_STEP + ((index * step) % FRAME_SAMPLES),
  ),
);
