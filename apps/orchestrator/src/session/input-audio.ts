/** The way of the person's audio to the detector: what it has in hand, what waits, what had to be dropped, and when each sample was. Hears nothing itself. */
import { Preroll, type PrerollFrame } from "@antiphon/audio";
import { FRAME_MS, FRAME_SAMPLES, INPUT_BACKLOG_MS_MAX, SAMPLE_RATE_HZ } from "@antiphon/protocol";
import type { Clock } from "@antiphon/runtime";
import type { VadStream, VadWindow, VoiceActivityDetector } from "./ports.ts";

export interface InputAudioOptions {
  clock: Clock;
  detector: VoiceActivityDetector;
  /** "samples": only samples received move time (a recording); "realtime": time goes on as silence when frames stop. */
  inputClock: "realtime" | "samples";
  /** In order; whatever it does, the next window comes after it. */
  onWindow(window: VadWindow): void;
}

/**
 * One line of frames, addressed by sample: the client's, and the silence put between them. Frames beyond what the detector has in hand
 * wait. Of the client's, past 2 s in all, the oldest is dropped and counted; silence takes none of their room, and has a bound of its own.
 * Belongs to one session.
 */
export class InputAudio {
  readonly #options: InputAudioOptions;
  readonly #vadStream: VadStream;
  readonly #preroll = new Preroll({ framesMax: PREROLL_FRAMES });
  #waiting: Array<{ frame: Int16Array; fromClient: boolean }> = [];
  #clientFramesWaiting = 0;
  #judgedSample = 0;
  #judgedMs: number;
  #takenSamples = 0;
  #droppedSamples = 0;
  #lastInputMs: number;
  /** How long nothing has come, as far as this process was there to see it. */
  #gapMs = 0;
  #tickedMs: number;
  #muted = false;
  /** When each frame came, by its place in the ring. */
  readonly #arrivedMs = new Float64Array(PREROLL_FRAMES);
  /** Samples given to the detector that were not the client's, less those of the client's that it was not given. */
  #insertedSamples = 0;
  /** The clock's reading at sample 0, as the newest real frame tells it, and until `fromSample` as it was before. */
  #origin: { ms: number; fromSample: number; beforeMs: number };

  constructor(options: InputAudioOptions) {
    this.#options = options;
    const nowMs = options.clock.nowMs();
    this.#lastInputMs = nowMs;
    this.#judgedMs = nowMs;
    this.#tickedMs = nowMs;
    this.#origin = { ms: nowMs, fromSample: 0, beforeMs: nowMs };
    this.#vadStream = options.detector.open((window) => this.#judged(window));
  }

  /** Samples of the client's that the detector was given, or that were not wanted (muted). */
  get takenSamples(): number {
    return this.#takenSamples;
  }

  /** Samples of the client's that nobody had time for. */
  get droppedSamples(): number {
    return this.#droppedSamples;
  }

  /** Position after the newest frame, judged or not. */
  get endSample(): number {
    return this.#preroll.endSample + this.#waiting.length * FRAME_SAMPLES;
  }

  /** One frame of the client's; copied. */
  push(frame: Int16Array): void {
    if (this.#muted) {
      this.#takenSamples += FRAME_SAMPLES;
      this.#insertedSamples -= FRAME_SAMPLES;
      return;
    }
    const nowMs = this.#options.clock.nowMs();
    this.#lastInputMs = nowMs;
    this.#gapMs = 0;
    this.#take(frame, true);
    this.#origin.ms = nowMs - msOf(this.endSample);
  }

