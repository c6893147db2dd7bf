/** Test signals and cuts. Never imported by product code. */
import { SeededRandom } from "@antiphon/runtime/testing";

/** A sine at `amplitude` of full scale. */
export function sine(options: {
  hz: number;
  rateHz: number;
  samples: number;
  amplitude?: number;
}): Int16Array<ArrayBuffer> {
  const scale = 32767 * (options.amplitude ?? 0.5);
  const step = (2 * Math.PI * options.hz) / options.rateHz;
  return Int16Array.from({ length: options.samples }, (_, index) => scale * Math.sin(step * index));
}

/** White noise, the same on every machine. */
export function noise(seed: number, samples: number, amplitude = 0.9): Int16Array<ArrayBuffer> {
  const random = new SeededRandom(seed);
  return Int16Array.from({ length: samples }, () => (random.next() * 2 - 1) * 32767 * amplitude);
}

/** The same samples in chunks of random lengths, empty ones included. */
export function randomChunks(seed: number, samples: Int16Array, longest = 2_000): Int16Array[] {
  const random = new SeededRandom(seed);
  const chunks: Int16Array[] = [];
  for (let at = 0; at < samples.length; ) {
    const length = Math.min(random.below(longest + 1), samples.length - at);
    chunks.push(samples.subarray(at, at + length));
    at += length;
  }
  return chunks;
}

export function joined(chunks: Iterable<Int16Array>): Int16Array<ArrayBuffer> {
  return Int16Array.from([...chunks].flatMap((chunk) => [...chunk]));
}
