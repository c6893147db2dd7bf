/** A simulated worker as the orchestrator sees it: RPC clients, beats, and a process that may hang or die. Owns the process; voice and recognition are its services. */
import {
  type AudioFrame,
  ControlAction,
  ControlOutcome,
  ControlResponseSchema,
  EndSessionResponseSchema,
  StartSessionResponseSchema,
  type TranscribeResponse,
} from "@antiphon/protocol/worker";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { asrModel, beat, ttsModel } from "../../apps/orchestrator/src/routing/testing/beats.ts";
import type { WorkerConnection } from "../../apps/orchestrator/src/routing/worker-connections.ts";
import type { WorkerRegistry } from "../../apps/orchestrator/src/routing/worker-registry.ts";
import type { Draw } from "./draw.ts";
import { Link } from "./link.ts";
import {
  type Lexicon,
  type RecognitionHabits,
  RecognitionStream,
  type TranscribeRequest,
} from "./recognition-service.ts";
import { RpcStream } from "./rpc-stream.ts";
import type { Trace } from "./trace.ts";
import type { Party } from "./virtual-clock.ts";
import type { VoiceLedger } from "./voice-ledger.ts";
import { type SynthesizeRequest, type VoiceHabits, VoiceStream } from "./voice-service.ts";
import type { Weather } from "./weather.ts";

export interface WorkerProcessOptions {
  workerId: string;
  party: Party;
  orchestrator: Party;
  registry: WorkerRegistry;
  draw: Draw;
  weather: Weather;
  ledger: VoiceLedger;
  lexicon: Lexicon;
  trace: Trace;
  voice: VoiceHabits;
  recognition: RecognitionHabits;
  /** The orchestrator has read this frame of audio. */
  onAudioRead(utteranceId: string, attempt: number): void;
  onDead(): void;
}

export class WorkerProcess {
  readonly connection: WorkerConnection;
  readonly workerId: string;
  readonly #options: WorkerProcessOptions;
  readonly #up: Link;
  readonly #down: Link;
  readonly #claims = new Set<string>();
  readonly #voices = new Map<string, VoiceStream>();
  readonly #recognitions = new Set<RecognitionStream>();
  readonly #open = new Set<{ fail(error: Error): void; readonly ended: boolean }>();
  /** Streams on which something was asked for, and the last PAUSE or RESUME of their sessions. */
  readonly #speaking = new Map<string, { readonly ended: boolean }>();
  readonly #lastOrder = new Map<string, ControlAction>();
  #dead = false;
  #beatSeq = 0;

