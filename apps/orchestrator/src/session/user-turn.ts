/** The person's turns: from microphone frames to words. Owns speech segments and endpointing; does not decide what a turn or an interruption leads to. */
import { createVad, Preroll, type Vad } from "@antiphon/audio";
import { FRAME_MS, FRAME_SAMPLES, INPUT_BACKLOG_MS_MAX, SAMPLE_RATE_HZ } from "@antiphon/protocol";
import type { Clock } from "@antiphon/runtime";
import type {
  TranscriptionSegment,
  TranscriptionStream,
  VadStream,
  VadWindow,
  VoiceActivityDetector,
} from "./ports.ts";

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
  onPartial(text: string): void;
  onTurnEnded(turn: FinishedTurn): void;
  onError(reason: unknown): void;
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
 * Time is counted in samples that the detector has judged, so a recording sent at any pace is cut alike. Frames
 * beyond what the detector has in hand wait in a queue of 2 s; past that the oldest is dropped and counted.
 */
export class UserTurn {
  readonly #options: UserTurnOptions;
  readonly #vadStream: VadStream;
  readonly #vad: Vad = createVad();
  readonly #preroll = new Preroll({ framesMax: PREROLL_FRAMES });
  #waiting: Int16Array[] = [];
  #judgedSample = 0;
  #inputSamples = 0;
  #droppedSamples = 0;
  #lastInputMs: number;
  #muted = false;
  /** The clock's reading at sample 0, as the newest real frame tells it. */
  #originMs: number;
  #segment:
    | { port: TranscriptionSegment; partial: string; forwardedSample: number; startSample: number }
    | undefined;
  /** Segments of the turn that are complete, in order; texts arrive when they may. */
  #finished: Array<{ text: string | undefined }> = [];
  #pendingFinals = 0;
  /** The turn was declared over and waits for its last transcript. */
  #closing: { committed: boolean; overMs: number; endOfSpeechMs: number | undefined } | undefined;
  /** Position at which `input_commit` came. */
  #commitSample: number | undefined;
  #endOfSpeechMs: number | undefined;
  #closed = false;

  constructor(options: UserTurnOptions) {
    this.#options = options;
    this.#vadStream = options.detector.open((window) => this.#judge(window));
    this.#lastInputMs = options.clock.nowMs();
    this.#originMs = this.#lastInputMs;
  }

  /** Samples of the client's that were taken in so far: what may be acknowledged. */
  get acknowledgedSamples(): number {
    return this.#inputSamples - this.#waiting.length * FRAME_SAMPLES;
  }

  get droppedSamples(): number {
    return this.#droppedSamples;
  }

  /** Recordings come as fast as they are acknowledged: hold back while transcripts are owed. */
  get backlogged(): boolean {
    return this.#pendingFinals > PENDING_FINALS_MAX;
  }

  get userSpeaking(): boolean {
    return this.#vad.speaking;
  }

  /** Something was said, or is being said, that no `onTurnEnded` has covered yet. */
  get open(): boolean {
    return (
      this.#segment !== undefined || this.#finished.length > 0 || this.#commitSample !== undefined
    );
  }

