/** Recogniser, language model and voice that take their time and fail as a seed says. They keep count of what was left open. */
import { AntiphonError, FRAME_BYTES, FRAME_SAMPLES } from "@antiphon/protocol";
import { delay } from "@antiphon/runtime";
import type { FakeClock, SeededRandom } from "@antiphon/runtime/testing";
import type {
  AnswerRequest,
  LanguageModel,
  PartialTranscript,
  SpeechEvent,
  SynthesisStream,
  Synthesizer,
  Transcriber,
} from "../ports.ts";

export interface Faults {
  clock: FakeClock;
  random: SeededRandom;
  /** Of each call. */
  failure: number;
}

export class FaultyTranscriber implements Transcriber {
  readonly #faults: Faults;
  #segments = 0;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  languages(): string[] {
    return ["en"];
  }

  open() {
    const { clock, random, failure } = this.#faults;
    const closing = new AbortController();
    return {
      begin: (onPartial: (partial: PartialTranscript) => void) => {
        const name = `heard${++this.#segments}`;
        let frames = 0;
        return {
          push: () => {
            if (++frames === 20) onPartial({ text: name, audioMs: 400, confidence: 1 });
          },
          flush: () =>
            onPartial({
              text: random.chance(0.5) ? "" : name,
              audioMs: frames * 20,
              confidence: 1,
            }),
          finish: async () => {
            if (random.chance(0.8)) await delay(clock, random.below(900), closing.signal);
            if (random.chance(failure)) throw new AntiphonError("unavailable", "recogniser");
            return { text: random.chance(0.3) ? "" : name, computeMs: 1, confidence: 1 };
          },
          cancel: () => {},
        };
      },
      close: () => closing.abort(new AntiphonError("unavailable", "closed")),
    };
  }
}

export class FaultyLanguageModel implements LanguageModel {
  readonly responder = { kind: "llm" as const, model: "faulty" };
  readonly notice = undefined;
  readonly requests: AnswerRequest[] = [];
  /** Answers that were begun and have neither ended nor been stopped. */
  answers = 0;
  readonly #faults: Faults;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  async *answer(request: AnswerRequest, signal: AbortSignal): AsyncIterable<string> {
    const { clock, random, failure } = this.#faults;
    this.requests.push(structuredClone(request));
    const sentences = random.below(4);
    this.answers++;
    try {
      for (let sentence = 0; sentence < sentences; sentence++) {
        if (random.chance(0.7)) await delay(clock, random.below(600), signal);
        if (random.chance(failure)) throw new AntiphonError("unavailable", "model");
        const name = `a${this.requests.length}s${sentence}`;
        for (const word of ["Now ", `${name} `, "is ", "said. "].slice(random.below(3))) yield word;
      }
    } catch (reason) {
      if (!signal.aborted) throw reason;
    } finally {
      this.answers--;
    }
  }
}

/** As a worker: utterances of one stream are spoken one after another, and one that nobody reads holds up the next. */
export class FaultySynthesizer implements Synthesizer {
  readonly #faults: Faults;
  readonly #opens: boolean;
  /** Claims that were granted and not given back. */
  claims = 0;
  /** Utterances that were begun and have neither ended nor been stopped. */
  utterances = 0;

  constructor(faults: Faults, opens: boolean) {
    this.#faults = faults;
    this.#opens = opens;
  }

  async open(_: unknown, signal: AbortSignal): Promise<SynthesisStream> {
    const { clock, random } = this.#faults;
    await delay(clock, random.below(800), signal);
    if (!this.#opens) throw new AntiphonError("not_found", "No worker has this voice.");
    this.claims++;
    let closed = false;
    let before = Promise.resolve();
    return {
      voice: "faulty",
      wholeUtterance: false,
      speak: (utterance, stop) => {
        const turn = before;
        const over = Promise.withResolvers<void>();
        before = turn.then(() => over.promise);
        this.utterances++;
        const settled = () => {
          stop.removeEventListener("abort", settled);
          this.utterances--;
          over.resolve();
        };
        if (stop.aborted) settled();
        else stop.addEventListener("abort", settled);
        return this.#speak(utterance.text, turn, stop, settled);
      },
      setPaused: () => {},
      close: () => {
        if (closed) throw new Error("closed twice");
        closed = true;
        this.claims--;
      },
    };
  }

  async *#speak(
    text: string,
    turn: Promise<void>,
    signal: AbortSignal,
    settled: () => void,
  ): AsyncIterable<SpeechEvent> {
    const { clock, random, failure } = this.#faults;
    const words = text.split(/\s+/).filter((word) => word !== "");
    try {
      await turn;
      if (random.chance(0.5)) await delay(clock, random.below(500), signal);
      yield { kind: "started", model: "m", voice: "v" };
      if (random.chance(0.7)) {
        const timed = words.map((word, index) => ({
          text: word,
          startSample: index * WORD_FRAMES * FRAME_SAMPLES,
          endSample: (index + 1) * WORD_FRAMES * FRAME_SAMPLES,
          measured: true,
        }));
        yield { kind: "words", words: timed };
      }
      const broken = random.chance(failure) ? random.below(words.length * WORD_FRAMES) : -1;
      for (let frame = 0; frame < words.length * WORD_FRAMES; frame++) {
        if (frame === broken) throw new AntiphonError("unavailable", "voice");
        if (random.chance(0.02)) await delay(clock, random.below(300), signal);
        yield { kind: "audio", pcm: PCM };
      }
      yield { kind: "done", samples: words.length * WORD_FRAMES * FRAME_SAMPLES };
    } catch (reason) {
      if (!signal.aborted) throw reason;
    } finally {
      if (!signal.aborted) settled();
    }
  }
}

const WORD_FRAMES = 8;
const PCM = new Uint8Array(FRAME_BYTES);
