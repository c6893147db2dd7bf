/** Speech synthesis over RPC: sessions, their streams and controls. Owns validation and the errors' border; utterances are in `speech-stream.ts`. */
import {
  AntiphonError,
  ID_BYTES_MAX,
  PROGRESS_INTERVAL_MS,
  SAMPLE_RATE_HZ,
} from "@antiphon/protocol";
import {
  ControlAction,
  ControlOutcome,
  fromConnectError,
  type StartSessionRequest,
  type SynthesizeRequest,
  type TtsService,
  toConnectError,
} from "@antiphon/protocol/worker";
import type { Timer } from "@antiphon/runtime";
import type { Log } from "@antiphon/runtime/log";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { ProgressTimer } from "./progress-timer.ts";
import { SpeechSession } from "./speech-session.ts";
import { SpeechStream } from "./speech-stream.ts";
import { checkVoiceRequest, claimVoice, type VoiceClaimDeps } from "./voice-claim.ts";

export interface TtsServiceDeps extends VoiceClaimDeps {
  log: Log;
}

export interface TtsServer {
  readonly service: ServiceImpl<typeof TtsService>;
  /** Utterances accepted and not over, on all streams. */
  readonly pending: number;
  /** From now on nothing is begun: new sessions and utterances are `unavailable`. */
  drain(): void;
  /** Every stream ends, every session is forgotten. */
  close(): void;
}

export function createTtsService(deps: TtsServiceDeps): TtsServer {
  const server = new Server(deps);
  return {
    service: {
      startSession: (request, context) =>
        atBorder(deps.log, () => server.startSession(request, context.signal)),
      synthesize: (requests, context) => server.synthesize(requests, context.signal),
      control: (request) => atBorder(deps.log, () => server.control(request)),
      endSession: (request) => atBorder(deps.log, () => server.endSession(request.sessionId)),
    },
    get pending() {
      return server.pending;
    },
    drain: () => server.drain(),
    close: () => server.close(),
  };
}

class Server {
  readonly #deps: TtsServiceDeps;
  readonly #sessions = new Map<string, SpeechSession>();
  readonly #idleTimers = new Map<string, Timer>();
  readonly #streams = new Set<SpeechStream>();
  readonly #progress: ProgressTimer;
  #draining = false;

  constructor(deps: TtsServiceDeps) {
    this.#deps = deps;
    this.#progress = new ProgressTimer(deps.clock, PROGRESS_INTERVAL_MS);
  }

