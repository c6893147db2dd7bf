/** The recorded clips that tests listen to, found through ANTIPHON_AUDIO_DIR. Owns reading; says loudly when they are absent. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readWav, resample, SAMPLE_RATE_HZ } from "@antiphon/audio";

/** One entry of the folder's manifest, as far as tests read it. */
export interface Recording {
  file: string;
  language: string | null;
  /** `null`: not known; "": no words. */
  transcript: string | null;
  /** Its words are clear enough to hold a recogniser to. */
  scored?: boolean;
  /** Starts and ends of speech, in milliseconds. */
  speechGuide: Array<[number, number]>;
}

const directory = process.env["ANTIPHON_AUDIO_DIR"];

/** Use with `skipIf`: the clips are not part of the repository. */
export const recordingsMissing =
  directory === undefined || !existsSync(join(directory, "manifest.json"));

if (recordingsMissing) {
  console.warn(
    "SKIPPED: tests on recorded speech need ANTIPHON_AUDIO_DIR (a folder with manifest.json)",
  );
}

export function recordings(): Recording[] {
  if (directory === undefined || recordingsMissing) return [];
  const manifest: { clips: Recording[] } = JSON.parse(
    readFileSync(join(directory, "manifest.json"), "utf8"),
  );
  return manifest.clips;
}

/** Throws for one that the folder does not have. */
export function recording(file: string): Recording {
  const found = recordings().find((each) => each.file === file);
  if (found === undefined) throw new Error(`${file} is not in the manifest`);
  return found;
}

export function recordingPath(file: string): string {
  return join(directory ?? "", file);
}

/** A clip at our own rate, 48 kHz. */
export function recordedSamples(file: string): Int16Array<ArrayBuffer> {
  const wav = readWav(readFileSync(join(directory ?? "", file)));
  return resample(wav.samples, { fromHz: wav.sampleRateHz, toHz: SAMPLE_RATE_HZ });
}
