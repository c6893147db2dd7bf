/** The server's end of a simulated world: the orchestrator's own session, transport, routing and recognition, with simulated workers, model and detector behind them. Builds it; the course of a run is `simulation.ts`'s. */
import { AntiphonError } from "@antiphon/protocol";
import { createLog } from "@antiphon/runtime/log";
import type { WebSocket } from "ws";
import { createWorkerTranscriber } from "../../apps/orchestrator/src/recognition/worker-transcriber.ts";
import { createWorkerSynthesizer } from "../../apps/orchestrator/src/routing/worker-client.ts";
import { createWorkerRecognisers } from "../../apps/orchestrator/src/routing/worker-recognisers.ts";
import { WorkerRegistry } from "../../apps/orchestrator/src/routing/worker-registry.ts";
import type { SessionSnapshot } from "../../apps/orchestrator/src/session/ports.ts";
import { Session } from "../../apps/orchestrator/src/session/session.ts";
import type { SessionDeps } from "../../apps/orchestrator/src/session/session-deps.ts";
import { SESSION_DEFAULTS } from "../../apps/orchestrator/src/session/testing/session-defaults.ts";
import { Ticker } from "../../apps/orchestrator/src/session/ticker.ts";
import {
  connectSocket,
  WebSocketTransport,
} from "../../apps/orchestrator/src/transport/websocket.ts";
import type { Call, CallIdentity, World } from "./call.ts";
import { CodedDetector } from "./coded-detector.ts";
import type { Draw } from "./draw.ts";
import { FaultyLanguageModel } from "./faulty-language-model.ts";
import type { ServerEnd } from "./socket-pair.ts";
import { watchSynthesizer } from "./watched-synthesizer.ts";
import { WorkerPool } from "./worker-pool.ts";

export interface OrchestratorSideOptions {
  world: World;
  draw: Draw;
  /** The one under way. */
  call(): Call;
}

export class OrchestratorSide {
  readonly pool: WorkerPool;
  readonly llm: FaultyLanguageModel;
  readonly detector: CodedDetector;
  readonly #options: OrchestratorSideOptions;
  readonly #deps: SessionDeps;
  #record: SessionSnapshot | undefined;

  constructor(options: OrchestratorSideOptions) {
    this.#options = options;
    const { world, draw, call } = options;
    const {
      scenario,
      clock,
      server: party,
      weather,
      trace,
      verdict,
      ledger,
      lexicon,
      counts,
    } = world;
    const arrivals = clock.party("arrivals", party);
    const random = draw.stream("routing");
    const registry = new WorkerRegistry({ clock: party, log: LOG });
    this.pool = new WorkerPool({
      clock,
      world: clock.party("launcher"),
      workers: scenario.workers,
      orchestrator: arrivals,
      registry,
      draw: draw.stream("pool"),
      weather,
      ledger,
      lexicon,
      trace,
      voice: scenario.voice,
      recognition: scenario.recognition,
      onAudioRead: (utteranceId, attempt) => call().frames.read(utteranceId, attempt),
    });
    const { connections } = this.pool;
    const routing = { registry, connections, random: () => random.next() };
    const workers = createWorkerRecognisers(routing);
    this.llm = new FaultyLanguageModel({
      party: arrivals,
      draw: draw.stream("llm"),
      weather,
      trace,
      habits: scenario.llm,
      onAsked: (request) => call().heard.asked(request),
    });
    this.detector = new CodedDetector({
      party: arrivals,
      draw: draw.stream("detector"),
      weather,
      onWindow: (window) => call().held.window(window),
      onJudged: (window) => call().held.judged(window),
    });
    this.#deps = {
      clock: party,
      ticker: new Ticker({
        clock: party,
        onError: (_ticked, reason) =>
          verdict.demand(false, "fault", `a tick threw ${String((reason as Error).stack)}`),
      }),
      detector: this.detector,
      transcriber: createWorkerTranscriber({ workers, clock: party, log: LOG }),
      synthesizer: watchSynthesizer(
        createWorkerSynthesizer({ ...routing, clock: party, log: LOG }),
        {
          verdict,
          counts,
          onTaken: (utteranceId) => call().frames.took(utteranceId),
          onOver: (utteranceId) => call().frames.over(utteranceId),
        },
      ),
      llm: this.llm,
      defaults: { ...SESSION_DEFAULTS, ...DEFAULTS },
    };
  }

  /** What a successor would be given of the last session. */
  get record(): Omit<CallIdentity, "leaseEpoch"> {
    const { history = [], turnNumber = 0, owesAnswer = false } = this.#record ?? {};
    return { history, turnNumber, owesAnswer };
  }

  /** A socket with a lease, as the session host takes it. */
  accept(socket: ServerEnd): void {
    const { world, call: current } = this.#options;
    const { verdict, trace, scenario } = world;
    const call = current();
    const { identity } = call;
    const webSocket = socket as unknown as WebSocket;
    const transport = new WebSocketTransport(webSocket, identity.leaseEpoch);
    const session = new Session(
      this.#deps,
      { sessionId: "s", ...identity },
      {
        transport,
        records: {
          put: (snapshot) => {
            this.#record = snapshot;
            call.heard.written(snapshot, call.settled);
          },
          flush: () => Promise.resolve(),
        },
        onEnded: (end) => {
          verdict.demand(call.ended === undefined, "terminal", "the session ends twice");
          const error = end.kind === "error" ? AntiphonError.from(end.error) : undefined;
          const code = error?.code ?? "normal";
          call.ended = code;
          trace.note("orchestrator", `session ended: ${code}`);
          const expected = scenario.severity === 0 ? FAULTLESS_ENDS : ENDS;
          verdict.demand(
            expected.has(code),
            "fault",
            () => `the session ends with ${code}: ${stackOf(error)}`,
          );
        },
      },
    );
    call.session = session;
    connectSocket(webSocket, session, transport);
  }
}

function stackOf(error: Error | undefined): string {
  const cause = error?.cause instanceof Error ? error.cause : error;
  return String(cause?.stack);
}

/** A worker or a voice that cannot be had; nobody here stands still for the 10 s after which a reader is lost. */
const ENDS: ReadonlySet<string> = new Set(["normal", "unavailable", "overloaded"]);
const FAULTLESS_ENDS: ReadonlySet<string> = new Set(["normal"]);
const DEFAULTS = { idleTimeoutMs: 120_000, synthesisOpenTimeoutMs: 5_000 };
const LOG = createLog({ name: "simulation", level: "silent" });
