/** What a listener hears: a reply's frames, in order, at the pace at which the sound device asks. Owns buffering, hold, clear and position; knows no socket, no clock, no device. */
import type { VoiceFrame } from "@antiphon/protocol";
import {
  CREDIT_EXTRA_MS,
  FRAME_MS,
  FRAME_SAMPLES,
  LEAD_MS,
  SAMPLE_RATE_HZ,
} from "@antiphon/protocol/limits";

/**
 * Frames go in as they arrive, `pull` takes samples out: 128 at a time in an audio worklet, 960 on a virtual clock. Time is the
 * samples pulled, so the same calls give the same sound anywhere.
 *
 * Frames of an older epoch (or lease) are dropped by comparison wherever they turn up. A hold ramps down and keeps the exact next
 * sample; a release goes on with it: each sample is played once. Nothing of this allocates once it runs.
 */
export class Playout {
  readonly #capacityFrames: number;
  readonly #prefillSamples: number;
  readonly #rampSamples: number;
  /** Ring of frames; `#slots` says whose they are. */
  readonly #samples: Int16Array;
  readonly #bytes: Uint8Array;
  readonly #slots: Slot[];
  #first = 0;
  #count = 0;
  /** Samples of the first frame that were played. */
  #offset = 0;

  #leaseEpoch = 0;
  /** Frames below it are late. */
  #floorEpoch = 0;
  /** Newest last. */
  #replies: Reply[] = [];
  /** Of the newest frame taken, to find gaps. */
  #arrived: { epoch: number; nextSeq: number } | undefined;

  /** What `report` says when nothing is buffered. */
  #played = { epoch: 0, positionSamples: 0 };
  /** The reply whose frames are being played, undefined after a clear. */
  #playingEpoch: number | undefined;
  /** Collecting a little before the sound starts. */
  #buffering = true;
  #bufferingSamples = 0;
  /** When the reply in play ran out of frames, in pulled samples: its end, or an underrun if more arrives. */
  #dryAtSample: number | undefined;
  #gain = 1;
  #lastSample = 0;

  /** The short fade of a sound whose frames are gone. */
  readonly #tail: Float32Array;
  #tailAt: number;
  #mix = new Float32Array(FRAME_SAMPLES);

