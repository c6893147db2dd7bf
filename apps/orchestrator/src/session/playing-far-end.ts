/** What the listener's loudspeaker is playing, set beside what their microphone hears. Owns the common axis of time; the comparison is `@antiphon/audio`'s. */
import {
  BANDS,
  BandEnergies,
  ENERGY_FLOOR_DB,
  FarEndMatch,
  FRAME_SAMPLES,
  HOP_MS,
  HOP_SAMPLES,
  SAMPLE_RATE_HZ,
  VAD_WINDOW_SAMPLES,
} from "@antiphon/audio";

/**
 * Both sides as energies in slots of 10 ms. A frame of a reply belongs to the slots in which the pacer's clock says that it sounds; the
 * microphone's samples are counted, and their count is tied to the clock where they came soonest. What the network, the player and the
 * room add is a lag between the two, which the comparison finds.
 */
export class PlayingFarEnd {
  readonly #match = new FarEndMatch();
  readonly #farEnergies = new BandEnergies();
  readonly #nearEnergies = new BandEnergies();
  readonly #pcm = new Int16Array(FRAME_SAMPLES);
  readonly #pcmBytes = new Uint8Array(this.#pcm.buffer);
  /** Hops that were sent and do not sound yet, oldest first, in a ring. */
  readonly #sentHops = new Float32Array(HOPS_MAX * BANDS);
  #sent = 0;
  #sounded = 0;
  #farSlot: number | undefined;
  #nearSlot = -1;
  /** The clock's reading at sample 0 of the microphone. */
  #originMs: number | undefined;
  #originSeenMs = 0;

  /** A frame of the reply has left: 1,920 bytes. */
  sent(pcm: Uint8Array): void {
    this.#pcmBytes.set(pcm);
    const energies = this.#farEnergies.push(this.#pcm);
    for (let hop = 0; hop < HOPS_A_FRAME; hop++) {
      const from = hop * BANDS;
      this.#sentHops.set(energies.subarray(from, from + BANDS), (this.#sent % HOPS_MAX) * BANDS);
      this.#sent++;
    }
  }

  /** Another reply, or none: what was sent and not played of the last one never sounds. */
  reset(): void {
    this.#sent = 0;
    this.#sounded = 0;
  }

  /**
   * Writes what has sounded by now: every 20 ms, and before the microphone is heard, since an echo may be no more than 20 ms late.
   * `reply` says how many of its samples had sounded at a time; undefined: none sounds.
   */
  follow(nowMs: number, reply: { soundingSamples(atMs: number): number } | undefined): void {
    const slot = Math.floor(nowMs / HOP_MS);
    const from = Math.max(this.#farSlot ?? slot - 1, slot - CATCH_UP_SLOTS_MAX);
    // As of the slot's end, whenever in it this is called: a hop belongs where most of it sounds, or short delays would be none.
    const sounding = reply?.soundingSamples((slot + 1) * HOP_MS) ?? 0;
    const due = Math.min(this.#sent, Math.floor(sounding / HOP_SAMPLES));
    // After a stall its end counts: what sounded meanwhile is older than any echo.
    this.#sounded = Math.max(this.#sounded, due - (slot - from), this.#sent - HOPS_MAX);
    for (let each = from + 1; each <= slot; each++) {
      if (this.#sounded < due) {
        this.#match.played(each, this.#sentHops, (this.#sounded % HOPS_MAX) * BANDS);
        this.#sounded++;
      } else this.#match.played(each, SILENCE, 0);
    }
    this.#farSlot = slot;
  }

  /** A frame of the microphone, of which the last sample is `endSample`. */
  heard(frame: Int16Array, endSample: number, nowMs: number): void {
    this.#tie(endSample, nowMs);
    const energies = this.#nearEnergies.push(frame);
    const first = this.#slotOf(endSample - FRAME_SAMPLES);
    for (let hop = 0; hop < HOPS_A_FRAME; hop++) {
      // Rounding may name a slot twice or leave one out: each is written once.
      const slot = Math.max(first + hop, this.#nearSlot + 1);
      this.#match.heard(slot, energies, hop * BANDS);
      this.#nearSlot = slot;
    }
  }

  /** The detector's window that ends at this sample: how much it is like what is played, and whether it is that. */
  judge(endSample: number): { match: number; echo: boolean } {
    if (this.#originMs === undefined || this.#farSlot === undefined) return NOTHING_ALIKE;
    const to = Math.min(this.#slotOf(endSample), this.#nearSlot + 1);
    return this.#match.judge(to - VAD_WINDOW_SAMPLES / HOP_SAMPLES, to);
  }

  /** Frames are late, never early: the soonest tells most. A clock that drifts, or a gap, is followed after a second. */
  #tie(endSample: number, nowMs: number): void {
    const originMs = nowMs - (endSample * 1000) / SAMPLE_RATE_HZ;
    const late = originMs - (this.#originMs ?? originMs);
    if (this.#originMs === undefined || late < 0 || nowMs - this.#originSeenMs > TIE_MS_MAX) {
      this.#originMs = originMs;
      this.#originSeenMs = nowMs;
    } else if (late < SOON_MS) this.#originSeenMs = nowMs;
  }

  #slotOf(sample: number): number {
    const ms = (this.#originMs ?? 0) + (sample * 1000) / SAMPLE_RATE_HZ;
    return Math.floor(ms / HOP_MS);
  }
}

const HOPS_A_FRAME = FRAME_SAMPLES / HOP_SAMPLES;
/** A second and a half: lead, credit, and a client that holds them. */
const HOPS_MAX = 150;
/** Beyond the longest lag that is looked for. */
const CATCH_UP_SLOTS_MAX = 100;
/** Less than a frame: as soon as they come. */
const SOON_MS = 15;
const TIE_MS_MAX = 1_000;
const SILENCE = new Float32Array(BANDS).fill(ENERGY_FLOOR_DB);
const NOTHING_ALIKE = { match: 0, echo: false };
