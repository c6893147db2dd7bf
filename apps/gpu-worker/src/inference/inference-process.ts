/** The supervisor's side of one inference child: the interface that services use. Implemented in `inference-child-process.ts`. */
import type {
  RecognitionRequest,
  RecognitionResult,
  SpeechOutput,
  SpeechRequest,
} from "../adapters/adapter.ts";

/**
 * One model in a process of its own. A hung or dead child is killed and respawned without anybody else noticing; its jobs fail
 * with a retryable AntiphonError. Unloading ends the process: the memory is really free.
 */
export interface InferenceProcess {
  /**
   * Pulls a speech job's output: the child computes at most a few messages (≤ 100 ms of samples each) ahead of the reader, or, where
   * the model gives an utterance whole, all of it.
   * Aborting `signal` or leaving the loop ends the job in the child.
   */
  synthesize(request: SpeechRequest, signal: AbortSignal): AsyncIterable<SpeechOutput>;
  /** An aborted job that has not begun never runs. */
  transcribe(request: RecognitionRequest, options: TranscribeOptions): Promise<RecognitionResult>;
}

export interface TranscribeOptions {
  /** "final": somebody waits for it; it goes before every "partial". */
  priority: "final" | "partial";
  signal: AbortSignal;
  /** It has its slot: from here on it is computed. */
  onBegun(): void;
}