  readonly #stats: PlayoutStats = {
    pulledSamples: 0,
    playedSamples: 0,
    lastSoundingSample: -1,
    underruns: 0,
    underrunSamples: 0,
    missingFrames: 0,
    repeatedFrames: 0,
    staleFrames: 0,
    overflowFrames: 0,
  };

  constructor(options: PlayoutOptions = {}) {
    this.#capacityFrames = options.capacityFrames ?? CAPACITY_FRAMES_DEFAULT;
    this.#prefillSamples = ((options.prefillMs ?? PREFILL_MS_DEFAULT) * SAMPLE_RATE_HZ) / 1000;
    this.#rampSamples = (RAMP_MS * SAMPLE_RATE_HZ) / 1000;
    this.#samples = new Int16Array(this.#capacityFrames * FRAME_SAMPLES);
    this.#bytes = new Uint8Array(this.#samples.buffer);
    this.#slots = Array.from({ length: this.#capacityFrames }, () => ({ epoch: 0, position: 0 }));
    this.#tail = new Float32Array(this.#rampSamples);
    this.#tailAt = this.#rampSamples;
  }

  /** Who speaks from now on: audio of an older lease fades and is dropped. An older or equal one changes nothing. */
  lease(leaseEpoch: number): void {
    if (leaseEpoch <= this.#leaseEpoch) return;
    this.#leaseEpoch = leaseEpoch;
    this.#dropBelow(Number.POSITIVE_INFINITY);
    this.#floorEpoch = 0;
    this.#replies = [];
    this.#arrived = undefined;
    this.#played = { epoch: 0, positionSamples: 0 };
  }

  /** A reply has this epoch: from its `reply` messages, as often as they come. */
  begin(reply: { replyId: string; epoch: number }): void {
    const newest = this.#replies.at(-1);
    if (reply.epoch < this.#floorEpoch || (newest && reply.epoch <= newest.epoch)) return;
    this.#replies.push({ ...reply, pauseSeq: 0, resumeSeq: 0 });
    if (this.#replies.length > REPLIES_MAX) this.#replies.shift();
  }

  /** Copies the frame; says what became of it. */
  accept(frame: VoiceFrame): "accepted" | "stale" | "repeated" | "overflow" {
    if (frame.leaseEpoch > this.#leaseEpoch) this.lease(frame.leaseEpoch);
    if (frame.leaseEpoch < this.#leaseEpoch || frame.epoch < this.#floorEpoch) {
      this.#stats.staleFrames++;
      return "stale";
    }
    const arrived = this.#arrived;
    if (arrived?.epoch === frame.epoch) {
      if (frame.seq < arrived.nextSeq) {
        this.#stats.repeatedFrames++;
        return "repeated";
      }
      this.#stats.missingFrames += frame.seq - arrived.nextSeq;
      arrived.nextSeq = frame.seq + 1;
    } else {
      this.#arrived = { epoch: frame.epoch, nextSeq: frame.seq + 1 };
      this.#floorEpoch = frame.epoch;
    }
    if (this.#count === this.#capacityFrames) {
      this.#stats.overflowFrames++;
      return "overflow";
    }
    const index = (this.#first + this.#count) % this.#capacityFrames;
    const slot = this.#slots[index] as Slot;
    slot.epoch = frame.epoch;
    slot.position = frame.positionSamples;
    this.#bytes.set(frame.pcm, index * FRAME_SAMPLES * 2);
    this.#count++;
    this.#noteUnderrun(frame.epoch);
    return "accepted";
  }

  /** PAUSE: held while `pauseSeq` is above the newest `resumeSeq`. For a reply that is over: no effect. */
  hold(replyId: string, pauseSeq: number): void {
    const reply = this.#replies.find((candidate) => candidate.replyId === replyId);
    if (reply !== undefined) reply.pauseSeq = Math.max(reply.pauseSeq, pauseSeq);
  }

  /** RESUME, in whatever order it comes. */
  release(replyId: string, resumeSeq: number): void {
    const reply = this.#replies.find((candidate) => candidate.replyId === replyId);
    if (reply !== undefined) reply.resumeSeq = Math.max(reply.resumeSeq, resumeSeq);
  }

  /** STOP: what sounds fades, all audio older than `epoch` is gone, now and when it arrives late. */
  clear(epoch: number): void {
    if (epoch > this.#floorEpoch) this.#floorEpoch = epoch;
    this.#replies = this.#replies.filter((reply) => reply.epoch >= epoch);
    this.#dropBelow(epoch);
    if (this.#played.epoch < epoch) this.#played = { epoch, positionSamples: 0 };
  }

  /** Fills all of `out` (silence where there is nothing to play) and returns how many samples of a reply were in it. */
  pull(out: Float32Array | Int16Array): number {
    if (this.#mix.length !== out.length) this.#mix = new Float32Array(out.length);
    const mix = this.#mix;
    mix.fill(0);
    const played = this.#play(mix);
    const tailSamples = Math.min(mix.length, this.#tail.length - this.#tailAt);
    for (let i = 0; i < tailSamples; i++) {
      mix[i] = (mix[i] ?? 0) + (this.#tail[this.#tailAt++] ?? 0);
    }
    const scale = out instanceof Float32Array ? 1 / 32768 : 1;
    for (let i = 0; i < mix.length; i++) {
      const sample = Math.max(-32768, Math.min(32767, Math.round(mix[i] ?? 0)));
      if (sample !== 0) this.#stats.lastSoundingSample = this.#stats.pulledSamples + i;
      out[i] = sample * scale;
    }
    this.#stats.pulledSamples += mix.length;
    this.#stats.playedSamples += played;
    return played;
  }

  /** Where the listener is. */
  report(): PlaybackReport {
    const slot = this.#count > 0 ? this.#slots[this.#first] : undefined;
    const epoch = slot?.epoch ?? this.#played.epoch;
    return {
      epoch,
      replyId: this.#replies.find((reply) => reply.epoch === epoch)?.replyId ?? null,
      positionSamples:
        slot === undefined ? this.#played.positionSamples : slot.position + this.#offset,
      empty: slot === undefined,
    };
  }

  /** Whether what is buffered is on hold. */
  get held(): boolean {
    const epoch = this.#slots[this.#first]?.epoch;
    return this.#count > 0 && epoch !== undefined && this.#heldEpoch(epoch);
  }

  get bufferedSamples(): number {
    return this.#count * FRAME_SAMPLES - this.#offset;
  }

  stats(): Readonly<PlayoutStats> {
    return { ...this.#stats };
  }

  #play(mix: Float32Array): number {
    let at = 0;
    let played = 0;
    while (at < mix.length && this.#count > 0) {
      const slot = this.#slots[this.#first] as Slot;
      if (slot.epoch !== this.#playingEpoch) this.#startReply(slot.epoch);
      const held = this.#heldEpoch(slot.epoch);
      if (this.#buffering) {
        if (held) this.#gain = 0;
        else at += this.#buffer(mix.length - at);
        if (this.#buffering) break;
      }
      const run = this.#playFrame(mix, at, held);
      if (run === 0) break;
      at += run;
      played += run;
      this.#played.epoch = slot.epoch;
      this.#played.positionSamples = slot.position + this.#offset;
      if (this.#offset === FRAME_SAMPLES) this.#dropFirst();
      if (this.#count === 0) {
        this.#dryAtSample = this.#stats.pulledSamples + at;
        this.#fadeLastSample(at);
      }
    }
    return played;
  }

  /** Plays from the first frame; 0 when held and silent. */
  #playFrame(mix: Float32Array, from: number, held: boolean): number {
    const base = this.#first * FRAME_SAMPLES + this.#offset;
    const run = Math.min(mix.length - from, FRAME_SAMPLES - this.#offset);
    const step = (held ? -1 : 1) / this.#rampSamples;
    let done = 0;
    for (; done < run; done++) {
      if (held && this.#gain <= 0) break;
      this.#gain = Math.max(0, Math.min(1, this.#gain + step));
      this.#lastSample = (this.#samples[base + done] ?? 0) * this.#gain;
      mix[from + done] = this.#lastSample;
    }
    this.#offset += done;
    return done;
  }

  #startReply(epoch: number): void {
    this.#playingEpoch = epoch;
    this.#buffering = true;
    this.#bufferingSamples = 0;
    this.#dryAtSample = undefined;
    this.#gain = 1;
  }

  /** Returns for how many samples more to stay silent; ends the buffering when enough is there, or was waited for. */
  #buffer(availableSamples: number): number {
    const left = this.#prefillSamples - this.#bufferingSamples;
    if (this.bufferedSamples >= this.#prefillSamples || left <= 0) {
      this.#buffering = false;
      return 0;
    }
    const silence = Math.min(left, availableSamples);
    this.#bufferingSamples += silence;
    if (silence === left) this.#buffering = false;
    return silence;
  }

  /** More of a reply that had run dry: the listener heard a hole, and a little is collected before going on. */
  #noteUnderrun(epoch: number): void {
    if (this.#dryAtSample === undefined || epoch !== this.#playingEpoch) return;
    this.#stats.underruns++;
    this.#stats.underrunSamples += this.#stats.pulledSamples - this.#dryAtSample;
    this.#dryAtSample = undefined;
    this.#buffering = true;
    this.#bufferingSamples = 0;
    this.#gain = 0;
  }

  #heldEpoch(epoch: number): boolean {
    const reply = this.#replies.find((candidate) => candidate.epoch === epoch);
    return reply !== undefined && reply.pauseSeq > reply.resumeSeq;
  }

  #dropFirst(): void {
    this.#first = (this.#first + 1) % this.#capacityFrames;
    this.#count--;
    this.#offset = 0;
  }

  #dropBelow(epoch: number): void {
    const sounding = this.#playingEpoch;
    if (sounding !== undefined && sounding < epoch) {
      if (!this.#buffering && this.#gain > 0) this.#fadeBuffered(sounding);
      this.#playingEpoch = undefined;
      this.#dryAtSample = undefined;
    }
    while (this.#count > 0 && (this.#slots[this.#first] as Slot).epoch < epoch) this.#dropFirst();
  }

  /** The next samples of this reply, falling to silence. */
  #fadeBuffered(epoch: number): void {
    this.#rewindTail();
    let index = this.#first;
    let offset = this.#offset;
    let left = this.#count;
    for (let i = 0; i < this.#tail.length && left > 0; i++) {
      if ((this.#slots[index] as Slot).epoch !== epoch) break;
      const sample = this.#samples[index * FRAME_SAMPLES + offset] ?? 0;
      this.#tail[i] =
        (this.#tail[i] ?? 0) + sample * this.#gain * (1 - (i + 1) / this.#tail.length);
      if (++offset < FRAME_SAMPLES) continue;
      offset = 0;
      index = (index + 1) % this.#capacityFrames;
      left--;
    }
  }

  /** A sound that stops between two samples clicks: its last value falls to zero instead. Starts `at` samples into this pull. */
  #fadeLastSample(at: number): void {
    if (this.#lastSample === 0) return;
    this.#rewindTail();
    for (let i = at; i < this.#tail.length + at; i++) {
      const fall = this.#lastSample * (1 - (i - at + 1) / this.#tail.length);
      if (i < this.#mix.length) this.#mix[i] = fall;
      else this.#tail[i - this.#mix.length] = (this.#tail[i - this.#mix.length] ?? 0) + fall;
    }
  }

  #rewindTail(): void {
    this.#tail.copyWithin(0, this.#tailAt);
    this.#tail.fill(0, this.#tail.length - this.#tailAt);
    this.#tailAt = 0;
  }
}

export interface PlayoutOptions {
  /** Collected before a reply sounds, and again after an underrun; waited for no longer than it lasts. */
  prefillMs?: number;
  /** A frame that does not fit is dropped and counted. */
  capacityFrames?: number;
}

export interface PlaybackReport {
  epoch: number;
  /** Null: no reply of this epoch is known. */
  replyId: string | null;
  /** Of the reply, played. */
  positionSamples: number;
  /** Nothing is buffered. */
  empty: boolean;
}

export interface PlayoutStats {
  /** The playout's own time. */
  pulledSamples: number;
  /** Of replies. */
  playedSamples: number;
  /** On the pulled samples' time: the last one that was not silence; −1 before the first. */
  lastSoundingSample: number;
  underruns: number;
  underrunSamples: number;
  /** Steps in `seq`. */
  missingFrames: number;
  repeatedFrames: number;
  staleFrames: number;
  overflowFrames: number;
}

interface Slot {
  epoch: number;
  position: number;
}

interface Reply {
  replyId: string;
  epoch: number;
  pauseSeq: number;
  resumeSeq: number;
}

/** Three frames: what a relay's timer and a browser's message queue are late by; each more adds 20 ms to every answer. */
const PREFILL_MS_DEFAULT = 60;
/** Below 5 ms a cut clicks, above 10 ms a pause is late. */
const RAMP_MS = 8;
/** What credit lets a server send ahead, twice: the second half is for a report that is late. */
const CAPACITY_FRAMES_DEFAULT = (2 * (LEAD_MS + CREDIT_EXTRA_MS)) / FRAME_MS;
/** One plays, one is announced; the rest is slack for messages that come late. */
const REPLIES_MAX = 4;
