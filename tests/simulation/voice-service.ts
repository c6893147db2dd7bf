/** A simulated worker's voice: one Synthesize stream and its frame gate, as the protocol demands them, with faults where the weather has some. Owns this stream; the process is `worker-process.ts`. */
import { FRAME_BYTES } from "@antiphon/protocol";
import {
  type AudioFrame,
  AudioFrameSchema,
  ControlAction,
  type SynthesizeRequestSchema,
  TimingSource,
} from "@antiphon/protocol/worker";
import { delay } from "@antiphon/runtime";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Draw } from "./draw.ts";
import type { RpcStream } from "./rpc-stream.ts";
import type { Party } from "./virtual-clock.ts";
import { voicePcm } from "./voice-code.ts";
import type { SpokenUtterance, VoiceLedger } from "./voice-ledger.ts";
import type { Weather } from "./weather.ts";

export type SynthesizeRequest = MessageInitShape<typeof SynthesizeRequestSchema>;

/** How this voice goes about it, the same for all its utterances. */
export interface VoiceHabits {
  firstAudioMs: number;
  /** Compute time of a frame: 20 is as slow as speech. */
  msPerFrame: number;
  /** Frames computed at once. */
  burstFrames: number;
  timings: "before" | "after" | "none";
}

export interface VoiceStreamOptions {
  party: Party;
  draw: Draw;
  weather: Weather;
  ledger: VoiceLedger;
  habits: VoiceHabits;
  /** The process ends in mid-word. */
  onCrash(): void;
}

/** Belongs to one session's stream to one worker. */
export class VoiceStream {
  readonly #options: VoiceStreamOptions;
  readonly #utterances: Pending[] = [];
  readonly #stopped = new Set<string>();
  #stream: RpcStream<SynthesizeRequest, AudioFrame> | undefined;
  #paused = false;
  #controlSeq = 0;
  #over = false;
  #changed = Promise.withResolvers<void>();

  constructor(options: VoiceStreamOptions) {
    this.#options = options;
  }

  get paused(): boolean {
    return this.#paused;
  }

  get open(): boolean {
    return this.#stream !== undefined && !this.#over;
  }

  attach(stream: RpcStream<SynthesizeRequest, AudioFrame>): void {
    this.#stream = stream;
    void this.#run();
    this.#sayProgress();
  }

  request({ utteranceId = "", attempt = 1, kind }: SynthesizeRequest): void {
    let pending = this.#utterances.find((each) => each.utteranceId === utteranceId);
    if (pending === undefined) {
      pending = { utteranceId, attempt, text: "", ended: false };
      this.#utterances.push(pending);
    }
    if (kind?.case === "text") pending.text += kind.value.text ?? "";
    if (kind?.case === "end") pending.ended = true;
    if (kind?.case === "cancel") this.#stopped.add(utteranceId);
    this.#wake();
  }

  /** False where an older order came late. */
  control(action: ControlAction, utteranceId: string, controlSeq: number): boolean {
    if (controlSeq <= this.#controlSeq) return false;
    this.#controlSeq = controlSeq;
    if (action === ControlAction.PAUSE) this.#paused = true;
    if (action === ControlAction.RESUME) this.#paused = false;
    if (action === ControlAction.STOP) this.#stopped.add(utteranceId);
    this.#wake();
    return true;
  }

  close(): void {
    this.#over = true;
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      const next = this.#utterances[0];
      if (next === undefined || !(next.ended || this.#stopped.has(next.utteranceId))) {
        await this.#changed.promise;
        continue;
      }
      const terminal = await this.#speak(next);
      if (this.#over) return;
      this.#say(next, terminal);
      // A worker that says it twice must not end the next one.
      if (this.#options.weather.strikes(this.#options.draw, 0.02)) this.#say(next, terminal);
      this.#utterances.shift();
    }
  }

  async #speak(pending: Pending): Promise<AudioFrame["kind"] | InitKind> {
    const { draw, weather, ledger, habits } = this.#options;
    const { utteranceId, attempt, text } = pending;
    const utterance = ledger.utterance(utteranceId, attempt, text);
    const failsAt = weather.strikes(draw, 0.15) ? draw.below(utterance.frames + 1) : -1;
    const crashes = weather.strikes(draw, 0.35);
    const retryable = draw.chance(0.7);
    this.#say(pending, { case: "started", value: { model: "m", voice: "v" } });
    const stalls = weather.strikes(draw, 0.1) ? draw.between(200, 1_500) : 0;
    await this.#compute(habits.firstAudioMs * draw.between(0.5, 1.5) + stalls);
    if (habits.timings === "before") this.#sayWords(pending, utterance);
    for (let index = 0; index <= utterance.frames; index++) {
      if (await this.#gateShut(utteranceId)) return cancelled(index);
      if (index === failsAt) {
        if (crashes) this.#options.onCrash();
        if (this.#over) return cancelled(index);
        return errorKind(retryable, index);
      }
      if (index === utterance.frames) break;
      if (index % habits.burstFrames === 0 && index > 0) {
        const slow = weather.strikes(draw, 0.02) ? draw.between(100, 1_000) : 0;
        await this.#compute(habits.msPerFrame * habits.burstFrames + slow);
        if (await this.#gateShut(utteranceId)) return cancelled(index);
      }
      const pcm = voicePcm(ledger.speak(utterance, index));
      this.#say(pending, { case: "audio", value: { seq: index, pcm } });
      await this.#stream?.room();
    }
    if (habits.timings === "after") this.#sayWords(pending, utterance);
    return { case: "done", value: { samples: utterance.frames * 960 } };
  }

  /** Waits while it is paused; true when this utterance is not wanted any more. */
  async #gateShut(utteranceId: string): Promise<boolean> {
    for (;;) {
      if (this.#over || this.#stopped.has(utteranceId)) return true;
      if (!this.#paused) return false;
      await this.#changed.promise;
    }
  }

  async #compute(ms: number): Promise<void> {
    await delay(this.#options.party, ms);
  }

  #sayWords(pending: Pending, utterance: SpokenUtterance): void {
    if (utterance.words.length === 0) return;
    const words = utterance.words.map((word) => ({ ...word, source: TimingSource.MEASURED }));
    this.#say(pending, { case: "wordTimings", value: { words } });
  }

  #say({ utteranceId, attempt }: Pending, kind: AudioFrame["kind"] | InitKind): void {
    if (this.#over) return;
    const bytes = kind.case === "audio" ? FRAME_BYTES : 50;
    const frame = create(AudioFrameSchema, { utteranceId, attempt, kind: kind as InitKind });
    this.#stream?.answer(bytes, frame);
  }

  #sayProgress(): void {
    this.#options.party.setTimer(PROGRESS_MS, () => {
      if (this.#over || this.#stream?.ended) return;
      this.#stream?.answer(20, PROGRESS);
      this.#sayProgress();
    });
  }
}

interface Pending {
  utteranceId: string;
  attempt: number;
  text: string;
  ended: boolean;
}

type InitKind = NonNullable<MessageInitShape<typeof AudioFrameSchema>["kind"]>;

function cancelled(frames: number): InitKind {
  return { case: "cancelled", value: { samples: frames * 960 } };
}

function errorKind(retryable: boolean, frames: number): InitKind {
  const code = retryable ? "unavailable" : "deadline_exceeded";
  return {
    case: "error",
    value: {
      code,
      message: "the model failed",
      retryable,
      samples: frames * 960,
    },
  };
}

const PROGRESS = create(AudioFrameSchema, { kind: { case: "progress", value: {} } });
const PROGRESS_MS = 100;
