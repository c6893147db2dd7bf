/** What simulated voices sound like: samples that say which frame they are of and where in it, so that what is heard proves what was played. */
import { FRAME_BYTES, FRAME_SAMPLES } from "@antiphon/protocol";

/** A frame's PCM; each serial has its own. */
export function voicePcm(serial: number): Uint8Array {
  const samples = (TEMPLATES[serial % TEMPLATES.length] as Int16Array).slice();
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
  return BASE + (serial % TEMPLATE_COUNT) * TEMPLATE_STEP + index;
}

const HEADER_BITS = 12;
const HEADER_MASK = (1 << HEADER_BITS) - 1;
/** Loud throughout: no sample of a frame is silence, and none is another's neighbour's. */
const HEADER_BASE = 4_096;
const BASE = 8_192;
const TEMPLATE_COUNT = 16;
const TEMPLATE_STEP = 1_024;
const TEMPLATES = Array.from({ length: TEMPLATE_COUNT }, (_, template) =>
  Int16Array.from({ length: FRAME_SAMPLES }, (_, index) => BASE + template * TEMPLATE_STEP + index),
);
