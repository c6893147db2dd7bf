import { describe, expect, it } from "vitest";
import { noise } from "./testing/signals.ts";
import { readWav, WavError, writeWav } from "./wav.ts";

describe("writing and reading", () => {
  it("round-trips mono 16-bit", () => {
    const samples = noise(1, 1_001);
    expect(readWav(writeWav(samples, 22_050))).toEqual({ sampleRateHz: 22_050, samples });
  });

  it("reads from a view at an odd offset", () => {
    const samples = noise(2, 100);
    const file = writeWav(samples, 16_000);
    const shifted = new Uint8Array(file.length + 1);
    shifted.set(file, 1);
    expect(readWav(shifted.subarray(1)).samples).toEqual(samples);
  });
});

describe("other encodings", () => {
  it("mixes channels down", () => {
    const file = wav({ tag: 1, channels: 2, bits: 16 }, bytesOf(Int16Array.of(100, 300, -50, 50)));
    expect([...readWav(file).samples]).toEqual([200, 0]);
  });

  it("reads 24-bit", () => {
    const file = wav({ tag: 1, channels: 1, bits: 24 }, Uint8Array.of(0, 0x34, 0x12, 0, 0, 0x80));
    expect([...readWav(file).samples]).toEqual([0x1234, -32768]);
  });

  it("reads 32-bit float, clamped", () => {
    const file = wav(
      { tag: 3, channels: 1, bits: 32 },
      bytesOf(Float32Array.of(0.5, -2, Number.NaN)),
    );
    expect([...readWav(file).samples]).toEqual([16384, -32768, 0]);
  });

  it("reads the extensible header", () => {
    const extension = new Uint8Array(24);
    extension[0] = 22;
    extension[8] = 1;
    const file = wav({ tag: 0xfffe, channels: 1, bits: 16, extension }, bytesOf(Int16Array.of(7)));
    expect([...readWav(file).samples]).toEqual([7]);
  });
});

describe("chunks", () => {
  const format = formatChunk({ tag: 1, channels: 1, bits: 16 });
  const data = chunk("data", bytesOf(Int16Array.of(1, 2, 3)));

  it("may come in any order, padded, with unknown ones between", () => {
    const list = chunk("LIST", Uint8Array.of(1, 2, 3));
    for (const chunks of [
      [list, format, list, data],
      [data, list, format],
    ]) {
      expect([...readWav(riff(chunks)).samples]).toEqual([1, 2, 3]);
    }
  });

  it("are read as far as they go when cut off", () => {
    const file = riff([format, data]);
    expect([...readWav(file.subarray(0, file.length - 3)).samples]).toEqual([1]);
  });
});

describe("what is no WAV file that we read", () => {
  const format = { tag: 1, channels: 1, bits: 16 };
  it.each([
    ["nothing", new Uint8Array(0), /not a WAV/],
    ["text", new TextEncoder().encode("this is a long enough text"), /not a WAV/],
    ["no format", riff([chunk("data", new Uint8Array(4))]), /no format chunk/],
    ["no data", riff([formatChunk(format)]), /no audio/],
    [
      "a short format",
      riff([chunk("fmt ", new Uint8Array(8)), chunk("data", new Uint8Array(2))]),
      /cut off/,
    ],
    ["8 bits", wav({ ...format, bits: 8 }, new Uint8Array(4)), /format 1 with 8 bits/],
    ["MP3 in WAV", wav({ ...format, tag: 85 }, new Uint8Array(4)), /format 85/],
    ["no channels", wav({ ...format, channels: 0 }, new Uint8Array(4)), /channels/],
    ["no rate", wav({ ...format, rateHz: 0 }, new Uint8Array(4)), /sample rate of 0/],
  ])("is refused in words: %s", (_, file, message) => {
    expect(() => readWav(file)).toThrow(WavError);
    expect(() => readWav(file)).toThrow(message);
  });
});

interface Format {
  tag: number;
  channels: number;
  bits: number;
  rateHz?: number;
  extension?: Uint8Array;
}

function wav(format: Format, data: Uint8Array): Uint8Array {
  return riff([formatChunk(format), chunk("data", data)]);
}

function formatChunk(format: Format): Uint8Array {
  const extension = format.extension ?? new Uint8Array(0);
  const body = new Uint8Array(16 + extension.length);
  const view = new DataView(body.buffer);
  view.setUint16(0, format.tag, true);
  view.setUint16(2, format.channels, true);
  view.setUint32(4, format.rateHz ?? 16_000, true);
  view.setUint16(14, format.bits, true);
  body.set(extension, 16);
  return chunk("fmt ", body);
}

function riff(chunks: Uint8Array[]): Uint8Array {
  return chunk("RIFF", joinBytes([new TextEncoder().encode("WAVE"), ...chunks]));
}

function chunk(tag: string, body: Uint8Array): Uint8Array {
  const head = new Uint8Array(8);
  head.set(new TextEncoder().encode(tag));
  new DataView(head.buffer).setUint32(4, body.length, true);
  return joinBytes([head, body, new Uint8Array(body.length % 2)]);
}

function joinBytes(parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function bytesOf(values: Int16Array | Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
