/** Pure audio on typed arrays: conversions, framing, rates, levels, speech decisions, WAV. No I/O, nothing of sessions. */
export * from "./audio-format.ts";
export * from "./band-energies.ts";
export * from "./far-end-match.ts";
export * from "./framer.ts";
export * from "./loudness.ts";
export * from "./pcm.ts";
export * from "./preroll.ts";
export * from "./resampler.ts";
export * from "./vad.ts";
export * from "./wav.ts";
