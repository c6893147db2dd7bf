/** What a listener hears: a reply's frames, in order, at the pace at which the sound device asks. Owns buffering, hold, clear and position; knows no socket, no clock, no device. */
import type { VoiceFrame } from "@antiphon/protocol";
import {
  CREDIT_EXTRA_MS,
  FRAME_MS,
  FRAME_SAMPLES,
  LEAD_MS,
  SAMPLE_RATE_HZ,
} from "@antiphon/protocol/limits";
import { FadeTail } from "./fade-tail.ts";
import type { PlaybackReport, PlayoutStats } from "./reply-player.ts";
import { VoiceRing } from "./voice-ring.ts";

/**
 * Frames go in as they arrive, `pull` takes samples out: 128 at a time in an audio worklet, 960 on a virtual clock. Time is the
 * samples pulled, so the same calls give the same sound anywhere.
 *
 * Frames of an older epoch (or lease) are dropped by comparison wherever they turn up. A hold ramps down and keeps the exact next
 * sample; a release goes on with it: each sample is played once.
 */
export class Playout {
  readonly #prefillSamples: number;
  readonly #ring: VoiceRing;
  readonly #tail = new FadeTail(RAMP_SAMPLES);
  #mix = new Float32Array(FRAME_SAMPLES);

  #leaseEpoch = 0;
  /** Frames below it are late. */
  #floorEpoch = 0;
  /** Newest last. */
  #replies: Reply[] = [];
  /** The newest frame's, to find gaps. */
  #arrived: { epoch: number; nextSeq: number } | undefined;

  /** What `report` says when nothing is buffered. */
  #played = { epoch: 0, positionSamples: 0 };
  /** The reply whose frames are being played, undefined after a clear. */
  #playingEpoch: number | undefined;
  /** Collecting a little before the sound starts. */
  #prefilling = true;
  #prefilledSamples = 0;
  /** When the reply in play ran out of frames, in pulled samples: its end, or an underrun if more arrives. */
  #dryAtSample: number | undefined;
  /** Loudness in steps of a ramp: 0 is silent, `RAMP_SAMPLES` full. */
  #level = RAMP_SAMPLES;
  #lastSample = 0;

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
    this.#ring = new VoiceRing(options.capacityFrames ?? CAPACITY_FRAMES_DEFAULT);
    this.#prefillSamples = ((options.prefillMs ?? PREFILL_MS_DEFAULT) * SAMPLE_RATE_HZ) / 1000;
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
    const { replyId, epoch } = reply;
    this.#replies.push({ replyId, epoch, pauseSeq: 0, resumeSeq: 0 });
    if (this.#replies.length > REPLIES_MAX) this.#replies.shift();
  }

