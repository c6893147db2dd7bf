/** What the session core needs of the outside: interfaces only. Implementations are in transport, recognition, llm and routing. */
import type { ServerMessage, SessionOptions } from "@antiphon/protocol";

/**
 * The way to the listener. One for each socket (or room) of a session; ordered, and never blocking.
 * What it cannot send it drops with its connection: a slow reader is the pacer's business (credit).
 */
export interface Transport {
  readonly traits: TransportTraits;
  send(message: ServerMessage): void;
  /** `pcm`: 1,920 bytes, s16le; taken over by the transport until the call returns, not longer. */
  sendVoice(frame: OutgoingVoiceFrame): void;
  /** Sends nothing more. `code` undefined: a normal end. */
  close(end: TransportEnd): void;
}

/** What a way can do. Constant while it lasts. */
export interface TransportTraits {
  /** Audio that may be sent ahead of playout; 0 where what was sent cannot be taken back. */
  leadMs: number;
  /** The listener can stop and keep what is buffered (`hold`). */
  holds: boolean;
  /** The listener can say to the sample what it has played (`playback`), if its client wants to. */
  reports: boolean;
}

export interface OutgoingVoiceFrame {
  epoch: number;
  /** Within the reply, from 0. */
  utterance: number;
  /** Within the reply, from 0, no gap, no repeat. */
  seq: number;
  /** Of its first sample, within the reply. */
  positionSamples: number;
  pcm: Uint8Array;
}

export type TransportEnd = { kind: "normal" } | { kind: "error"; error: Error };

/** Finds speech. One detector a process serves every session. */
export interface VoiceActivityDetector {
  /** `onWindow` is called in order, once a 32 ms window, some milliseconds after its last sample was pushed. */
  open(onWindow: (window: VadWindow) => void): VadStream;
}

export interface VadStream {
  /** One frame: 960 samples, 48 kHz. Copied before the call returns. Never blocks. */
  push(frame: Int16Array): void;
  close(): void;
}

export interface VadWindow {
  /** Samples (48 kHz) pushed up to the window's end, counted from the stream's start. */
  endSample: number;
  /** Of speech, 0 to 1. */
  probability: number;
}

/** Turns speech into words, one stream a session, segments one after another. */
export interface Transcriber {
  /** Languages that some recogniser understands now, BCP 47. */
  languages(): string[];
  open(options: TranscriptionOptions): TranscriptionStream;
}

export interface TranscriptionOptions {
  sessionId: string;
  /** Undefined: the recogniser decides. */
  language: string | undefined;
  /** A recogniser was lost, or failed, under a segment: its last 10 s go to another, or to the same one anew. */
  onReplaced?: () => void;
}

/**
 * A session's recogniser. Finds its worker when first used and finds another when that one is lost: a segment under way is
 * replayed (its last 10 s at most) into the new one, so `finished` settles unless no worker can be had.
 */
export interface TranscriptionStream {
  /** Opens a segment. `onPartial` gets the whole text so far, each time it changes and after each `flush`. */
  begin(onPartial: (partial: PartialTranscript) => void): TranscriptionSegment;
  close(): void;
}

export interface PartialTranscript {
  text: string;
  /** How much of the segment the text covers, counted from its first frame. */
  audioMs: number;
  /** How sure the recogniser is of the text, 0 to 1; 1 where it cannot tell. */
  confidence: number;
}

export interface TranscriptionSegment {
  /** One frame: 1,920 bytes, s16le, 48 kHz; copied before the call returns. Never blocks: beyond 30 s a segment's oldest audio is gone. */
  push(pcm: Uint8Array): void;
  /** Somebody waits for what was said so far: a partial of everything pushed by now comes as soon as it can be had. */
  flush(): void;
  /** The segment is complete. Resolves with its final text ("" where nothing was said), rejects with an AntiphonError. */
  finish(): Promise<{ text: string; computeMs: number; confidence: number }>;
  cancel(): void;
}

/** Speaks. One stream a session; utterances in order. */
export interface Synthesizer {
  /**
   * Claims model and voice on some worker. Rejects with `not_found` for a voice that nobody has, `unavailable` when no worker can be
   * reached within the deadline, `overloaded` when all are full.
   */
  open(options: SynthesisOptions, signal: AbortSignal): Promise<SynthesisStream>;
}