  /** One frame of the microphone; copied. */
  push(frame: Int16Array): void {
    if (this.#closed) return;
    this.#inputSamples += FRAME_SAMPLES;
    if (this.#muted) return;
    const nowMs = this.#options.clock.nowMs();
    this.#lastInputMs = nowMs;
    this.#take(frame);
    // The silence that a commit adds takes no time: until it is through, the old reading holds.
    if (this.#commitSample === undefined) {
      this.#originMs = nowMs - (this.#preroll.endSample * 1000) / SAMPLE_RATE_HZ;
    }
  }

  /** The client lost audio on its own side: time went on. */
  skip(frames: number): void {
    for (let frame = 0; frame < Math.min(frames, SKIP_FRAMES_MAX); frame++) this.push(SILENCE);
    this.#inputSamples += Math.max(0, frames - SKIP_FRAMES_MAX) * FRAME_SAMPLES;
  }

  mute(muted: boolean): void {
    this.#muted = muted;
  }

  /** The person is done: ends the turn as soon as what was sent has been judged. */
  commit(): void {
    if (this.#closed || this.#commitSample !== undefined) return;
    this.#commitSample = this.#queuedEndSample();
    // Silence closes the segment in the detector's own way, at no cost in time.
    for (let frame = 0; frame < COMMIT_SILENCE_FRAMES; frame++) this.#take(SILENCE);
  }

  /**
   * Every 20 ms: where frames stop coming in mid-turn, time goes on as silence, so endpointing always fires. The gap is filled only
   * once it is sure to be one, and then whole: a late packet would otherwise find silence where its words belong.
   */
  tick(nowMs: number): void {
    if (this.#options.inputClock !== "realtime" || !this.open || this.#closed) return;
    if (nowMs - this.#lastInputMs < INPUT_GAP_MS) return;
    // After a long stall of the process only its end counts: the rest would be silence upon silence.
    this.#lastInputMs = Math.max(this.#lastInputMs, nowMs - INPUT_BACKLOG_MS_MAX);
    for (; nowMs - this.#lastInputMs >= FRAME_MS; this.#lastInputMs += FRAME_MS)
      this.#take(SILENCE);
  }

  close(): void {
    this.#closed = true;
    this.#segment?.port.cancel();
    this.#segment = undefined;
    this.#vadStream.close();
    this.#options.transcription.close();
  }

  #queuedEndSample(): number {
    return this.#preroll.endSample + this.#waiting.length * FRAME_SAMPLES;
  }

  #take(frame: Int16Array): void {
    if (this.#waiting.length === 0 && this.#inHandMs() < IN_HAND_MS_MAX) {
      this.#feed(frame);
      return;
    }
    if (this.#waiting.length >= WAITING_FRAMES_MAX) {
      this.#waiting.shift();
      this.#droppedSamples += FRAME_SAMPLES;
    }
    this.#waiting.push(frame.slice());
  }

  #inHandMs(): number {
    return ((this.#preroll.endSample - this.#judgedSample) * 1000) / SAMPLE_RATE_HZ;
  }

  #feed(frame: Int16Array): void {
    this.#preroll.push(frame);
    this.#vadStream.push(frame);
  }

  #judge(window: VadWindow): void {
    if (this.#closed) return;
    this.#judgedSample = window.endSample;
    for (const event of this.#vad.push(window)) {
      if (event.kind === "speech-started") this.#beginSegment(event.atSample, true);
      else this.#endSegment();
    }
    this.#forward();
    this.#splitLongSegment();
    this.#endpoint(window.endSample);
    while (this.#waiting.length > 0 && this.#inHandMs() < IN_HAND_MS_MAX) {
      const next = this.#waiting.shift();
      if (next !== undefined) this.#feed(next);
    }
  }

  #beginSegment(atSample: number, newSpeech: boolean): void {
    // Speech before the transcript of a turn that was over: the turn goes on.
    this.#closing = undefined;
    const startSample = newSpeech ? Math.max(0, atSample - samplesOf(LEAD_IN_MS)) : atSample;
    const segment = {
      partial: "",
      forwardedSample: startSample,
      startSample,
      port: this.#options.transcription.begin((text) => {
        if (this.#segment !== segment) return;
        segment.partial = text;
        this.#options.onPartial(this.#textSoFar());
      }),
    };
    this.#segment = segment;
    if (newSpeech) this.#options.onSpeechStarted();
  }

  /** Sends what the detector has shown to be speech, and a short tail; the rest waits for its judgement in the ring. */
  #forward(): void {
    const segment = this.#segment;
    if (segment === undefined) return;
    const untilSample = (this.#vad.lastSpeechSample ?? 0) + samplesOf(TAIL_MS);
    for (const frame of this.#preroll.from(segment.forwardedSample)) {
      if (frame.startSample + FRAME_SAMPLES > untilSample) break;
      segment.port.push(bytesOf(frame.samples));
      segment.forwardedSample = frame.startSample + FRAME_SAMPLES;
    }
  }

  #endSegment(): void {
    this.#forward();
    const segment = this.#segment;
    if (segment === undefined) return;
    this.#segment = undefined;
    const spokenUntil = this.#vad.lastSpeechSample ?? this.#judgedSample;
    this.#endOfSpeechMs = this.#originMs + (spokenUntil * 1000) / SAMPLE_RATE_HZ;
    this.#finish(segment.port);
    if (!this.#vad.speaking) this.#options.onSpeechEnded();
  }

  /** Recognisers take a bounded segment; endless speech is cut where it stands. */
  #splitLongSegment(): void {
    const segment = this.#segment;
    if (segment === undefined) return;
    if (segment.forwardedSample - segment.startSample < samplesOf(SEGMENT_MS_MAX)) return;
    this.#segment = undefined;
    this.#finish(segment.port);
    this.#beginSegment(segment.forwardedSample, false);
  }

  #finish(port: TranscriptionSegment): void {
    const finished: { text: string | undefined } = { text: undefined };
    this.#finished.push(finished);
    this.#pendingFinals++;
    port
      .finish()
      .then(
        (final) => {
          finished.text = final.text.trim();
        },
        (reason: unknown) => {
          finished.text = "";
          if (!this.#closed) this.#options.onError(reason);
        },
      )
      .finally(() => {
        this.#pendingFinals--;
        if (this.#closed) return;
        if (this.#closing === undefined && finished.text !== "") {
          this.#options.onPartial(this.#textSoFar());
        }
        this.#settle();
      });
  }

  /** Declares the turn over: by silence, or by the commit once everything before it was judged. */
  #endpoint(endSample: number): void {
    if (this.#vad.speaking || this.#segment !== undefined || this.#closing !== undefined) return;
    const committed =
      this.#commitSample !== undefined &&
      endSample >= this.#commitSample + samplesOf(COMMIT_JUDGED_MS);
    const silentMs = ((endSample - (this.#vad.lastSpeechSample ?? 0)) * 1000) / SAMPLE_RATE_HZ;
    const silentLongEnough =
      this.#options.endpointing === "auto" &&
      this.#finished.length > 0 &&
      silentMs >= this.#options.endpointingDelayMs;
    if (!committed && !silentLongEnough) return;
    this.#closing = {
      committed,
      overMs: this.#options.clock.nowMs(),
      endOfSpeechMs: this.#finished.length > 0 ? this.#endOfSpeechMs : undefined,
    };
    this.#settle();
  }

  #settle(): void {
    const closing = this.#closing;
    if (closing === undefined || this.#finished.some((each) => each.text === undefined)) return;
    const text = this.#textSoFar();
    this.#closing = undefined;
    this.#finished = [];
    if (closing.committed) this.#commitSample = undefined;
    this.#options.onTurnEnded({
      text,
      committed: closing.committed,
      endOfSpeechMs: closing.endOfSpeechMs,
      endpointingMs: Math.max(0, closing.overMs - (closing.endOfSpeechMs ?? closing.overMs)),
      transcriptionMs: this.#options.clock.nowMs() - closing.overMs,
    });
  }

  #textSoFar(): string {
    return [...this.#finished.map((each) => each.text ?? ""), this.#segment?.partial ?? ""]
      .filter((text) => text !== "")
      .join(" ");
  }
}

function samplesOf(ms: number): number {
  return (ms * SAMPLE_RATE_HZ) / 1000;
}

function bytesOf(samples: Int16Array): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
}

const SILENCE = new Int16Array(FRAME_SAMPLES);

/** Enough for the first sound of a word; more brings in silence, which recognisers answer with nothing. */
const LEAD_IN_MS = 250;
/** A final consonant is quieter than the detector's threshold. */
const TAIL_MS = 150;
/** Lead-in, the three windows that make a start, and half a second of detector lateness, with room. */
const PREROLL_FRAMES = 100;
/** Recognition of a segment grows with its length; a breath comes sooner in nearly all speech. */
const SEGMENT_MS_MAX = 15_000;
/** The detector works in batches each 10 ms: what it has in hand is far below this unless the machine stalls. */
const IN_HAND_MS_MAX = 500;
const WAITING_FRAMES_MAX = (INPUT_BACKLOG_MS_MAX - IN_HAND_MS_MAX) / FRAME_MS;
/**
 * Beyond it a live input has stopped. Networks and busy machines delay frames by 100 ms and more and then deliver them all; the least
 * silence that means anything is the 250 ms that end a segment, so waiting this long delays no decision.
 */
const INPUT_GAP_MS = 200;
/** Longer than the silence that ends a segment, by the three windows that the detector may be behind. */
const COMMIT_SILENCE_FRAMES = 20;
const COMMIT_JUDGED_MS = 290;
/** A second lost on the client's side is told as it was; more says that the client slept. */
const SKIP_FRAMES_MAX = 50;
const PENDING_FINALS_MAX = 3;
