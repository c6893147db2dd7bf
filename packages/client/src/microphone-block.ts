/** What the microphone's processor on the audio thread and the page's end of it say to each other. No behaviour. */

export const MICROPHONE_PROCESSOR = "antiphon-microphone";

/** Posted by the processor, once a frame of 20 ms. */
export interface MicrophoneBlock {
  /** 960 samples at 48 kHz, s16; transferred, so the receiver owns it. */
  samples: Int16Array<ArrayBuffer>;
  /** Loudest sample of the frame, 0 to 1. */
  peak: number;
}

/** Posted to the processor: ends it. */
export const MICROPHONE_CLOSE = "close";
