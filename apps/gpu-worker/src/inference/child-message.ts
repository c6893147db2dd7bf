/** What a supervisor and an inference child say to each other over IPC. Shapes only. */
import type { ErrorCode } from "@antiphon/protocol";
import type {
  AdapterWord,
  RecognitionCapabilities,
  RecognitionRequest,
  RecognitionResult,
  SpeechCapabilities,
  SpeechRequest,
} from "../adapters/adapter.ts";

/** To the child. Jobs are numbered by the supervisor and never reused. */
export type ToChild =
  | { type: "speak"; job: number; request: SpeechRequest; credit: number }
  | { type: "transcribe"; job: number; request: RecognitionRequest }
  /** The reader took this many `samples` messages: as many more may be sent. */
  | { type: "credit"; job: number; messages: number }
  | { type: "cancel"; job: number };

/** From the child. Each job ends in exactly one `ended` or `failed`, a cancelled one too. */
export type FromChild =
  | { type: "ready"; description: ModelDescription; warmUpMs: number }
  | { type: "load-failed"; message: string }
  /** At most 100 ms; on credit, but for models that give an utterance whole. */
  | { type: "samples"; job: number; samples: Int16Array; sampleRateHz: number }
  /** Needs no credit. */
  | { type: "words"; job: number; words: AdapterWord[] }
  | { type: "transcribed"; job: number; result: RecognitionResult }
  | { type: "ended"; job: number }
  | { type: "failed"; job: number; code: ErrorCode; message: string; retryable: boolean };

/** What a child says its model can do. */
export type ModelDescription =
  | ({ kind: "tts" } & SpeechCapabilities)
  | ({ kind: "asr" } & RecognitionCapabilities);