  get pending(): number {
    let pending = 0;
    for (const stream of this.#streams) pending += stream.pending;
    return pending;
  }

  async startSession(request: StartSessionRequest, signal: AbortSignal) {
    const { sessionId } = request;
    checkId("session", sessionId);
    checkVoiceRequest(request);
    if (this.#draining) throw leaving();
    if (!this.#sessions.has(sessionId) && this.#sessions.size >= SESSIONS_MAX) {
      throw new AntiphonError("overloaded", "This worker has as many sessions as it can hold.", {
        details: { retryAfterMs: 5_000 },
      });
    }
    const claim = await claimVoice(request, this.#deps, signal);
    const session = this.#sessions.get(sessionId);
    if (session === undefined) this.#sessions.set(sessionId, new SpeechSession(sessionId, claim));
    else session.replaceClaim(claim);
    this.#watchIdle(sessionId);
    const { model, voice, language } = claim.settings;
    return {
      model,
      voice,
      language,
      sampleRateHz: SAMPLE_RATE_HZ,
      wholeUtterance: claim.lease.description.wholeUtterance,
    };
  }

  async *synthesize(requests: AsyncIterable<SynthesizeRequest>, signal: AbortSignal) {
    const stream = new SpeechStream({ draining: () => this.#draining, log: this.#deps.log });
    this.#streams.add(stream);
    const stopProgress = this.#progress.start(() => stream.gate.sayProgress());
    const onAbort = () => stream.close();
    signal.addEventListener("abort", onAbort, { once: true });
    void this.#read(stream, requests);
    try {
      yield* stream.responses();
    } catch (reason) {
      // A caller that went away is not told anything any more.
      if (!signal.aborted) throw atBorderError(this.#deps.log, reason);
    } finally {
      stopProgress();
      signal.removeEventListener("abort", onAbort);
      stream.close();
      this.#streams.delete(stream);
      this.#detach(stream);
    }
  }

  control(request: {
    sessionId: string;
    utteranceId: string;
    action: ControlAction;
    controlSeq: number;
  }) {
    const { sessionId, utteranceId, controlSeq } = request;
    checkId("session", sessionId);
    if (utteranceId !== "") checkId("utterance", utteranceId);
    const action = actionOf(request.action);
    if (controlSeq === 0) throw new AntiphonError("invalid_argument", "control_seq starts at 1.");
    const session = this.#sessions.get(sessionId);
    if (session === undefined) throw new AntiphonError("not_found", "There is no such session.");
    const applied = session.control(action, utteranceId, controlSeq);
    if (session.stream === undefined) this.#watchIdle(sessionId);
    return {
      outcome: applied ? ControlOutcome.APPLIED : ControlOutcome.STALE,
      paused: session.paused,
      appliedSeq: session.appliedSeq,
    };
  }

  endSession(sessionId: string) {
    checkId("session", sessionId);
    this.#forget(sessionId);
    return {};
  }

  drain(): void {
    this.#draining = true;
  }

  close(): void {
    this.#draining = true;
    for (const stream of this.#streams) stream.fail(leaving());
    for (const id of [...this.#sessions.keys()]) this.#forget(id);
  }

  /** Takes the caller's messages until they end; settles whatever happens. */
  async #read(stream: SpeechStream, requests: AsyncIterable<SynthesizeRequest>): Promise<void> {
    let session: SpeechSession | undefined;
    try {
      for await (const request of requests) {
        session ??= this.#attach(stream, request.sessionId);
        if (request.sessionId !== "" && request.sessionId !== session.id) {
          throw new AntiphonError("invalid_argument", "One stream belongs to one session.");
        }
        checkId("utterance", request.utteranceId);
        stream.accept(request);
      }
      stream.halfClose();
    } catch (reason) {
      stream.fail(readFailure(reason));
    }
  }

  #attach(stream: SpeechStream, sessionId: string): SpeechSession {
    checkId("session", sessionId);
    const session = this.#sessions.get(sessionId);
    if (session === undefined) {
      throw new AntiphonError("failed_precondition", "StartSession comes before text.");
    }
    session.attach(stream);
    this.#idleTimers.get(sessionId)?.cancel();
    return session;
  }

  #detach(stream: SpeechStream): void {
    for (const session of this.#sessions.values()) {
      if (session.stream !== stream) continue;
      session.detach();
      this.#watchIdle(session.id);
    }
  }

  /** A session without a stream is forgotten after a while: its caller has died without a word. */
  #watchIdle(sessionId: string): void {
    this.#idleTimers.get(sessionId)?.cancel();
    if (this.#sessions.get(sessionId)?.stream !== undefined) return;
    this.#idleTimers.set(
      sessionId,
      this.#deps.clock.setTimer(SESSION_IDLE_MS, () => this.#forget(sessionId)),
    );
  }

  #forget(sessionId: string): void {
    this.#idleTimers.get(sessionId)?.cancel();
    this.#idleTimers.delete(sessionId);
    this.#sessions.get(sessionId)?.end();
    this.#sessions.delete(sessionId);
  }
}

async function atBorder<T>(log: Log, call: () => T | Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (reason) {
    throw atBorderError(log, reason);
  }
}

function atBorderError(log: Log, reason: unknown) {
  const error = AntiphonError.from(reason);
  if (error.code === "internal") log.error({ err: reason }, "speech call failed");
  return toConnectError(error);
}

/** What reading the caller's messages can end in. */
function readFailure(reason: unknown): AntiphonError {
  if (reason instanceof ConnectError && reason.code === Code.ResourceExhausted) {
    return new AntiphonError("too_large", "A message is over its limit.", { cause: reason });
  }
  return fromConnectError(reason);
}

function checkId(what: string, id: string): void {
  const bytes = Buffer.byteLength(id);
  if (bytes >= 1 && bytes <= ID_BYTES_MAX) return;
  throw new AntiphonError(
    "invalid_argument",
    `A ${what} id has 1 to ${ID_BYTES_MAX} bytes, not ${bytes}.`,
  );
}

function actionOf(action: ControlAction): "pause" | "resume" | "stop" {
  switch (action) {
    case ControlAction.PAUSE:
      return "pause";
    case ControlAction.RESUME:
      return "resume";
    case ControlAction.STOP:
      return "stop";
    default:
      throw new AntiphonError("invalid_argument", "The action is PAUSE, RESUME or STOP.");
  }
}

function leaving(): AntiphonError {
  return new AntiphonError("unavailable", "This worker is leaving.");
}

/** Far beyond what one machine can speak at once; bounds what forgotten sessions cost. */
const SESSIONS_MAX = 512;
/** Longer than any pause between two replies that an orchestrator survives. */
const SESSION_IDLE_MS = 10 * 60_000;
