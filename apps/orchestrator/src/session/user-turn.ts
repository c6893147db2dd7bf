/** The person's turns: from microphone frames to words. Owns endpointing and the order of turns; does not decide what a turn or an interruption leads to. */
import { createVad, type Vad } from "@antiphon/audio";
import { AntiphonError, SAMPLE_RATE_HZ } from "@antiphon/protocol";
import type { Clock } from "@antiphon/runtime";
import { InputAudio } from "./input-audio.ts";
import type { TranscriptionStream, VadWindow, VoiceActivityDetector } from "./ports.ts";
import { type SpeechPart, SpeechSegments } from "./speech-segments.ts";

export interface UserTurnOptions {
  clock: Clock;
  detector: VoiceActivityDetector;
  transcription: TranscriptionStream;
  endpointing: "auto" | "manual";
  /** Silence after speech that ends a turn. */
  endpointingDelayMs: number;
  /** "samples": only samples received move time (a recording); "realtime": time goes on as silence when frames stop. */
  inputClock: "realtime" | "samples";
  onSpeechStarted(): void;
  onSpeechEnded(): void;
  /** What the turn says so far, and up to which sample of the input; again after each `flush`. */
  onPartial(text: string, endSample: number): void;
  /**
   * Each window of the detector, before anything is made of it. Returns the probability that counts: the machine's own voice, come back
   * through the room, is nobody's speech.
   */
  onWindow(window: VadWindow): number;
  onTurnEnded(turn: FinishedTurn): void;
  /** A segment has no words: its recogniser failed. The turn goes on with the others. */
  onError(reason: unknown): void;
  /** One of these callbacks threw. */
  onFault(reason: unknown): void;
}

export interface FinishedTurn {
  /** "" where nothing was said. */
  text: string;
  /** It was `input_commit` that ended it. */
  committed: boolean;
  /** Injected clock; undefined where nothing was said. */
  endOfSpeechMs: number | undefined;
  /** End of speech → the turn was declared over. */
  endpointingMs: number;
  /** Turn over → last final transcript. */
  transcriptionMs: number;
}

/**
 * Cuts the input into speech segments, has each transcribed while it is spoken, and joins the texts of one turn.
 *
 * Time is counted in samples that the detector has judged, so a recording sent at any pace is cut alike. Turns end in order, each once
 * its last transcript is there; meanwhile the next may be spoken.
 */
export class UserTurn {
  readonly #options: UserTurnOptions;
  readonly #audio: InputAudio;
  readonly #vad: Vad = createVad();
  readonly #segments: SpeechSegments;
  /** Segments of the turn under way that are complete, in order; texts arrive when they may. */
  #parts: SpeechPart[] = [];
  #spokenUntilSample = 0;
  /** Turns that are over and wait for their last transcript, oldest first. */
  readonly #closings: Closing[] = [];
  /** Positions at which `input_commit` came, and which are not judged yet. */
  readonly #commitSamples: number[] = [];
  #closed = false;

