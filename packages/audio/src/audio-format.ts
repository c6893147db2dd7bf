/** The one audio format between our processes, as numbers. The same figures as `@antiphon/protocol` (a test holds them together); audio imports nothing of ours but runtime. */

export const SAMPLE_RATE_HZ = 48_000;
export const FRAME_MS = 20;
/** 960 samples a frame. */
export const FRAME_SAMPLES = (SAMPLE_RATE_HZ * FRAME_MS) / 1000;
/** 1,920 bytes a frame: mono, signed 16-bit little-endian. */
export const FRAME_BYTES = FRAME_SAMPLES * 2;

/** What recognisers and the voice activity detector take. */
export const SPEECH_SAMPLE_RATE_HZ = 16_000;

/** From here on a sample is heard: −45 dBFS of full scale. "First audio" is the first such sample. */
export const AUDIBLE_AMPLITUDE = Math.round(32768 * 10 ** (-45 / 20));
