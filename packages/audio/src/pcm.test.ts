import { describe, expect, it } from "vitest";
import {
  decodePcm,
  encodePcm,
  firstSampleAtLeast,
  peakDbfs,
  rmsDbfs,
  toFloat32,
  toInt16,
} from "./pcm.ts";
import { noise, sine } from "./testing/signals.ts";

describe("bytes and samples", () => {
  it("reads samples at every byte offset, odd ones too", () => {
    const samples = noise(1, 960);
    for (let offset = 0; offset < 8; offset++) {
      const buffer = new Uint8Array(offset + 1920);
      buffer.set(encodePcm(samples), offset);
      expect(decodePcm(buffer.subarray(offset))).toEqual(samples);
    }
  });

  it("is little-endian", () => {
    expect([...encodePcm(Int16Array.of(0x1234, -2))]).toEqual([0x34, 0x12, 0xfe, 0xff]);
  });

  it("refuses half a sample", () => {
    expect(() => decodePcm(new Uint8Array(3))).toThrow(RangeError);
  });

  it("copies, so that the message may be thrown away", () => {
    const bytes = encodePcm(Int16Array.of(1, 2));
    const samples = decodePcm(bytes);
    bytes.fill(0);
    expect([...samples]).toEqual([1, 2]);
  });
});

describe("floats", () => {
  it("round-trips every 16-bit value", () => {
    const all = Int16Array.from({ length: 65_536 }, (_, index) => index - 32_768);
    expect(toInt16(toFloat32(all))).toEqual(all);
  });

  it("clamps what is too loud instead of wrapping around, and reads NaN as silence", () => {
    expect([...toInt16(Float32Array.of(1, 1.5, -1, -7, Number.NaN))]).toEqual([
      32767, 32767, -32768, -32768, 0,
    ]);
  });
});

describe("levels", () => {
  it("are relative to a full-scale square wave", () => {
    const full = sine({ hz: 1000, rateHz: 48_000, samples: 48_000, amplitude: 1 });
    expect(rmsDbfs(full)).toBeCloseTo(-3.01, 1);
    expect(peakDbfs(full)).toBeCloseTo(0, 2);
    expect(rmsDbfs(new Int16Array(10))).toBe(-Infinity);
    expect(rmsDbfs(new Int16Array(0))).toBe(-Infinity);
  });

  it("finds the first loud sample, of either sign", () => {
    expect(firstSampleAtLeast(Int16Array.of(0, 5, -184, 200), 184)).toBe(2);
    expect(firstSampleAtLeast(Int16Array.of(0, 5), 184)).toBe(-1);
  });
});