  /** Copies the frame; says what became of it. */
  accept(frame: VoiceFrame): "accepted" | "stale" | "repeated" | "overflow" {
    if (frame.leaseEpoch > this.#leaseEpoch) this.lease(frame.leaseEpoch);
    if (frame.leaseEpoch < this.#leaseEpoch || frame.epoch < this.#floorEpoch) {
      this.#stats.staleFrames++;
      return "stale";
    }
    if (!this.#noteSeq(frame)) return "repeated";
    if (this.#ring.full) {
      this.#stats.overflowFrames++;
      return "overflow";
    }
    this.#ring.push(frame);
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
    this.#floorEpoch = Math.max(this.#floorEpoch, epoch);
    this.#replies = this.#replies.filter((reply) => reply.epoch >= epoch);
    this.#dropBelow(epoch);
    if (this.#played.epoch < epoch) this.#played = { epoch, positionSamples: 0 };
  }

  /** Fills all of `out` (silence where there is nothing to play) and returns how many samples of a reply were in it. */
  pull(out: Float32Array | Int16Array): number {
    if (this.#mix.length !== out.length) this.#mix = new Float32Array(out.length);
    const mix = this.#mix;
    mix.fill(0);
    this.#tail.mixInto(mix);
    const played = this.#play(mix);
    const scale = out instanceof Float32Array ? 1 / 32768 : 1;
    for (let index = 0; index < mix.length; index++) {
      const sample = Math.max(-32768, Math.min(32767, Math.round(mix[index] ?? 0)));
      if (sample !== 0) this.#stats.lastSoundingSample = this.#stats.pulledSamples + index;
      out[index] = sample * scale;
    }
    this.#stats.pulledSamples += mix.length;
    this.#stats.playedSamples += played;
    return played;
  }

  /** Where the listener is. */
  report(): PlaybackReport {
    const next = this.#ring.epoch;
    const epoch = next ?? this.#played.epoch;
    return {
      epoch,
      replyId: this.#replyOf(epoch)?.replyId ?? null,
      positionSamples:
        next === undefined ? this.#played.positionSamples : this.#ring.positionSamples,
      empty: next === undefined,
    };
  }

  /** Whether what is buffered is on hold. */
  get held(): boolean {
    return this.#held(this.#ring.epoch);
  }

  get bufferedSamples(): number {
    return this.#ring.samples;
  }

  stats(): Readonly<PlayoutStats> {
    return { ...this.#stats };
  }

  #play(mix: Float32Array): number {
    let at = 0;
    let played = 0;
    for (let epoch = this.#ring.epoch; epoch !== undefined; epoch = this.#ring.epoch) {
      if (at === mix.length) break;
      if (epoch !== this.#playingEpoch) this.#startReply(epoch);
      const held = this.#held(epoch);
      if (this.#prefilling) {
        if (held) this.#level = 0;
        else at += this.#prefill(mix.length - at);
        if (this.#prefilling) break;
      }
      const count = this.#playFrame(mix, at, epoch, held);
      if (count === 0) break;
      at += count;
      played += count;
    }
    if (played > 0 && this.#ring.epoch === undefined) this.#runDry(mix, at);
    return played;
  }

  /** Plays from the next frame; 0 when held and silent. */
  #playFrame(mix: Float32Array, from: number, epoch: number, held: boolean): number {
    const count = Math.min(mix.length - from, this.#ring.frameSamplesLeft);
    const step = held ? -1 : 1;
    let done = 0;
    for (; done < count; done++) {
      if (held && this.#level === 0) break;
      this.#level = Math.max(0, Math.min(RAMP_SAMPLES, this.#level + step));
      this.#lastSample = (this.#ring.peek(done, epoch) * this.#level) / RAMP_SAMPLES;
      mix[from + done] = (mix[from + done] ?? 0) + this.#lastSample;
    }
    this.#played.epoch = epoch;
    this.#played.positionSamples = this.#ring.positionSamples + done;
    this.#ring.skip(done);
    return done;
  }

  #startReply(epoch: number): void {
    this.#playingEpoch = epoch;
    this.#prefilling = true;
    this.#prefilledSamples = 0;
    this.#dryAtSample = undefined;
    this.#level = RAMP_SAMPLES;
  }

  /** Returns for how many samples more to stay silent; ends the prefill when enough is there, or was waited for. */
  #prefill(availableSamples: number): number {
    const left = this.#prefillSamples - this.#prefilledSamples;
    const silence = this.#ring.samples >= this.#prefillSamples ? 0 : left;
    if (silence <= availableSamples) this.#prefilling = false;
    this.#prefilledSamples += Math.min(silence, availableSamples);
    return Math.min(silence, availableSamples);
  }

  #runDry(mix: Float32Array, at: number): void {
    this.#dryAtSample = this.#stats.pulledSamples + at;
    const last = this.#lastSample;
    if (last !== 0) this.#tail.startAt(at, mix, () => last);
  }

  /** False for a frame that came before. */
  #noteSeq(frame: VoiceFrame): boolean {
    const arrived = this.#arrived;
    if (arrived?.epoch !== frame.epoch) {
      this.#arrived = { epoch: frame.epoch, nextSeq: frame.seq + 1 };
      this.#floorEpoch = frame.epoch;
      return true;
    }
    if (frame.seq < arrived.nextSeq) {
      this.#stats.repeatedFrames++;
      return false;
    }
    this.#stats.missingFrames += frame.seq - arrived.nextSeq;
    arrived.nextSeq = frame.seq + 1;
    return true;
  }

  /** More of a reply that had run dry: the listener heard a hole, and a little is collected before going on. */
  #noteUnderrun(epoch: number): void {
    if (this.#dryAtSample === undefined || epoch !== this.#playingEpoch) return;
    this.#stats.underruns++;
    this.#stats.underrunSamples += this.#stats.pulledSamples - this.#dryAtSample;
    this.#dryAtSample = undefined;
    this.#prefilling = true;
    this.#prefilledSamples = 0;
    this.#level = 0;
  }

  #held(epoch: number | undefined): boolean {
    const reply = epoch === undefined ? undefined : this.#replyOf(epoch);
    return reply !== undefined && reply.pauseSeq > reply.resumeSeq;
  }

  #replyOf(epoch: number): Reply | undefined {
    return this.#replies.find((reply) => reply.epoch === epoch);
  }

  #dropBelow(epoch: number): void {
    const sounding = this.#playingEpoch;
    if (sounding !== undefined && sounding < epoch) {
      const gain = this.#prefilling ? 0 : this.#level / RAMP_SAMPLES;
      if (gain > 0) this.#tail.start((index) => this.#ring.peek(index, sounding) * gain);
      this.#playingEpoch = undefined;
      this.#dryAtSample = undefined;
    }
    this.#ring.dropBelow(epoch);
  }
}

export interface PlayoutOptions {
  /** Collected before a reply sounds, and again after an underrun; waited for no longer than it lasts. */
  prefillMs?: number;
  /** A frame that does not fit is dropped and counted. */
  capacityFrames?: number;
}

interface Reply {
  replyId: string;
  epoch: number;
  pauseSeq: number;
  resumeSeq: number;
}

/** Three frames: what a relay's timer and a browser's message queue are late by; each more adds 20 ms to every answer. */
const PREFILL_MS_DEFAULT = 60;
/** 8 ms: below 5 a cut clicks, above 10 a pause is late. */
const RAMP_SAMPLES = (8 * SAMPLE_RATE_HZ) / 1000;
/** What credit lets a server send ahead, twice: the second half is for a report that is late. */
const CAPACITY_FRAMES_DEFAULT = (2 * (LEAD_MS + CREDIT_EXTRA_MS)) / FRAME_MS;
/** One plays, one is announced; the rest is slack for messages that come late. */
const REPLIES_MAX = 4;