export interface SynthesisOptions {
  sessionId: string;
  /** Undefined: the pool's default. */
  voice: string | undefined;
  language: string | undefined;
  speed: number;
}

export interface SynthesisStream {
  readonly voice: string;
  /** The model gives a whole utterance at once: the look-ahead may then hold one. */
  readonly wholeUtterance: boolean;
  /**
   * Speaks one utterance. Events are pulled: at most a few frames are taken from the worker before they are asked for. Ends after its
   * terminal (`done`), or throws an AntiphonError; `audioSent` in its details says whether a retry is blind. Aborting `signal` is STOP:
   * the iteration ends at once, the worker is told, and its late frames are discarded here.
   */
  speak(
    utterance: { utteranceId: string; text: string },
    signal: AbortSignal,
  ): AsyncIterable<SpeechEvent>;
  /** PAUSE or RESUME at the worker's gate; the newest wins. Never rejects: the pacer holds whatever the worker does. */
  setPaused(paused: boolean): void;
  /** Ends the session at the worker. */
  close(): void;
}

export type SpeechEvent =
  | { kind: "started"; model: string; voice: string }
  /** 1,920 bytes at any byte offset; valid until the next event is asked for. */
  | { kind: "audio"; pcm: Uint8Array }
  /** Samples of the utterance, 48 kHz. */
  | { kind: "words"; words: TimedWord[] }
  | { kind: "done"; samples: number };

export interface TimedWord {
  text: string;
  startSample: number;
  endSample: number;
  measured: boolean;
}

/** Answers. */
export interface LanguageModel {
  readonly responder: { kind: "llm" | "built-in"; model?: string };
  /** Shown once, for instance how to connect a model. */
  readonly notice: string | undefined;
  /** Streams text as it is written. Throws an AntiphonError; ends silently when `signal` aborts. */
  answer(request: AnswerRequest, signal: AbortSignal): AsyncIterable<string>;
}

export interface AnswerRequest {
  instructions: string;
  language: string | undefined;
  /** The last entry is the person's. */
  history: ReadonlyArray<{ role: "user" | "assistant"; text: string }>;
}

/** Keeps the session's record at its object. */
export interface RecordStore {
  /** Takes the newest state; writes are coalesced, ordered and retried within a budget. Never blocks. */
  put(record: SessionSnapshot): void;
  /** Writes what is pending; bounded by a deadline. */
  flush(): Promise<void>;
}

/** What a successor needs. Plain values; `record-store` turns them into the protocol's SessionRecord. */
export interface SessionSnapshot {
  sessionId: string;
  leaseEpoch: number;
  state: string;
  turnNumber: number;
  history: ReadonlyArray<{ role: "user" | "assistant"; text: string; interrupted: boolean }>;
  /** The person's newest turn has neither been answered nor overtaken. */
  owesAnswer: boolean;
  reply: ReplySnapshot | undefined;
  options: {
    instructions: string;
    language: string;
    voice: string;
    speed: number;
    respond: boolean;
    /** What the client asked for. */
    client: SessionOptions;
  };
  metrics: {
    turns: number;
    replies: number;
    interruptions: number;
    framesReceived: number;
    framesSent: number;
    firstAudioLatencyMs: number;
    endOfSpeechToFirstAudioMs: number;
    durationMs: number;
    counters: Readonly<Record<string, number>>;
  };
}

/** A reply that is being made or played. */
export interface ReplySnapshot {
  replyId: string;
  /** The utterance that sounds. */
  utteranceNumber: number;
  /** As far as it is written. */
  text: string;
  /** Nothing more will be written. */
  complete: boolean;
  /** The turn that it follows. */
  turn: number;
  kind: "answer" | "say";
  heardSamples: number;
  utterances: readonly UtteranceSnapshot[];
}

/** One utterance, for whoever takes the reply over. Positions of words are the utterance's. */
export interface UtteranceSnapshot {
  text: string;
  /** Its audio has begun, at `startSample` of the reply; before that its place is not known. */
  begun: boolean;
  startSample: number;
  /** Of its audio so far. */
  samples: number;
  /** It has all its audio. */
  ended: boolean;
  /** Empty: not known, or not needed any more. */
  words: TimedWord[];
}
