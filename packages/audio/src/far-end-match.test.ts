import { SeededRandom } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import { BANDS, ENERGY_FLOOR_DB } from "./band-energies.ts";
import { type FarEndJudgement, FarEndMatch } from "./far-end-match.ts";

/** Energies of somebody who speaks: syllables of 60 to 260 ms, each with its own colour, and pauses. */
function speech(seed: number, slots: number, levelDb: number): Float32Array {
  const random = new SeededRandom(seed);
  const energies = new Float32Array(slots * BANDS).fill(ENERGY_FLOOR_DB);
  for (let slot = 0; slot < slots; ) {
    const length = 6 + random.below(20);
    const colour = Array.from({ length: BANDS }, () => -random.below(24));
    const silent = random.chance(0.15);
    for (let at = slot; at < Math.min(slot + length, slots); at++) {
      const swell = -12 * Math.abs((at - slot) / length - 0.5);
      for (let band = 0; band < BANDS && !silent; band++) {
        energies[at * BANDS + band] = levelDb + (colour[band] ?? 0) + swell + random.below(3);
      }
    }
    slot += length;
  }
  return energies;
}

/** What a microphone gets of this: later, quieter, over noise. */
function echoOf(far: Float32Array, lagSlots: number, gainDb: number): Float32Array {
  return far.map((_, at) => {
    const source = at - lagSlots * BANDS;
    return sum(source < 0 ? ENERGY_FLOOR_DB : (far[source] ?? 0) + gainDb, NOISE_DB);
  });
}

function sum(a: number, b: number): number {
  return 10 * Math.log10(10 ** (a / 10) + 10 ** (b / 10));
}

/** Judges windows of 30 ms, from `from` on, in which something can be heard. */
function judgements(far: Float32Array, near: Float32Array, from = 0): FarEndJudgement[] {
  const match = new FarEndMatch();
  const judged: FarEndJudgement[] = [];
  for (let slot = 0; slot < near.length / BANDS; slot++) {
    match.played(slot, far, slot * BANDS);
    match.heard(slot, near, slot * BANDS);
    if (slot < from || slot % 3 !== 2) continue;
    const loud = near
      .subarray((slot - 2) * BANDS, (slot + 1) * BANDS)
      .some((db) => db > NOISE_DB + 8);
    if (loud) judged.push(match.judge(slot - 2, slot + 1));
  }
  return judged;
}

function share(judged: FarEndJudgement[], echo: boolean): number {
  return judged.filter((each) => each.echo === echo).length / judged.length;
}

const NOISE_DB = -65;
const SLOTS = 1_000;

describe("what a microphone hears while the machine speaks", () => {
  it.each([
    [4, -6],
    [18, -12],
    [35, -20],
    [55, -26],
  ])("is its echo, %d slots later and at %d dB, from the first second on", (lag, gainDb) => {
    const far = speech(1, SLOTS, -20);
    const judged = judgements(far, echoOf(far, lag, gainDb));
    expect(judged.length).toBeGreaterThan(50);
    expect(share(judged, true)).toBeGreaterThan(0.97);
  });

  it.each([2, 3, 4])("is somebody else's voice, on headphones (%d)", (seed) => {
    const far = speech(1, SLOTS, -20);
    const near = speech(seed, SLOTS, -30).map((db) => sum(db, NOISE_DB));
    // Before they speak, the machine has been heard not to come back for three seconds.
    near.subarray(0, 300 * BANDS).fill(NOISE_DB);
    expect(share(judgements(far, near, 300), false)).toBeGreaterThan(0.97);
  });

  it("is somebody who is louder than the echo under them", () => {
    const far = speech(1, SLOTS, -20);
    const echo = echoOf(far, 18, -18);
    const somebody = speech(5, SLOTS, -26);
    somebody.subarray(0, 300 * BANDS).fill(ENERGY_FLOOR_DB);
    const near = echo.map((db, at) => sum(db, somebody[at] ?? 0));
    const judged = judgements(far, near, 300);
    expect(share(judged, false)).toBeGreaterThan(0.7);
  });

  it("is somebody when nothing is being played", () => {
    const far = new Float32Array(SLOTS * BANDS).fill(ENERGY_FLOOR_DB);
    const near = speech(6, SLOTS, -30).map((db) => sum(db, NOISE_DB));
    expect(share(judgements(far, near), false)).toBe(1);
  });
});