  /** The client lost frames on its own side: time went on. */
  skip(frames: number): void {
    if (this.#muted) return;
    for (let frame = 0; frame < Math.min(frames, SKIP_FRAMES_MAX); frame++) {
      this.#take(SILENCE, false);
    }
  }

  /** Silence that takes no time: what follows it is heard when it was spoken. All of it is put in: its caller bounds how often. */
  addSilence(frames: number): void {
    const beforeMs = this.#origin.ms;
    for (let frame = 0; frame < frames; frame++) this.#put(SILENCE, false);
    this.#origin = { ms: beforeMs - frames * FRAME_MS, fromSample: this.endSample, beforeMs };
  }

  mute(muted: boolean): void {
    this.#muted = muted;
  }

  /**
   * Every 20 ms. Where frames stop coming while somebody `waits` for the end of a turn, time goes on as silence, so endpointing always
   * fires. The gap is filled only once it is sure to be one, and then whole: a late packet would otherwise find silence where its words belong.
   */
  tick(nowMs: number, waits: boolean): void {
    if (this.#waiting.length > 0) {
      // Nothing of what it has in hand was judged for so long: it is lost, and must not hold up what came after it.
      if (nowMs - this.#judgedMs < DETECTOR_SILENT_MS_MAX) return;
      this.#judgedMs = nowMs;
      this.#judgedSample = this.#preroll.endSample;
      this.#feedWaiting();
      return;
    }
    const sinceTickMs = nowMs - this.#tickedMs;
    this.#tickedMs = nowMs;
    if (this.#options.inputClock !== "realtime" || !waits) return;
    // While this process stood still, frames came in and wait to be read: a late tick counts as little more than one in time.
    this.#gapMs += Math.min(sinceTickMs, 2 * FRAME_MS);
    if (this.#gapMs < INPUT_GAP_MS) return;
    // After a long stall of the process only its end counts: the rest would be silence upon silence.
    this.#lastInputMs = Math.max(this.#lastInputMs, nowMs - INPUT_BACKLOG_MS_MAX);
    for (; nowMs - this.#lastInputMs >= FRAME_MS; this.#lastInputMs += FRAME_MS) {
      this.#take(SILENCE, false);
    }
  }

  /** The frames from the one that holds `sample` on, as far as they are still here. */
  from(sample: number): PrerollFrame[] {
    return this.#preroll.from(sample);
  }

  /** When the frame that ends at this sample, or holds it, came from the client (or was put in). */
  arrivedMs(endSample: number): number {
    const frame = Math.max(0, Math.ceil(endSample / FRAME_SAMPLES) - 1);
    return this.#arrivedMs[frame % PREROLL_FRAMES] ?? 0;
  }

  /** How many of the client's samples there were up to this one. */
  clientSamples(sample: number): number {
    return Math.max(0, Math.round(sample - this.#insertedSamples));
  }

  /** The clock's reading when this sample was spoken. */
  timeOf(sample: number): number {
    const { ms, fromSample, beforeMs } = this.#origin;
    return (sample < fromSample ? beforeMs : ms) + msOf(sample);
  }

  close(): void {
    this.#waiting = [];
    this.#clientFramesWaiting = 0;
    this.#vadStream.close();
  }

  /** In the order in which they came, each within the bound of its kind. */
  #take(frame: Int16Array, fromClient: boolean): void {
    if (fromClient && this.#clientFramesWaiting >= WAITING_FRAMES_MAX) this.#dropOldest();
    const silentFramesWaiting = this.#waiting.length - this.#clientFramesWaiting;
    if (!fromClient && silentFramesWaiting >= WAITING_SILENT_FRAMES_MAX) return;
    this.#put(frame, fromClient);
  }

  #put(frame: Int16Array, fromClient: boolean): void {
    if (this.#waiting.length === 0 && this.#handsFree()) {
      this.#feed(frame, fromClient);
      return;
    }
    this.#waiting.push({ frame: fromClient ? frame.slice() : frame, fromClient });
    if (fromClient) this.#clientFramesWaiting++;
  }

  #dropOldest(): void {
    const oldest = this.#waiting.findIndex(({ fromClient }) => fromClient);
    this.#waiting.splice(oldest, 1);
    this.#clientFramesWaiting--;
    this.#droppedSamples += FRAME_SAMPLES;
    this.#insertedSamples -= FRAME_SAMPLES;
  }

  #feed(frame: Int16Array, fromClient: boolean): void {
    if (fromClient) this.#takenSamples += FRAME_SAMPLES;
    else this.#insertedSamples += FRAME_SAMPLES;
    const place = (this.#preroll.endSample / FRAME_SAMPLES) % PREROLL_FRAMES;
    this.#arrivedMs[place] = this.#options.clock.nowMs();
    this.#preroll.push(frame);
    this.#vadStream.push(frame);
  }

  #feedWaiting(): void {
    while (this.#handsFree()) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      if (next.fromClient) this.#clientFramesWaiting--;
      this.#feed(next.frame, next.fromClient);
    }
  }

  #handsFree(): boolean {
    return msOf(this.#preroll.endSample - this.#judgedSample) < IN_HAND_MS_MAX;
  }

  #judged(window: VadWindow): void {
    this.#judgedSample = window.endSample;
    this.#judgedMs = this.#options.clock.nowMs();
    this.#options.onWindow(window);
    this.#feedWaiting();
  }
}

function msOf(samples: number): number {
  return (samples * 1000) / SAMPLE_RATE_HZ;
}

const SILENCE = new Int16Array(FRAME_SAMPLES);

/** Lead-in, the three windows that make a start, and half a second of detector lateness, with room. */
const PREROLL_FRAMES = 100;
/** The detector works in batches each 4 ms: what it has in hand is far below this unless the machine stalls. */
const IN_HAND_MS_MAX = 500;
/** Of the client's. */
const WAITING_FRAMES_MAX = (INPUT_BACKLOG_MS_MAX - IN_HAND_MS_MAX) / FRAME_MS;
/** Silence that has not been judged for so long ends every turn already: more would only be judged in place of words. */
const WAITING_SILENT_FRAMES_MAX = INPUT_BACKLOG_MS_MAX / FRAME_MS;
/** A detector's thread that died is loaded again in a fifth of a second; longer than any stall one can still talk through. */
const DETECTOR_SILENT_MS_MAX = 3_000;
/**
 * Beyond it a live input has stopped. Networks and busy machines delay frames by a few hundred milliseconds and then deliver them all:
 * silence put in their place would tear a word apart. A turn ends after half a second of silence at least, so waiting this long delays no answer.
 */
const INPUT_GAP_MS = 400;
/** A second lost on the client's side is told as it was; more says that the client slept. */
const SKIP_FRAMES_MAX = 50;
