/** What passes between a process and its detector's thread. Owns the shapes, no behaviour. */

/** To the thread. */
export type DetectorRequest =
  /** Frames of any inputs, in order. Answered by one `windows`, empty or not; several may be answered by one. */
  | {
      kind: "frames";
      count: number;
      /** Of each frame: its input, and the position of its first sample. */
      streamIds: number[];
      startSamples: number[];
      /** 960 samples a frame; `count` says how far it is filled. Its memory is handed over. */
      pcm: Int16Array<ArrayBuffer>;
      /** Inputs that are over. */
      closed: number[];
    }
  /** Finish what is under way, give everything back and exit. */
  | { kind: "stop" };

/** From the thread. */
export type DetectorReply =
  | { kind: "ready" }
  | {
      kind: "windows";
      /** How many `frames` messages this answers. */
      answered: number;
      streamIds: number[];
      endSamples: number[];
      probabilities: number[];
    };
