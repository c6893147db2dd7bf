/** The server's end of a simulated world: the orchestrator's own session, transport, routing and recognition, with simulated workers, model and detector behind them. Builds it; the course of a run is `simulation.ts`'s. */
import { AntiphonError, type SessionOptions } from "@antiphon/protocol";
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
import { CodedDetector } from "./coded-detector.ts";
import type { Draw } from "./draw.ts";
import { FaultyLanguageModel } from "./faulty-language-model.ts";
import type { FrameWatch } from "./frame-watch.ts";
import type { HeardWatch } from "./heard-watch.ts";
import type { HeldWatch } from "./held-watch.ts";
import type { Lexicon } from "./recognition-service.ts";
import type { Scenario } from "./scenario.ts";
import type { ServerEnd } from "./socket-pair.ts";
import type { Trace } from "./trace.ts";
import type { Verdict } from "./verdict.ts";
import type { Party, VirtualClock } from "./virtual-clock.ts";
import type { VoiceLedger } from "./voice-ledger.ts";
import { type VoiceCounts, watchSynthesizer } from "./watched-synthesizer.ts";
import type { Weather } from "./weather.ts";
import { WorkerPool } from "./worker-pool.ts";

export interface OrchestratorSideOptions {
  scenario: Scenario;
  clock: VirtualClock;
  party: Party;
  world: Party;
  draw: Draw;
  weather: Weather;
  trace: Trace;
  verdict: Verdict;
  ledger: VoiceLedger;
  lexicon: Lexicon;
  counts: VoiceCounts;
  frames: FrameWatch;
  heard: HeardWatch;
  held: HeldWatch;
  /** Nothing that was stopped waits for its last report. */
  settled(): boolean;
}

export class OrchestratorSide {
  readonly pool: WorkerPool;
  readonly llm: FaultyLanguageModel;
  readonly detector: CodedDetector;
  session: Session | undefined;
  /** Why the session ended, "normal" or a code. */
  ended: string | undefined;
  readonly #options: OrchestratorSideOptions;
  readonly #deps: SessionDeps;

  constructor(options: OrchestratorSideOptions) {
    this.#options = options;
    const { clock, party, world, draw, weather, trace, verdict, ledger, lexicon } = options;
    const { scenario, counts, frames, heard, held } = options;
    const arrivals = clock.party("arrivals", party);
    const random = draw.stream("routing");
    const registry = new WorkerRegistry({ clock: party, log: LOG });
    this.pool = new WorkerPool({
      clock,
      world,
      workers: scenario.workers,
      orchestrator: arrivals,
      registry,
      draw: draw.stream("pool"),
      weather,
      ledger,
      lexicon,
      trace,
      onAudioRead: (utteranceId, attempt) => frames.read(utteranceId, attempt),
      voice: scenario.voice,
      recognition: scenario.recognition,
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
      onAsked: (request) => heard.asked(request),
    });
    this.detector = new CodedDetector({
      party: arrivals,
      draw: draw.stream("detector"),
      weather,
      onWindow: (window) => held.window(window),
      onJudged: (window) => held.judged(window),
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
          onTaken: (utteranceId) => frames.took(utteranceId),
          onOver: (utteranceId) => frames.over(utteranceId),
        },
      ),
      llm: this.llm,
      defaults: { ...SESSION_DEFAULTS, ...DEFAULTS },
    };
  }

  /** A socket with a lease, as the session host takes it. */
  accept(socket: ServerEnd): void {
    const { heard, settled, verdict, trace } = this.#options;
    const webSocket = socket as unknown as WebSocket;
    const transport = new WebSocketTransport(webSocket, LEASE_EPOCH);
    const session = new Session(
      this.#deps,
      { sessionId: "s", leaseEpoch: LEASE_EPOCH, history: [], turnNumber: 0 },
      {
        transport,
        records: {
          put: (snapshot: SessionSnapshot) => heard.written(snapshot, settled()),
          flush: () => Promise.resolve(),
        },
        onEnded: (end) => {
          verdict.demand(this.ended === undefined, "terminal", "the session ends twice");
          const error = end.kind === "error" ? AntiphonError.from(end.error) : undefined;
          this.ended = error?.code ?? "normal";
          trace.note("orchestrator", `session ended: ${this.ended}`);
          verdict.demand(
            this.ended !== "internal",
            "fault",
            () =>
              `the session failed: ${String((error?.cause as Error | undefined)?.stack ?? error?.stack)}`,
          );
        },
      },
    );
    this.session = session;
    connectSocket(webSocket, session, transport);
  }

  /** Whether a typed turn would be taken now. */
  takesTurns(options: SessionOptions): boolean {
    const kind = this.session?.state.kind;
    return (
      options.respond !== false && kind !== undefined && kind !== "idle" && kind !== "terminated"
    );
  }
}

const LEASE_EPOCH = 1;
const DEFAULTS = { idleTimeoutMs: 120_000, synthesisOpenTimeoutMs: 5_000 };
const LOG = createLog({ name: "simulation", level: "silent" });
