/** What was sent of one reply and what was played of it, sample by sample, and whether the one is the other. Owns memory; judges nothing but equality. */
import { decodePcm } from "@antiphon/audio";
import type { VoiceFrame } from "@antiphon/protocol";

/** Belongs to one reply. */
export class Tape {
  /** As received, in order of position. */
  readonly #sent = new GrowingSamples();
  /** Cut out of what the device played: the reply's samples alone, silence left out. */
  readonly #played = new GrowingSamples();
  /** The same with the silence that was put in. */
  readonly #listened = new GrowingSamples();
  #silentSamples = 0;
  #gaps = 0;
  #ramps = 0;
  #holes = 0;

  sent(frame: VoiceFrame): void {
    if (frame.positionSamples !== this.#sent.length) this.#gaps++;
    this.#sent.push(decodePcm(frame.pcm));
  }

  played(samples: Int16Array, offset: number, count: number): void {
    if (count === 0) {
      // Kept only once something follows: after the reply there is silence without end.
      if (this.#listened.length > 0) this.#silentSamples += samples.length;
      return;
    }
    if (this.#silentSamples > 0) {
      this.#listened.push(new Int16Array(this.#silentSamples));
      this.#holes++;
    }
    // Every hole in the sound has a ramp on either side.
    if (this.#silentSamples > 0 || count < samples.length) this.#ramps++;
    this.#silentSamples = 0;
    this.#listened.push(samples);
    this.#played.push(samples.subarray(offset, offset + count));
  }

  get sentSamples(): Int16Array {
    return this.#sent.samples;
  }

  get playedSamples(): Int16Array {
    return this.#played.samples;
  }

  /** From the first sample on, silence included. */
  get listenedSamples(): Int16Array {
    return this.#listened.samples;
  }

  /**
   * Whether what was played is what was sent, each sample once and in order, from `fromSample` on. Beside each hole in the sound samples may be
   * quieter than sent (ramps), but there they are, too.
   */
  compare(fromSample = 0): { samples: number; differing: number; wrong: number; gaps: number } {
    const sent = this.#sent.samples;
    const played = this.#played.samples;
    let differing = 0;
    let wrong = 0;
    for (let at = fromSample; at < played.length; at++) {
      const was = sent[at];
      const is = played[at] ?? 0;
      if (is === was) continue;
      differing++;
      // Quieter, and not turned over.
      if (was === undefined || Math.abs(is) > Math.abs(was) + 1 || is * was < 0) wrong++;
    }
    return { samples: played.length, differing, wrong, gaps: this.#gaps };
  }

  /** How often its sound was broken off and went on. */
  get holes(): number {
    return this.#holes;
  }

  /** How many samples the ramps of its holes may have changed. */
  get rampSamples(): number {
    return (this.#ramps + SLACK_RAMPS) * RAMP_SAMPLES;
  }
}

/** Samples of which nobody knows how many there will be. */
class GrowingSamples {
  #samples = new Int16Array(48_000);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get samples(): Int16Array {
    return this.#samples.subarray(0, this.#length);
  }

  push(samples: Int16Array): void {
    const needed = this.#length + samples.length;
    if (needed > this.#samples.length) {
      const grown = new Int16Array(Math.max(needed, this.#samples.length * 2));
      grown.set(this.samples);
      this.#samples = grown;
    }
    this.#samples.set(samples, this.#length);
    this.#length = needed;
  }
}

/** The two ends, and twice a hole so short that it is none: late frames that came just in time. */
const SLACK_RAMPS = 4;
/** The player's 8 ms, and a little. */
const RAMP_SAMPLES = 400;
