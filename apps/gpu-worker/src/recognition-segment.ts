/** One segment on its way from audio to text: when it is decoded, and its one terminal. Knows no stream, no RPC and no model. */
import { AntiphonError, FRAME_BYTES, FRAME_MS } from "@antiphon/protocol";
import { type Clock, deadline, untilAborted } from "@antiphon/runtime";
import type { RecognitionResult } from "./adapters/adapter.ts";
import type { InferenceProcess, TranscribeOptions } from "./inference/inference-process.ts";
import { languageMatches } from "./recognition-language.ts";
import { SegmentAudio } from "./segment-audio.ts";

/** A recogniser on loan: its model stays loaded until `release`. */
export interface Recogniser {
  process: InferenceProcess;
  /** BCP 47. */
  languages: readonly string[];
  release(): void;
}

export interface SegmentOptions {
  clock: Clock;
  acquire: () => Promise<Recogniser>;
  /** BCP 47; "" lets the model decide. */
  language: string;
  partials: boolean;
  /** When the text changed, and after `flush`. */
  onPartial: (result: RecognitionResult, audioMs: number) => void;
  /** Exactly once; nothing follows. */
  onTerminal: (terminal: SegmentTerminal) => void;
}

export type SegmentTerminal =
  | ({ kind: "final"; audioMs: number; computeMs: number } & RecognitionResult)
  | { kind: "cancelled" }
  | { kind: "error"; error: AntiphonError };

/**
 * While the segment grows it is decoded again and again, one pass at a time, each over all of it; at the end once more, unless a pass has covered every frame already. When somebody waits for the words so far (`flush`) a
 * pass is due at once, and goes before others as a final does: it may decide whether a machine that talks stops.
 */
export class RecognitionSegment {
  readonly #options: SegmentOptions;
  readonly #audio = new SegmentAudio();
  #frames = 0;
  #recogniser: Recogniser | undefined;
  readonly #acquiring = new AbortController();
  #pass: Pass | undefined;
  /** What the last pass reached, whatever became of it. */
  #passedFrames = 0;
  /** The last pass that came back. */
  #covered: Covered = NOTHING_COVERED;
  /** The newest before it that found words. */
  #before: Covered = NOTHING_COVERED;
  /** Somebody waits for a partial that covers so many. */
  #flushFrames: number | undefined;
  #partialText = "";
  #partialFailures = 0;
  #ended = false;
  #terminated = false;

  constructor(options: SegmentOptions) {
    this.#options = options;
    void this.#acquire();
  }

