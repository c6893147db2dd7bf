/** Listens at the loudspeaker, sample by sample: knows what arrived and what was ordered, and demands that each sample be the next one of its reply. Trusts no report. */
import { CREDIT_EXTRA_MS, FRAME_MS, FRAME_SAMPLES, LEAD_MS } from "@antiphon/protocol";
import type { Verdict } from "./verdict.ts";
import { voiceSample } from "./voice-code.ts";

/**
 * The commands reach it when they reach the player, so it knows in which direction loudness may move. A ramp is 8 ms long (384
 * samples); what fades after a cut is known, too, and subtracted.
 */
export class Ear {
  readonly #verdict: Verdict;
  /** The server knows what was played, and sends no more than can be held. */
  readonly #credited: boolean;
  readonly #replies: HeardReply[] = [];
  /** The one that sounds, or sounded last. */
  #now: HeardReply | undefined;
  #floorEpoch = 0;
  #level = RAMP_SAMPLES;
  /** A fade of what was cut off, by sample from now. */
  #tail = new Float64Array(RAMP_SAMPLES);
  #tailAt = RAMP_SAMPLES;
  #last = 0;
  #heardSamples = 0;
  #unknownUntilSample = 0;
  #dry = false;

  constructor(verdict: Verdict, credited: boolean) {
    this.#verdict = verdict;
    this.#credited = credited;
  }

  /** Samples of this epoch's reply that sounded. */
  played(epoch: number): number {
    return this.#of(epoch)?.played ?? 0;
  }

  /** Somebody lied to the server about this reply: more is sent than its listener can hold. */
  distrust(epoch: number): void {
    const reply = this.#of(epoch);
    if (reply !== undefined) reply.distrusted = true;
  }

  /** What is known of this reply's samples can be relied on. */
  trusts(epoch: number): boolean {
    return this.#of(epoch)?.distrusted !== true;
  }