  constructor(options: UserTurnOptions) {
    this.#options = options;
    this.#audio = new InputAudio({
      clock: options.clock,
      detector: options.detector,
      inputClock: options.inputClock,
      onWindow: (window) => {
        try {
          this.#judge(window);
        } catch (reason) {
          options.onFault(reason);
        }
      },
    });
    this.#segments = new SpeechSegments({
      audio: this.#audio,
      transcription: options.transcription,
      onPartial: () => this.#reportPartial(),
      onFinal: (part) => {
        if (this.#parts.includes(part)) this.#reportPartial();
        this.#settle();
      },
      onError: options.onError,
      onFault: options.onFault,
    });
  }

  /** Samples of the client's that were taken in so far. */
  get takenSamples(): number {
    return this.#audio.takenSamples;
  }

  get droppedSamples(): number {
    return this.#audio.droppedSamples;
  }

  /** Recordings come as fast as they are acknowledged: hold back while transcripts are owed. A microphone cannot wait. */
  get backlogged(): boolean {
    return (
      this.#options.inputClock === "samples" && this.#segments.pendingFinals > PENDING_FINALS_MAX
    );
  }

  get userSpeaking(): boolean {
    return this.#vad.speaking;
  }

  /** Something was said, or is being said, in a turn that is not over. */
  get open(): boolean {
    return this.#segments.underWay || this.#parts.length > 0 || this.#commitSamples.length > 0;
  }

  /** Position after the newest frame that the detector was given. */
  get endSample(): number {
    return this.#audio.endSample;
  }

  /** One frame of the microphone; copied. */
  push(frame: Int16Array): void {
    if (!this.#closed) this.#audio.push(frame);
  }

  /** The client lost audio on its own side: time went on. */
  skip(frames: number): void {
    if (!this.#closed) this.#audio.skip(frames);
  }

  /** Somebody waits for the words so far. */
  flush(): void {
    this.#segments.flush();
  }

  arrivedMs(endSample: number): number {
    return this.#audio.arrivedMs(endSample);
  }

  clientSamples(sample: number): number {
    return this.#audio.clientSamples(sample);
  }

  /** The clock's reading when this sample was spoken. */
  timeOf(sample: number): number {
    return this.#audio.timeOf(sample);
  }

  mute(muted: boolean): void {
    this.#audio.mute(muted);
  }

  /** The person is done: ends the turn as soon as what was sent has been judged. Each is answered by one turn that is `committed`. */
  commit(): void {
    if (this.#closed) return;
    const owed = this.#closings.filter((closing) => closing.committed).length;
    if (this.#commitSamples.length + owed >= COMMITS_MAX) {
      throw new AntiphonError(
        "overloaded",
        "Too many input_commit at once; await input_committed.",
        {
          details: { retryAfterMs: 1_000 },
        },
      );
    }
    this.#commitSamples.push(this.#audio.endSample);
    // Silence closes the segment in the detector's own way, at no cost in time.
    this.#audio.addSilence(COMMIT_SILENCE_FRAMES);
  }

  /** Every 20 ms. */
  tick(nowMs: number): void {
    if (!this.#closed) this.#audio.tick(nowMs, this.open);
  }

  close(): void {
    this.#closed = true;
    this.#audio.close();
    this.#segments.close();
  }

  #judge(window: VadWindow): void {
    if (this.#closed) return;
    const probability = this.#options.onWindow(window);
    for (const event of this.#vad.push({ endSample: window.endSample, probability })) {
      if (event.kind === "speech-started") this.#speechStarted(event.atSample);
      else this.#speechEnded(event.atSample);
    }
    this.#forward();
    this.#endpoint(window.endSample);
  }

  #speechStarted(atSample: number): void {
    // Speech before the transcript of a turn that only silence had ended: the turn goes on.
    if (this.#closings.at(-1)?.committed === false) {
      this.#parts = this.#closings.pop()?.parts ?? [];
    }
    this.#segments.begin(atSample);
    this.#options.onSpeechStarted();
  }

  #forward(): void {
    const cut = this.#segments.forward(this.#vad.lastSpeechSample ?? 0);
    if (cut === undefined) return;
    this.#parts.push(cut);
    if (this.#tooLong()) this.#endTurn(false);
  }

  #speechEnded(atSample: number): void {
    this.#forward();
    this.#spokenUntilSample = atSample;
    const part = this.#segments.end();
    if (part !== undefined) this.#parts.push(part);
    this.#options.onSpeechEnded();
  }

  /** Declares the turn over: by silence, or by a commit once everything before it was judged. */
  #endpoint(endSample: number): void {
    if (this.#segments.underWay) return;
    for (;;) {
      const commitSample = this.#commitSamples[0];
      if (commitSample === undefined || endSample < commitSample + samplesOf(COMMIT_JUDGED_MS))
        break;
      this.#commitSamples.shift();
      const last = this.#closings.at(-1);
      // The turn that silence ended a moment ago is the one that was meant.
      if (this.#parts.length === 0 && last?.committed === false) last.committed = true;
      else this.#endTurn(true);
    }
    if (this.#parts.length === 0) return;
    const silent = endSample - this.#spokenUntilSample;
    // A sound that may yet turn out to be speech is waited for; one that did not is silence like any other.
    const undecided = endSample - (this.#vad.lastSpeechSample ?? 0) < samplesOf(CANDIDATE_MS_MAX);
    const silentLongEnough =
      this.#options.endpointing === "auto" &&
      silent >= samplesOf(this.#options.endpointingDelayMs) &&
      !undecided;
    if (silentLongEnough || this.#tooLong()) this.#endTurn(false);
  }

  #tooLong(): boolean {
    return textOf(this.#parts).length > TURN_CHARS_MAX;
  }

  #endTurn(committed: boolean): void {
    const spoken = this.#parts.length > 0;
    this.#closings.push({
      parts: this.#parts,
      committed,
      overMs: this.#options.clock.nowMs(),
      endOfSpeechMs: spoken ? this.#audio.timeOf(this.#spokenUntilSample) : undefined,
    });
    this.#parts = [];
    this.#settle();
  }

  #settle(): void {
    for (
      let closing = this.#closings[0];
      closing?.parts.every((part) => part.text !== undefined);
      closing = this.#closings[0]
    ) {
      this.#closings.shift();
      const { parts, committed, overMs, endOfSpeechMs } = closing;
      this.#options.onTurnEnded({
        text: closed(textOf(parts)),
        committed,
        endOfSpeechMs,
        endpointingMs: Math.max(0, overMs - (endOfSpeechMs ?? overMs)),
        transcriptionMs: this.#options.clock.nowMs() - overMs,
      });
    }
  }

  /** Held back while the turn before has no text yet: a client shows one turn at a time. */
  #reportPartial(): void {
    if (this.#closings.length > 0) return;
    this.#options.onPartial(
      textOf([...this.#parts, { text: this.#segments.partial }]),
      this.#segments.partialEndSample,
    );
  }
}

interface Closing {
  parts: SpeechPart[];
  committed: boolean;
  overMs: number;
  endOfSpeechMs: number | undefined;
}

function textOf(parts: readonly SpeechPart[]): string {
  return parts
    .map((part) => part.text ?? "")
    .filter((text) => text !== "")
    .join(" ");
}

/** Recognisers end a segment in mid-sentence with a comma; when the turn is over, so is the sentence. */
function closed(text: string): string {
  return text.replace(/[,;:]+$/u, ".");
}

function samplesOf(ms: number): number {
  return (ms * SAMPLE_RATE_HZ) / 1000;
}

/** Three windows of the detector make speech. */
const CANDIDATE_MS_MAX = 96;
/**
 * Longer than the silence that ends a segment by twice the three windows that the detector is behind: on recordings that were cut in
 * mid-word the end came 336 ms after the cut at the latest.
 */
const COMMIT_SILENCE_FRAMES = 30;
const COMMIT_JUDGED_MS = 290;
/** Nobody lets go of a button this often within the time of one transcript. */
const COMMITS_MAX = 8;
const PENDING_FINALS_MAX = 3;
/** Half an hour of speech without a pause or a commit: it has to be answered some time, and each message holds all of it. */
const TURN_CHARS_MAX = 24_000;
