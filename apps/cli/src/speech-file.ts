/** A recording as a microphone would deliver it: 20 ms frames at 48 kHz. Owns reading and conversion, not the pace. */
import { readFile } from "node:fs/promises";
import { createResampler, Framer, readWav, SAMPLE_RATE_HZ } from "@antiphon/audio";

export interface SpeechFile {
  path: string;
  seconds: number;
  /** 960 samples each, the last one padded with silence. */
  frames: Int16Array[];
}

export async function readSpeechFile(path: string): Promise<SpeechFile> {
  const { samples, sampleRateHz } = readWav(await readFile(path));
  const resampler = createResampler({ fromHz: sampleRateHz, toHz: SAMPLE_RATE_HZ });
  const framer = new Framer();
  const frames: Int16Array[] = [];
  for (let at = 0; at < samples.length; at += sampleRateHz) {
    const second = resampler.push(samples.subarray(at, at + sampleRateHz));
    frames.push(...framer.push(second));
  }
  frames.push(...framer.push(resampler.flush()));
  const last = framer.flush();
  if (last !== undefined) frames.push(last);
  return { path, seconds: samples.length / sampleRateHz, frames };
}
