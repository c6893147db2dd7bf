/** What a simulated person's microphone sends: frames that say how much they are speech and which word they are of. Owns the code, not the words. */
import { FRAME_SAMPLES } from "@antiphon/protocol";

export interface MicFrame {
  /** Of speech, as a detector would judge it. */
  probability: number;
  /** Of the person's lexicon; 0: none. */
  word: number;
}

/** Writes the frame's samples. `loudness` draws them: no two frames have the same. */
export function micSamples(frame: MicFrame, loudness: () => number): Int16Array {
  const level = frame.probability < 0.3 ? 40 : SPEECH_LEVEL * (1 + loudness());
  const template = NOISE[Math.floor(loudness() * NOISE.length)] as Float32Array;
  const samples = new Int16Array(FRAME_SAMPLES);
  for (let index = 2; index < FRAME_SAMPLES; index++)
    samples[index] = level * (template[index] ?? 0);
  samples[0] = Math.round(frame.probability * PROBABILITY_STEPS);
  samples[1] = frame.word;
  return samples;
}

export function micFrameOf(samples: Int16Array): MicFrame {
  return { probability: (samples[0] ?? 0) / PROBABILITY_STEPS, word: samples[1] ?? 0 };
}

const PROBABILITY_STEPS = 10_000;
/** Far louder than a simulated voice could come back from any room: what is an echo and what is not is for recordings to show. */
const SPEECH_LEVEL = 12_000;
/** Eight kinds of hiss, from dull to bright; whatever compares energies finds nothing in them that is like a voice. */
const NOISE = Array.from({ length: 8 }, (_, kind) => {
  let state = kind + 1;
  let before = 0;
  const dullness = kind / 8 - 0.5;
  return Float32Array.from({ length: FRAME_SAMPLES }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    before = dullness * before + (state / 2_147_483_648 - 1) / 2;
    return before;
  });
});