  begin(epoch: number, replyId: string): void {
    if (epoch >= this.#floorEpoch && this.#of(epoch) === undefined) {
      this.#replies.push({
        epoch,
        replyId,
        serials: [],
        played: 0,
        pauseSeq: 0,
        resumeSeq: 0,
        distrusted: false,
      });
    }
  }

  accept(epoch: number, serial: number): void {
    if (epoch < this.#floorEpoch) return;
    this.begin(epoch, "");
    const reply = this.#of(epoch);
    if (reply === undefined) return;
    if (this.#waitingFrames >= CAPACITY_FRAMES) {
      // The player drops what does not fit; only one that reports is spared that.
      this.#verdict.demand(
        !this.#credited || reply.distrusted,
        "bound",
        () => `a frame of ${reply.replyId} does not fit into the player`,
      );
      reply.distrusted = true;
      return;
    }
    reply.serials.push(serial);
    // The listener heard a hole: what follows it rises from silence.
    if (this.#dry && reply === this.#now) this.#level = 0;
    if (reply === this.#now) this.#dry = false;
  }

  hold(replyId: string, pauseSeq: number): void {
    const reply = this.#replies.find((each) => each.replyId === replyId);
    if (reply !== undefined) reply.pauseSeq = Math.max(reply.pauseSeq, pauseSeq);
  }

  release(replyId: string, resumeSeq: number): void {
    const reply = this.#replies.find((each) => each.replyId === replyId);
    if (reply !== undefined) reply.resumeSeq = Math.max(reply.resumeSeq, resumeSeq);
  }

  /** From now on nothing older may begin to sound; what sounds may fade. */
  clear(epoch: number): void {
    const reply = this.#now;
    if (reply !== undefined && reply.epoch < epoch && !this.#dry && this.#sounding) {
      const gain = this.#level / RAMP_SAMPLES;
      this.#fade((index) => this.#sampleAt(reply, reply.played + index) * gain);
    }
    this.#floorEpoch = Math.max(this.#floorEpoch, epoch);
    if (reply === undefined || reply.epoch >= epoch) return;
    if (reply.distrusted) this.#unknownUntilSample = this.#heardSamples + RAMP_SAMPLES;
    this.#now = undefined;
  }

  /** What left for the loudspeaker. `scale` makes it 16-bit again. */
  hear(block: ArrayLike<number>, scale: number): void {
    for (let index = 0; index < block.length; index++) this.#sample((block[index] ?? 0) * scale);
    this.#heardSamples += block.length;
  }

  get #waitingFrames(): number {
    let frames = 0;
    for (const { epoch, serials, played } of this.#replies) {
      if (epoch < this.#floorEpoch) continue;
      frames += serials.length - Math.floor(played / FRAME_SAMPLES);
    }
    return frames;
  }

  /** What sounds is of a reply that was distrusted, or what fades of it. */
  get #unknown(): boolean {
    return this.#now?.distrusted === true || this.#heardSamples < this.#unknownUntilSample;
  }

  get #sounding(): boolean {
    return this.#now !== undefined && this.#now.played > 0 && this.#level > 0;
  }

  #sample(value: number): void {
    const fading = this.#nextOfTail();
    const reply = this.#now;
    const runsOut = reply === undefined || reply.played >= reply.serials.length * FRAME_SAMPLES;
    if (
      !runsOut &&
      this.#level === RAMP_SAMPLES &&
      fading === 0 &&
      !held(reply) &&
      reply.played > 0
    ) {
      const expected = this.#sampleAt(reply, reply.played);
      if (value === expected) {
        this.#consumed(reply, expected);
        return;
      }
    }
    this.#carefully(value, fading, runsOut ? undefined : reply);
  }

  /** Anything but a loud reply that goes on. */
  #carefully(value: number, fading: number, reply: HeardReply | undefined): void {
    // What two sounds at once are too loud for is cut off.
    const rest = value >= LOUDEST ? Number.POSITIVE_INFINITY : value - fading;
    const silent = Math.abs(rest) <= ROUNDING;
    const exact = fading === 0 ? 0 : ROUNDING;
    if (reply !== undefined && this.#isNext(reply, rest, silent, exact)) return;
    if (silent) return;
    const begins = this.#replies.find(
      (each) =>
        each.played === 0 &&
        each.serials.length > 0 &&
        each.epoch >= this.#floorEpoch &&
        each.epoch > (this.#now?.epoch ?? -1) &&
        this.#startsWith(each, rest, exact),
    );
    if (begins === undefined && !this.#unknown) this.#complain(value);
  }

  /** True where `rest` is the reply's next sample at a loudness that it may have now; `exact` is how far it may be off at full. */
  #isNext(reply: HeardReply, rest: number, silent: boolean, exact: number): boolean {
    if (reply.played === 0) return !silent && this.#startsWith(reply, rest, exact);
    if (held(reply) && this.#level === 0) return false;
    const level = Math.max(0, Math.min(RAMP_SAMPLES, this.#level + (held(reply) ? -1 : 1)));
    const expected = (this.#sampleAt(reply, reply.played) * level) / RAMP_SAMPLES;
    // At the end of a ramp one sample is passed over in silence.
    if (silent && level > 0) return false;
    if (!isNear(rest, expected, level === RAMP_SAMPLES ? exact : ROUNDING)) return false;
    this.#level = level;
    this.#consumed(reply, expected);
    return true;
  }

  /** A reply begins loud; it rises where it was held before it sounded, and falls where that came just then. */
  #startsWith(reply: HeardReply, rest: number, exact: number): boolean {
    const first = this.#sampleAt(reply, 0);
    for (const level of [RAMP_SAMPLES, 1, RAMP_SAMPLES - 1]) {
      const expected = (first * level) / RAMP_SAMPLES;
      if (!isNear(rest, expected, level === RAMP_SAMPLES ? exact : ROUNDING)) continue;
      this.#now = reply;
      this.#level = level;
      this.#consumed(reply, expected);
      return true;
    }
    return false;
  }

  #consumed(reply: HeardReply, value: number): void {
    reply.played++;
    this.#last = value;
    this.#dry = false;
    if (reply.played < reply.serials.length * FRAME_SAMPLES) return;
    const more = this.#replies.some((each) => each.epoch > reply.epoch && each.serials.length > 0);
    if (more) return;
    this.#dry = true;
    const last = this.#last;
    if (last !== 0) this.#fade(() => last);
  }

  #complain(value: number): void {
    const reply = this.#now;
    this.#verdict.demand(false, this.#staleness(value), () => {
      if (reply === undefined) return `sample ${value} sounds where nothing may`;
      const expected = this.#sampleAt(reply, reply.played);
      return `sample ${value} sounds where ${reply.replyId} was due with ${expected} (position ${reply.played}, level ${this.#level}${held(reply) ? ", held" : ""})`;
    });
  }

  #staleness(value: number): "after-stop" | "samples" | "held" {
    const reply = this.#now;
    if (reply === undefined) return "after-stop";
    return held(reply) && value !== 0 ? "held" : "samples";
  }

  #sampleAt(reply: HeardReply, position: number): number {
    const frame = Math.floor(position / FRAME_SAMPLES);
    const serial = reply.serials[frame];
    return serial === undefined ? 0 : voiceSample(serial, position - frame * FRAME_SAMPLES);
  }

  #nextOfTail(): number {
    return this.#tailAt < RAMP_SAMPLES ? (this.#tail[this.#tailAt++] ?? 0) : 0;
  }

  #fade(sampleAt: (index: number) => number): void {
    this.#tail.copyWithin(0, this.#tailAt);
    this.#tail.fill(0, RAMP_SAMPLES - this.#tailAt);
    this.#tailAt = 0;
    for (let index = 0; index < RAMP_SAMPLES; index++) {
      const fading = sampleAt(index) * (1 - (index + 1) / RAMP_SAMPLES);
      this.#tail[index] = (this.#tail[index] ?? 0) + fading;
    }
  }

  #of(epoch: number): HeardReply | undefined {
    return this.#replies.find((reply) => reply.epoch === epoch);
  }
}

interface HeardReply {
  epoch: number;
  replyId: string;
  /** Of its frames, in order. */
  serials: number[];
  played: number;
  pauseSeq: number;
  resumeSeq: number;
  distrusted: boolean;
}

function held(reply: HeardReply): boolean {
  return reply.pauseSeq > reply.resumeSeq;
}

/** Too loud to tell counts as right: nothing alone is that loud. */
function isNear(rest: number, expected: number, tolerance: number): boolean {
  return rest === Number.POSITIVE_INFINITY || Math.abs(rest - expected) <= tolerance;
}

const LOUDEST = 32_767;
/** As the player has: a second. */
const CAPACITY_FRAMES = (2 * (LEAD_MS + CREDIT_EXTRA_MS)) / FRAME_MS;
/** 8 ms. */
const RAMP_SAMPLES = 384;
/** The player mixes in 32 bits and rounds. */
const ROUNDING = 1;
