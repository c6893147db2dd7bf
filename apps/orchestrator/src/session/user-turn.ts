/** The person's turns: from microphone frames to words. Owns the way of the audio; which speech makes one turn is `turn-cutter.ts`'s decision, and what a turn or an interruption leads to is the session's. */
import { createVad, type Vad } from "@antiphon/audio";
import { SAMPLE_RATE_HZ } from "@antiphon/protocol";
import type { Clock } from "@antiphon/runtime";
import type { EndpointingOptions } from "./endpointing.ts";
import { InputAudio } from "./input-audio.ts";
import type { TranscriptionStream, VadWindow, VoiceActivityDetector } from "./ports.ts";
import { SpeechSegments } from "./speech-segments.ts";
import { type PausedTurn, TurnCutter } from "./turn-cutter.ts";
import type { FinishedTurn } from "./waiting-turns.ts";

export interface UserTurnOptions {
  clock: Clock;
  detector: VoiceActivityDetector;
  transcription: TranscriptionStream;
  endpointing: EndpointingOptions;
  /** "samples": only samples received move time (a recording); "realtime": time goes on as silence when frames stop. */
  inputClock: "realtime" | "samples";
  onSpeechStarted(): void;
  onSpeechEnded(): void;
  /** What the turn says so far, up to which sample of the input, and how sure its newest words are; again after each `flush`. */
  onPartial(text: string, endSample: number, confidence: number): void;
  /**
   * Each window of the detector, before anything is made of it. Returns the probability that counts: the machine's own voice, come back
   * through the room, is nobody's speech.
   */
  onWindow(window: VadWindow): number;
  /** See `TurnCutterOptions`. */
  onPause(paused: PausedTurn | undefined): void;
  onTurnEnded(turn: FinishedTurn): void;
  /** A segment has no words: its recogniser failed. The turn goes on with the others. */
  onError(reason: unknown): void;
  /** One of these callbacks threw. */
  onFault(reason: unknown): void;
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
  readonly #turns: TurnCutter;
  #spokenUntilSample = 0;
  /** The sound under way was waited for long enough: until it ends, it is nobody's who speaks. */
  #unheeded = false;
  /** Positions at which `input_commit` came, and which are not judged yet. */
  readonly #commitSamples: number[] = [];
  #closed = false;

  constructor(options: UserTurnOptions) {
    this.#options = options;
    this.#turns = new TurnCutter(options);
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
      onFinal: () => {
        this.#reportPartial();
        this.#turns.wordsCame(this.#segments.underWay);
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
    return this.#vad.speaking && !this.#unheeded;
  }

  /** Something was said, or is being said, in a turn that is not over. */
  get open(): boolean {
    return this.#segments.underWay || this.#turns.open;
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
    this.#turns.expectCommit();
    this.#commitSamples.push(this.#audio.endSample);
    // Silence closes the segment in the detector's own way, at no cost in time.
    this.#audio.addSilence(COMMIT_SILENCE_FRAMES);
  }

  /**
   * Ends the open turn where it stands: its sound is waited for no longer, and until that ends nobody counts as speaking. What is said in it
   * from here on is the next turn's.
   */
  endTurn(): void {
    if (this.#closed) return;
    this.#unheeded = this.#vad.speaking;
    this.#turns.speechEnded(this.#audio.timeOf(this.#vad.lastSpeechSample ?? 0));
    const part = this.#segments.cut();
    if (part !== undefined) this.#turns.add(part);
    this.#turns.end();
    this.#options.onSpeechEnded();
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
    this.#unheeded = false;
    this.#turns.speechStarted();
    this.#segments.begin(atSample);
    this.#options.onSpeechStarted();
  }

  #forward(): void {
    const cut = this.#segments.forward(this.#vad.lastSpeechSample ?? 0);
    if (cut !== undefined) this.#turns.add(cut);
  }

  #speechEnded(atSample: number): void {
    this.#forward();
    this.#unheeded = false;
    this.#spokenUntilSample = atSample;
    this.#turns.speechEnded(this.#audio.timeOf(atSample));
    const part = this.#segments.end();
    if (part !== undefined) this.#turns.add(part);
    this.#options.onSpeechEnded();
  }

  /** Tells of commits once everything before them was judged, and of silence. */
  #endpoint(endSample: number): void {
    if (this.#segments.underWay) return;
    for (;;) {
      const commitSample = this.#commitSamples[0];
      if (commitSample === undefined || endSample < commitSample + samplesOf(COMMIT_JUDGED_MS))
        break;
      this.#commitSamples.shift();
      this.#turns.commit();
    }
    // A sound that may yet turn out to be speech is waited for; one that did not is silence like any other.
    const undecided = endSample - (this.#vad.lastSpeechSample ?? 0) < samplesOf(CANDIDATE_MS_MAX);
    if (!undecided) this.#turns.silence(msOf(endSample - this.#spokenUntilSample));
  }

  /** Held back while the turn before has no text yet: a client shows one turn at a time. */
  #reportPartial(): void {
    if (this.#turns.waiting) return;
    this.#options.onPartial(
      this.#turns.textWith(this.#segments.partial),
      this.#segments.partialEndSample,
      this.#segments.confidence,
    );
  }
}

function samplesOf(ms: number): number {
  return (ms * SAMPLE_RATE_HZ) / 1000;
}

function msOf(samples: number): number {
  return (samples * 1000) / SAMPLE_RATE_HZ;
}

/** Three windows of the detector make speech. */
const CANDIDATE_MS_MAX = 96;
/**
 * Longer than the silence that ends a segment by twice the three windows that the detector is behind: on recordings that were cut in
 * mid-word the end came 336 ms after the cut at the latest.
 */
const COMMIT_SILENCE_FRAMES = 30;
const COMMIT_JUDGED_MS = 290;
const PENDING_FINALS_MAX = 3;
