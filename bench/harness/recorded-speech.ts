/** What people did while a reply was playing, taken from a folder of recordings. What a clip is, its manifest says; names of files mean nothing. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readWav, resample, SAMPLE_RATE_HZ } from "@antiphon/audio";
import { faded } from "./levels.ts";

/** A stretch of a recording. */
export interface RecordedSound {
  file: string;
  /** In the file. */
  startMs: number;
  endMs: number;
  /** 48 kHz, with a little of what was before and after. */
  samples: Int16Array;
  /** The stretch itself, without that. */
  startSample: number;
  endSample: number;
}

export interface RecordedSounds {
  /** Each interval of speech in a clip with words. */
  speech: RecordedSound[];
  /** The same of clips of which it is not known what is said in them. */
  unknown: RecordedSound[];
  /** Clips without words, in pieces. */
  wordless: RecordedSound[];
}

/** Nothing where there is no such folder. */
export function recordedSounds(): RecordedSounds {
  const folder = process.env["ANTIPHON_AUDIO_DIR"] ?? "";
  const sounds: RecordedSounds = { speech: [], unknown: [], wordless: [] };
  if (folder === "" || !existsSync(join(folder, "manifest.json"))) return sounds;
  const manifest: { clips: Clip[] } = JSON.parse(
    readFileSync(join(folder, "manifest.json"), "utf8"),
  );
  for (const clip of manifest.clips) {
    const wav = readWav(readFileSync(join(folder, clip.file)));
    const samples = resample(wav.samples, { fromHz: wav.sampleRateHz, toHz: SAMPLE_RATE_HZ });
    if (clip.transcript === "") {
      sounds.wordless.push(...pieces(clip.file, samples));
      continue;
    }
    const found = (clip.speech ?? clip.speechGuide ?? []).map(([startMs, endMs]) =>
      cut(clip.file, samples, { startMs, endMs, aroundMs: AROUND_MS }),
    );
    (clip.transcript === null ? sounds.unknown : sounds.speech).push(...found);
  }
  return sounds;
}

function pieces(file: string, samples: Int16Array): RecordedSound[] {
  const lengthMs = (samples.length * 1000) / SAMPLE_RATE_HZ;
  const count = Math.max(1, Math.round(lengthMs / PIECE_MS));
  return Array.from({ length: count }, (_, index) =>
    cut(file, samples, {
      startMs: (index * lengthMs) / count,
      endMs: ((index + 1) * lengthMs) / count,
      aroundMs: 0,
    }),
  );
}

function cut(
  file: string,
  samples: Int16Array,
  { startMs, endMs, aroundMs }: { startMs: number; endMs: number; aroundMs: number },
): RecordedSound {
  const start = at(startMs);
  const from = Math.max(0, start - at(aroundMs));
  const end = Math.min(samples.length, at(endMs));
  const until = Math.min(samples.length, end + at(aroundMs));
  return {
    file,
    startMs: Math.round(startMs),
    endMs: Math.round(endMs),
    samples: faded(samples.slice(from, until)),
    startSample: start - from,
    endSample: end - from,
  };
}

const at = (ms: number) => Math.round((ms * SAMPLE_RATE_HZ) / 1000);

interface Clip {
  file: string;
  /** "": no words. Null: not known. */
  transcript: string | null;
  /** Null: not labelled. */
  speech: Array<[number, number]> | null;
  speechGuide?: Array<[number, number]>;
}

/** Labels are exact to about 60 ms. */
const AROUND_MS = 60;
/** Three seconds of keys or clicks are one trial. */
const PIECE_MS = 3_000;