  constructor(options: WorkerProcessOptions) {
    this.#options = options;
    this.workerId = options.workerId;
    const { draw, party, orchestrator, weather } = options;
    const rough = weather.severity;
    const habits = {
      delayMs: draw.between(0.2, 3),
      jitterMs: draw.between(0, 4) * rough,
      stallChance: 0.0005 * rough,
      stallMsMax: 500,
    };
    this.#up = new Link({ to: party, draw: draw.stream("up"), habits });
    this.#down = new Link({ to: orchestrator, draw: draw.stream("down"), habits });
    this.connection = this.#connect();
    this.#beat();
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** What the orchestrator holds here. */
  get held(): { claims: number; streams: number } {
    if (this.#dead) return { claims: 0, streams: 0 };
    const streams = [...this.#open].filter(({ ended }) => !ended).length;
    return { claims: this.#claims.size, streams };
  }

  /** A voice speaks here, and its gate was not ordered shut: the order may still be on its way. */
  get unpaused(): boolean {
    return [...this.#speaking].some(
      ([sessionId, stream]) =>
        !stream.ended && this.#lastOrder.get(sessionId) !== ControlAction.PAUSE,
    );
  }

  calm(): void {
    this.#up.calm();
    this.#down.calm();
  }

  /** The process ends. `silently`: as one that was stopped, its connections stay open and say nothing. */
  die(silently: boolean): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#options.trace.note(this.workerId, silently ? "hangs for good" : "crashes");
    for (const voice of this.#voices.values()) voice.close();
    for (const recognition of this.#recognitions) recognition.close();
    if (!silently) {
      const error = new ConnectError("connection reset", Code.Unavailable);
      this.#options.orchestrator.setTimer(1, () => {
        for (const stream of this.#open) stream.fail(error);
      });
    }
    this.#options.onDead();
  }

  #beat(): void {
    if (this.#dead) return;
    const { registry, orchestrator, party } = this.#options;
    const next = beat(this.workerId, ++this.#beatSeq, { models: MODELS });
    this.#down.send(200, () => registry.accept(next));
    void orchestrator;
    party.setTimer(BEAT_MS, () => this.#beat());
  }

  #connect(): WorkerConnection {
    const tts = {
      startSession: (request: { sessionId?: string; voice?: string }, options?: CallOptions) =>
        this.#call(options, () => {
          const { draw, weather } = this.#options;
          if (weather.strikes(draw, 0.05)) throw new ConnectError("full", Code.ResourceExhausted);
          this.#claims.add(request.sessionId ?? "");
          const { voice = "" } = request;
          return create(StartSessionResponseSchema, {
            model: "flite",
            voice: voice === "" ? "slt" : voice,
            sampleRateHz: 48_000,
          });
        }),
      synthesize: (requests: AsyncIterable<SynthesizeRequest>, options?: CallOptions) =>
        this.#synthesize(requests, options?.signal),
      control: (
        request: {
          sessionId?: string;
          utteranceId?: string;
          action?: ControlAction;
          controlSeq?: number;
        },
        options?: CallOptions,
      ) => {
        const { sessionId = "", utteranceId = "", action = 0, controlSeq = 0 } = request;
        if (action !== ControlAction.STOP) this.#lastOrder.set(sessionId, action);
        return this.#call(options, () => {
          const voice = this.#voices.get(sessionId);
          this.#options.trace.note(this.workerId, `control ${action} ${utteranceId}`);
          const applied = voice?.control(action, utteranceId, controlSeq) ?? false;
          return create(ControlResponseSchema, {
            outcome: applied ? ControlOutcome.APPLIED : ControlOutcome.STALE,
            paused: voice?.paused ?? false,
          });
        });
      },
      endSession: ({ sessionId = "" }: { sessionId?: string }, options?: CallOptions) =>
        this.#call(options, () => {
          this.#claims.delete(sessionId);
          this.#voices.get(sessionId)?.close();
          this.#voices.delete(sessionId);
          return create(EndSessionResponseSchema);
        }),
    };
    const asr = {
      transcribe: (requests: AsyncIterable<TranscribeRequest>, options?: CallOptions) =>
        this.#transcribe(requests, options?.signal),
    };
    return { tts, asr } as unknown as WorkerConnection;
  }

  /** One unary call; an aborted one still arrives. */
  #call<T>(options: CallOptions | undefined, serve: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const signal = options?.signal;
      const aborted = () => reject(new ConnectError("aborted", Code.Canceled));
      if (signal?.aborted) {
        aborted();
        return;
      }
      signal?.addEventListener("abort", aborted, { once: true });
      if (this.#dead) {
        this.#options.orchestrator.setTimer(1, () =>
          reject(new ConnectError("connection refused", Code.Unavailable)),
        );
        return;
      }
      this.#up.send(100, () => {
        if (this.#dead) return;
        try {
          const answer = serve();
          this.#down.send(100, () => resolve(answer));
        } catch (reason) {
          this.#down.send(100, () => reject(reason));
        }
      });
    });
  }

  #synthesize(requests: AsyncIterable<SynthesizeRequest>, signal: AbortSignal | undefined) {
    const { party, draw, weather, ledger, voice: habits } = this.#options;
    const voice = new VoiceStream({
      party,
      draw: draw.stream(`voice ${this.#open.size}`),
      weather,
      ledger,
      habits,
      onCrash: () => this.die(draw.chance(0.3)),
    });
    let sessionId: string | undefined;
    const stream = new RpcStream<SynthesizeRequest, AudioFrame>({
      requests,
      signal,
      up: this.#up,
      down: this.#down,
      onRead: ({ kind, utteranceId, attempt }) => {
        if (kind.case === "audio") this.#options.onAudioRead(utteranceId, attempt);
      },
      onRequest: (request) => {
        if (sessionId === undefined) {
          sessionId = request.sessionId ?? "";
          this.#voices.set(sessionId, voice);
          this.#speaking.set(sessionId, stream);
        }
        voice.request(request);
      },
      onEnded: () => voice.close(),
    });
    this.#track(stream);
    voice.attach(stream);
    return stream;
  }

  #transcribe(requests: AsyncIterable<TranscribeRequest>, signal: AbortSignal | undefined) {
    const { party, draw, weather, lexicon, recognition: habits } = this.#options;
    const recognition = new RecognitionStream({
      party,
      draw: draw.stream(`recognition ${this.#open.size}`),
      weather,
      habits,
      lexicon,
      onCrash: () => this.die(draw.chance(0.3)),
    });
    const stream = new RpcStream<TranscribeRequest, TranscribeResponse>({
      requests,
      signal,
      up: this.#up,
      down: this.#down,
      onRequest: (request) => recognition.request(request),
      onEnded: () => {
        recognition.close();
        this.#recognitions.delete(recognition);
      },
    });
    this.#recognitions.add(recognition);
    this.#track(stream);
    recognition.attach(stream);
    return stream;
  }

  #track(stream: { fail(error: Error): void; readonly ended: boolean }): void {
    this.#open.add(stream);
    if (!this.#dead) return;
    this.#options.orchestrator.setTimer(1, () =>
      stream.fail(new ConnectError("connection refused", Code.Unavailable)),
    );
  }
}

interface CallOptions {
  signal?: AbortSignal;
}

const MODELS = [ttsModel({ slots: 8 }), asrModel({ slots: 8 })];
const BEAT_MS = 200;