  /** One frame of 1,920 bytes. */
  push(pcm: Uint8Array): void {
    if (this.#terminated || this.#ended) return;
    if (pcm.byteLength !== FRAME_BYTES) {
      this.fail(
        new AntiphonError(
          "invalid_argument",
          `A frame has ${FRAME_BYTES} bytes, not ${pcm.byteLength}.`,
        ),
      );
      return;
    }
    if (this.#frames === FRAMES_MAX) {
      this.fail(new AntiphonError("too_large", "A segment holds at most 30 seconds."));
      return;
    }
    this.#audio.push(pcm);
    this.#frames++;
    this.#advance();
  }

  get ended(): boolean {
    return this.#ended;
  }

  end(): void {
    if (this.#terminated || this.#ended) return;
    this.#ended = true;
    this.#audio.end();
    this.#advance();
  }

  /** A partial of everything pushed by now comes as soon as it can be had, whatever it says. Several at once are answered by one. */
  flush(): void {
    if (this.#terminated || this.#ended) return;
    this.#flushFrames = this.#frames;
    if (this.#covered.frames === this.#frames) this.#showPartial();
    else this.#advance();
  }

  cancel(): void {
    this.#terminate({ kind: "cancelled" });
  }

  fail(error: AntiphonError): void {
    this.#terminate({ kind: "error", error });
  }

  async #acquire(): Promise<void> {
    const { clock, language } = this.#options;
    const limit = deadline(
      clock,
      ACQUIRE_MS_MAX,
      () => tooLate("The recogniser did not load"),
      this.#acquiring.signal,
    );
    const acquired = this.#options.acquire();
    try {
      const recogniser = await untilAborted(acquired, limit.signal);
      this.#recogniser = recogniser;
      if (!understands(recogniser, language)) {
        throw new AntiphonError("unimplemented", "No recogniser here understands this language.", {
          details: { language },
        });
      }
      this.#advance();
    } catch (reason) {
      // One that comes after its deadline, or after the segment's end, is given back all the same.
      if (this.#recogniser === undefined) acquired.then((late) => late.release()).catch(() => {});
      this.fail(AntiphonError.from(reason));
    } finally {
      limit.dispose();
    }
  }

  /** Starts the pass that is due, if any: called whenever something has changed. */
  #advance(): void {
    const recogniser = this.#recogniser;
    if (this.#terminated || recogniser === undefined) return;
    if (this.#ended) this.#advanceFinal(recogniser);
    else if (this.#flushFrames !== undefined) this.#advanceFlush(recogniser);
    else if (this.#options.partials && this.#pass === undefined) this.#advancePartial(recogniser);
  }

  #advanceFinal(recogniser: Recogniser): void {
    const pass = this.#pass;
    if (this.#frames === 0) {
      const language = this.#options.language || (recogniser.languages[0] ?? "");
      this.#finish({ text: "", language }, 0);
    } else if (this.#covered.frames === this.#frames) {
      this.#finish(this.#believed(), this.#covered.computeMs);
    } else if (pass === undefined || pass.frames !== this.#frames || isQueuedPartial(pass)) {
      this.#run(recogniser, "final");
    }
  }

  /** A pass that computes, or waits for its turn as a flush, is waited for: were it replaced each time, none would ever come back. */
  #advanceFlush(recogniser: Recogniser): void {
    if (this.#partialFailures >= PARTIAL_FAILURES_MAX) this.#flushFrames = undefined;
    else if (!this.#pass || isQueuedPartial(this.#pass)) this.#run(recogniser, "flush");
  }

  #advancePartial(recogniser: Recogniser): void {
    if (this.#frames - this.#passedFrames < PARTIAL_EVERY_FRAMES) return;
    if (this.#partialFailures >= PARTIAL_FAILURES_MAX) return;
    this.#run(recogniser, "partial");
  }

  /** Decodes everything that has arrived, in place of a pass under way: what that would say is of no use any more; unstarted, it never runs. */
  #run(recogniser: Recogniser, kind: Pass["kind"]): void {
    this.#pass?.controller.abort();
    const controller = new AbortController();
    const pass: Pass = { kind, frames: this.#frames, begun: false, controller };
    this.#pass = pass;
    this.#passedFrames = pass.frames;
    void this.#decode(recogniser, pass);
  }

  async #decode(recogniser: Recogniser, pass: Pass): Promise<void> {
    const { clock, language } = this.#options;
    const startedMs = clock.nowMs();
    const limit = deadline(
      clock,
      PASS_MS_MAX,
      () => tooLate("The recogniser did not answer"),
      pass.controller.signal,
    );
    const samples = this.#audio.speech();
    const options: TranscribeOptions = {
      priority: pass.kind === "partial" ? "partial" : "final",
      signal: limit.signal,
      onBegun: () => {
        pass.begun = true;
      },
    };
    try {
      const result = await untilAborted(
        recogniser.process.transcribe({ samples, language }, options),
        limit.signal,
      );
      if (this.#pass !== pass) return;
      if (this.#covered.result.text !== "") this.#before = this.#covered;
      this.#covered = { frames: pass.frames, result, computeMs: clock.nowMs() - startedMs };
      this.#pass = undefined;
      if (!this.#ended) this.#showPartial();
    } catch (reason) {
      if (this.#pass !== pass) return;
      this.#pass = undefined;
      // A lost partial costs a partial: the final tries again.
      if (pass.kind === "final") this.fail(AntiphonError.from(reason));
      else this.#partialFailures++;
    } finally {
      limit.dispose();
    }
    this.#advance();
  }

  /** What the last pass said, where it is news or somebody waits for it. */
  #showPartial(): void {
    const { frames, result } = this.#covered;
    const asked = this.#flushFrames !== undefined && frames >= this.#flushFrames;
    if (asked) this.#flushFrames = undefined;
    else if (result.text === this.#partialText) return;
    this.#partialText = result.text;
    this.#options.onPartial(result, frames * FRAME_MS);
  }

  /**
   * What the last pass says, or where that found nothing, the newest before it that found words.
   *
   * Moonshine now and then ends before its first word, and a little more silence at the end is enough for it: a pass finds "Zed, Zed", and
   * the final over the same speech nothing. The words were shown, and the person's turn would be lost. A pass that heard the smaller
   * part, or was neither sure nor surer than the final, is no witness: what it took for a word may be the beginning of a cough.
   */
  #believed(): RecognitionResult {
    const { frames, result } = this.#before;
    const { confidence = 1 } = result;
    const needed = Math.min(WITNESS_CONFIDENCE_MIN, this.#covered.result.confidence ?? 1);
    const isWitness = frames * 2 >= this.#frames && confidence >= needed;
    return this.#covered.result.text === "" && isWitness ? result : this.#covered.result;
  }

  #finish(result: RecognitionResult, computeMs: number): void {
    this.#terminate({
      kind: "final",
      ...result,
      audioMs: this.#frames * FRAME_MS,
      computeMs: Math.round(computeMs),
    });
  }

  #terminate(terminal: SegmentTerminal): void {
    if (this.#terminated) return;
    this.#terminated = true;
    this.#acquiring.abort();
    const pass = this.#pass;
    this.#pass = undefined;
    pass?.controller.abort();
    this.#recogniser?.release();
    this.#audio.clear();
    this.#options.onTerminal(terminal);
  }
}

/** One decoding of everything that had arrived. */
interface Pass {
  kind: "partial" | "flush" | "final";
  frames: number;
  /** It is being computed; until then it waits for others. */
  begun: boolean;
  controller: AbortController;
}

interface Covered {
  frames: number;
  result: RecognitionResult;
  computeMs: number;
}

const NOTHING_COVERED: Covered = { frames: 0, result: { text: "", language: "" }, computeMs: 0 };

function isQueuedPartial(pass: Pass): boolean {
  return pass.kind === "partial" && !pass.begun;
}

function understands(recogniser: Recogniser, language: string): boolean {
  return (
    language === "" || recogniser.languages.some((offered) => languageMatches(language, offered))
  );
}

function tooLate(what: string): AntiphonError {
  return new AntiphonError("deadline_exceeded", `${what} in time.`);
}

/** Recognisers are trained on no more; the caller cuts sooner. */
const FRAMES_MAX = 30_000 / FRAME_MS;
/** 460 ms: about a word. Oftener would spend the core on words that are still being said. */
const PARTIAL_EVERY_FRAMES = 23;
const PARTIAL_FAILURES_MAX = 3;
/** Each token likelier than not, on the whole: below it, a guess. */
const WITNESS_CONFIDENCE_MIN = 0.5;
/** A model that is not resident is read from disk and warmed up: seconds. A download is not waited for. */
const ACQUIRE_MS_MAX = 30_000;
/** 30 s of speech take 1.5 s on one core; with a queue of others before it, still less than this. */
const PASS_MS_MAX = 15_000;
