import { describe, expect, it } from "vitest";
import { FRAME_SAMPLES, SAMPLE_RATE_HZ } from "./audio-format.ts";
import { BANDS, BandEnergies, ENERGY_FLOOR_DB } from "./band-energies.ts";

function loudestBand(hz: number): number {
  const energies = new BandEnergies();
  let newest = new Float32Array(BANDS);
  for (let frame = 0; frame < 10; frame++) {
    const samples = Int16Array.from({ length: FRAME_SAMPLES }, (_, at) =>
      Math.round(
        8_000 * Math.sin((2 * Math.PI * hz * (frame * FRAME_SAMPLES + at)) / SAMPLE_RATE_HZ),
      ),
    );
    newest = energies.push(samples).slice(BANDS);
  }
  return newest.indexOf(Math.max(...newest));
}

describe("band energies", () => {
  it.each([
    [280, 0],
    [670, 1],
    [1_400, 2],
    [2_700, 3],
  ])("a tone of %d Hz is loudest in band %d", (hz, band) => {
    expect(loudestBand(hz)).toBe(band);
  });

  it("silence is the floor, soon after a sound too", () => {
    const energies = new BandEnergies();
    energies.push(new Int16Array(FRAME_SAMPLES).fill(3_000));
    for (let frame = 0; frame < 5; frame++) energies.push(new Int16Array(FRAME_SAMPLES));
    const silent = energies.push(new Int16Array(FRAME_SAMPLES));
    expect(Math.max(...silent)).toBeLessThan(ENERGY_FLOOR_DB + 10);
  });
});
