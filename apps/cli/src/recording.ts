/** A WAV file that grows while a call goes on. Owns the file; it is whole after `close`, also when the call ended badly. */
import { closeSync, openSync, writeSync } from "node:fs";
import { SAMPLE_RATE_HZ, viewPcm, writeWav } from "@antiphon/audio";

/** Opened before the call, so that a path nobody may write to is said at once. */
export class Recording {
  readonly path: string;
  #file: number | undefined;
  #samples = 0;

  constructor(path: string) {
    this.path = path;
    this.#file = openSync(path, "w");
    writeSync(this.#file, writeWav(new Int16Array(0), SAMPLE_RATE_HZ));
  }

  get samples(): number {
    return this.#samples;
  }

  /** 48 kHz, mono. */
  write(samples: Int16Array): void {
    if (this.#file === undefined) return;
    writeSync(this.#file, viewPcm(samples));
    this.#samples += samples.length;
  }

  /** Idempotent. */
  close(): void {
    if (this.#file === undefined) return;
    // A header counts bytes in 32 bits: 12 hours at most, and what is longer is read to its end all the same.
    const dataBytes = Math.min(this.#samples * 2, 0xffff_ffff - RIFF_REST_BYTES);
    const sizes = new DataView(new ArrayBuffer(8));
    sizes.setUint32(0, dataBytes + RIFF_REST_BYTES, true);
    sizes.setUint32(4, dataBytes, true);
    writeSync(this.#file, new Uint8Array(sizes.buffer, 0, 4), 0, 4, RIFF_SIZE_AT);
    writeSync(this.#file, new Uint8Array(sizes.buffer, 4, 4), 0, 4, DATA_SIZE_AT);
    closeSync(this.#file);
    this.#file = undefined;
  }
}

/** Of the 44-byte header that `writeWav` makes. */
const RIFF_SIZE_AT = 4;
const DATA_SIZE_AT = 40;
const RIFF_REST_BYTES = 36;
