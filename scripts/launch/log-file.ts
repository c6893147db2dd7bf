/** A service's log on disk, of bounded size. Owns the file and the one before it. */
import { createWriteStream, mkdirSync, renameSync, statSync, type WriteStream } from "node:fs";
import { dirname } from "node:path";

/** Appends lines; a file that is full becomes `<file>.1`, and the one before is forgotten. */
export class LogFile {
  readonly #path: string;
  #stream: WriteStream;
  #bytes: number;

  constructor(path: string) {
    this.#path = path;
    mkdirSync(dirname(path), { recursive: true });
    this.#bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    this.#stream = this.#open();
  }

  write(line: string): void {
    if (this.#bytes >= LOG_BYTES_MAX) {
      this.#stream.end();
      renameSync(this.#path, `${this.#path}.1`);
      this.#stream = this.#open();
      this.#bytes = 0;
    }
    this.#stream.write(`${line}\n`);
    this.#bytes += Buffer.byteLength(line) + 1;
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#stream.end(resolve));
  }

  #open(): WriteStream {
    const stream = createWriteStream(this.#path, { flags: "a" });
    // A full disk must not end a conversation; what matters is on the screen, too.
    stream.on("error", () => {});
    return stream;
  }
}

/** A day of ordinary talk; twice this stays on disk for each service. */
const LOG_BYTES_MAX = 5_000_000;
