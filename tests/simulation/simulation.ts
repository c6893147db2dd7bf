/** One seed's conversation from the first handshake to the last timer: the real code of both ends in a world of its own. Owns the course of a run; the parts are beside it. */
import {
  type ClientMessage,
  type ClientMessageOf,
  decodeVoiceFrame,
  type ServerMessage,
} from "@antiphon/protocol";
import { isQuiet } from "../../apps/orchestrator/src/session/session-state.ts";
import { ClientSide } from "./client-side.ts";
import { Draw } from "./draw.ts";
import { Ear } from "./ear.ts";
import { FrameWatch } from "./frame-watch.ts";
import { HeardWatch } from "./heard-watch.ts";
import { HeldWatch } from "./held-watch.ts";
import { Link } from "./link.ts";
import { MessageWatch } from "./message-watch.ts";
import { OrchestratorSide } from "./orchestrator-side.ts";
import { NO_WORD } from "./person.ts";
import { ReplyBook } from "./reply-book.ts";
import { drawScenario, type Scenario } from "./scenario.ts";
import { type ClientEnd, SocketPair } from "./socket-pair.ts";
import { Trace } from "./trace.ts";
import { Verdict, type Violation } from "./verdict.ts";
import { type Party, VirtualClock } from "./virtual-clock.ts";
import { VoiceLedger } from "./voice-ledger.ts";
import { Weather } from "./weather.ts";

export interface RunResult {
  seed: number;
  steps: number;
  violations: Violation[];
  trace: Trace;
}

/** Runs one seed to its end, or to its first violation. */
export async function simulate(seed: number, options: { trace: boolean }): Promise<RunResult> {
  const simulation = new Simulation(drawScenario(seed), options.trace);
  const onRejection = (reason: unknown) => simulation.fault(reason);
  process.on("unhandledRejection", onRejection);
  try {
    await simulation.run();
  } finally {
    process.off("unhandledRejection", onRejection);
  }
  return simulation.result;
}

class Simulation {
  readonly #scenario: Scenario;
  readonly #clock = new VirtualClock();
  readonly #draw: Draw;
  readonly #trace: Trace;
  readonly #verdict: Verdict;
  readonly #weather: Weather;
  readonly #world: Party;
  readonly #server: Party;
  readonly #browser: Party;
  readonly #book = new ReplyBook();
  readonly #ear: Ear;
  readonly #frames: FrameWatch;
  readonly #heard: HeardWatch;
  readonly #held: HeldWatch;
  readonly #messages: MessageWatch;
  readonly #orchestrator: OrchestratorSide;
  readonly #client: ClientSide;
  #pair: SocketPair | undefined;
  #links: Link[] = [];
  /** What is being said a second time, or made up. */
  #repeated: string | undefined;
  #clientStalledMs = Number.NEGATIVE_INFINITY;

  constructor(scenario: Scenario, traced: boolean) {
    this.#scenario = scenario;
    const clock = this.#clock;
    const nowMs = () => clock.nowMs;
    this.#draw = new Draw(scenario.seed);
    this.#trace = new Trace(traced, nowMs);
    this.#verdict = new Verdict(nowMs);
    this.#weather = new Weather(scenario.severity);
    this.#world = clock.party("world");
    this.#server = clock.party("orchestrator");
    this.#browser = clock.party("client");
    const verdict = this.#verdict;
    const book = this.#book;
    const ledger = new VoiceLedger();
    const lexicon = [NO_WORD];
    const counts = { claims: 0, utterances: 0, paused: false };
    const reported = scenario.options.playback !== "none";
    this.#ear = new Ear(verdict, reported);
    this.#frames = new FrameWatch({ party: this.#server, verdict, book, ledger, reported });
    this.#heard = new HeardWatch({
      verdict,
      book,
      ear: this.#ear,
      reported,
      preemptive: scenario.options.preemptiveGeneration === true,
      reportLagMs: () => this.#client.listener.reportLagMs,
      clientStalled: () => clock.nowMs - this.#clientStalledMs < STALL_FELT_MS,
    });
    this.#held = new HeldWatch({
      party: this.#server,
      verdict,
      book,
      voice: counts,
      gatesShut: () => this.#orchestrator.pool.paused,
      options: scenario.options,
    });
    this.#messages = new MessageWatch({
      verdict,
      trace: this.#trace,
      book,
      frames: this.#frames,
      heard: this.#heard,
      faultless: scenario.severity === 0,
      nowMs,
    });
    this.#orchestrator = new OrchestratorSide({
      scenario,
      clock,
      party: this.#server,
      world: this.#world,
      draw: this.#draw.stream("orchestrator"),
      weather: this.#weather,
      trace: this.#trace,
      verdict,
      ledger,
      lexicon,
      counts,
      frames: this.#frames,
      heard: this.#heard,
      held: this.#held,
      settled: () => !book.replies.some((reply) => reply.stoppedMs !== undefined && !reply.done),
    });
    this.#counts = counts;
    this.#client = new ClientSide({
      scenario,
      clock,
      party: this.#browser,
      draw: this.#draw.stream("client"),
      trace: this.#trace,
      ear: this.#ear,
      lexicon,
      onDialled: (end) => this.#dialled(end),
    });
  }

  readonly #counts: { claims: number; utterances: number; paused: boolean };

  get result(): RunResult {
    return {
      seed: this.#scenario.seed,
      steps: this.#clock.steps,
      violations: this.#verdict.violations,
      trace: this.#trace,
    };
  }

  fault(reason: unknown): void {
    const stack = reason instanceof Error ? reason.stack : String(reason);
    this.#verdict.demand(false, "fault", () => `nobody caught ${stack}`);
  }

  async run(): Promise<void> {
    this.#trace.note("world", JSON.stringify(this.#scenario));
    this.#strike();
    await this.#until(this.#scenario.talkMs, () => this.#over);
    this.#weather.clearUp();
    for (const link of this.#links) link.calm();
    this.#orchestrator.pool.calm();
    this.#trace.note("world", "falls silent; nothing fails any more");
    if (!this.#over) this.#client.person?.fallSilent();
    await this.#comeToRest();
    if (this.#client.closed === undefined) {
      this.#trace.note("person", "hangs up");
      this.#client.hangUp();
    }
    await this.#until(this.#clock.nowMs + LAST_TIMER_MS, () => false);
    this.#leaks();
  }

  get #over(): boolean {
    return this.#orchestrator.ended !== undefined && this.#client.closed !== undefined;
  }

  /** Steps until then, or until there is no reason to. */
  async #until(untilMs: number, enough: () => boolean): Promise<void> {
    while (this.#verdict.clean && !enough()) {
      if (!(await this.#clock.step(untilMs))) return;
      this.#messages.step();
      this.#frames.step();
      this.#held.step();
    }
  }

  /** With nobody speaking and nothing failing: LISTENING, or at an end. */
  async #comeToRest(): Promise<void> {
    const deadlineMs = this.#clock.nowMs + REST_MS_MAX;
    let restsSinceMs: number | undefined;
    await this.#until(deadlineMs, () => {
      if (this.#over) return true;
      const { session } = this.#orchestrator;
      const rests =
        session !== undefined && isQuiet(session.state) && this.#counts.utterances === 0;
      restsSinceMs = rests ? (restsSinceMs ?? this.#clock.nowMs) : undefined;
      return restsSinceMs !== undefined && this.#clock.nowMs - restsSinceMs >= REST_MS_MIN;
    });
    this.#verdict.demand(
      !this.#verdict.clean || this.#clock.nowMs < deadlineMs,
      "quiet",
      () =>
        `${REST_MS_MAX} ms after the last fault: ${JSON.stringify(this.#orchestrator.session?.state)}, ended: ${this.#orchestrator.ended}, the client: ${this.#client.closed}`,
    );
  }

  #leaks(): void {
    if (!this.#verdict.clean) return;
    const left = {
      serverTimers: this.#server.pendingTimers,
      clientTimers: this.#browser.pendingTimers,
      voices: this.#counts.claims,
      utterances: this.#counts.utterances,
      answers: this.#orchestrator.llm.open,
      detectors: this.#orchestrator.detector.openStreams,
      ...this.#orchestrator.pool.held,
      unendedReplies: this.#book.replies.filter((reply) => !reply.done).length,
    };
    for (const [what, count] of Object.entries(left)) {
      this.#verdict.demand(count === 0, "leak", () => `${what}: ${count} at the end`);
    }
    this.#verdict.demand(
      this.#orchestrator.ended !== undefined && this.#client.closed !== undefined,
      "quiet",
      "somebody does not know that it is over",
    );
  }

  /** Once a second: what may befall processes and connections. */
  #strike(): void {
    const { faults } = this.#scenario;
    const draw = this.#draw.stream("faults");
    const note = (what: string) => this.#trace.note("world", what);
    const strike = () => {
      if (this.#weather.calm) return;
      if (this.#weather.strikes(draw, faults.serverStalls)) {
        const ms = draw.chance(0.2) ? draw.between(300, 1_500) : draw.between(10, 250);
        note(`the server stands still for ${ms.toFixed(0)} ms`);
        this.#server.stall(ms);
      }
      if (this.#weather.strikes(draw, faults.clientStalls)) {
        const ms = draw.chance(0.2) ? draw.between(300, 2_500) : draw.between(10, 250);
        note(`the client stands still for ${ms.toFixed(0)} ms`);
        this.#browser.stall(ms);
        this.#clientStalledMs = this.#clock.nowMs + ms;
      }
      if (this.#weather.strikes(draw, faults.workerDeaths)) this.#orchestrator.pool.killOne();
      if (this.#weather.strikes(draw, faults.clientLost)) {
        note("the client's connection is gone");
        this.#pair?.cut(draw.between(0, 2_000), draw.between(0, 2_000));
      }
      this.#world.setTimer(draw.between(500, 1_500), strike);
    };
    this.#world.setTimer(draw.between(500, 1_500), strike);
  }

  #dialled(end: ClientEnd): void {
    const { up, down } = this.#scenario;
    const toServer = this.#clock.party("to server", this.#server);
    const toClient = this.#clock.party("to client", this.#browser);
    this.#links = [
      new Link({ to: toServer, draw: this.#draw.stream("up"), habits: up }),
      new Link({ to: toClient, draw: this.#draw.stream("down"), habits: down }),
    ];
    const [upLink, downLink] = this.#links as [Link, Link];
    const pair = new SocketPair(end, {
      client: toClient,
      server: toServer,
      up: upLink,
      down: downLink,
      onAccepted: (socket) => this.#orchestrator.accept(socket),
    });
    this.#pair = pair;
    const reports = this.#draw.stream("reports");
    pair.tap({
      serverSends: (data) => this.#serverSends(data),
      clientGets: (data) => this.#clientGets(data),
      clientSends: (data) => this.#clientSends(data),
      serverGets: (data) => this.#serverGets(data, reports),
      serverClosed: () => {
        this.#frames.ended = true;
        this.#messages.closed = true;
        this.#heard.gone();
      },
    });
  }

  #serverSends(data: string | Uint8Array): void {
    if (typeof data !== "string") {
      const frame = decodeVoiceFrame(data);
      if (this.#trace.wanted) {
        this.#trace.note(
          "server",
          `voice epoch ${frame.epoch} utterance ${frame.utterance} seq ${frame.seq}`,
        );
      }
      this.#frames.sent(frame);
      return;
    }
    this.#trace.note("server", data);
    this.#messages.sent(JSON.parse(data) as ServerMessage);
  }

  #clientGets(data: string | Uint8Array): void {
    if (!this.#trace.wanted) return;
    if (typeof data === "string") {
      const { type } = JSON.parse(data) as ServerMessage;
      this.#trace.note("client", `gets ${type}`);
    } else this.#trace.note("client", `gets voice ${decodeVoiceFrame(data).seq}`);
  }

  #clientSends(data: string | Uint8Array): void {
    if (typeof data !== "string") return;
    this.#trace.note("client", data);
    const message = JSON.parse(data) as ClientMessage;
    if (message.type === "playback") this.#heard.claimed(message);
  }

  /** A page whose reports come from another thread may say one twice; a broken or hostile one says what it likes. */
  #misreport(data: string, message: ClientMessageOf<"playback">, draw: Draw): void {
    const { faults } = this.#scenario;
    if (this.#repeated === data) return;
    const later = (json: string, ms: number) =>
      this.#clock.party("echo", this.#server).setTimer(ms, () => {
        this.#repeated = json;
        this.#pair?.toServer(json);
        this.#repeated = undefined;
      });
    const lateMs = draw.between(20, 700);
    if (this.#weather.strikes(draw, faults.staleReports)) later(data, lateMs);
    if (!this.#weather.strikes(draw, faults.falseReports) || message.replyId === null) return;
    const positionSamples = message.positionSamples + draw.below(480_000);
    later(JSON.stringify({ ...message, positionSamples }), lateMs / 10);
  }

  #serverGets(data: string | Uint8Array, draw: Draw): void {
    if (typeof data !== "string") return;
    const message = JSON.parse(data) as ClientMessage;
    if (this.#trace.wanted) this.#trace.note("server", `gets ${data}`);
    if (message.type === "playback") {
      this.#frames.reportedAtMs = this.#clock.nowMs;
      this.#heard.reported(message);
      this.#misreport(data, message, draw);
    }
    if (message.type === "text" && this.#orchestrator.takesTurns(this.#scenario.options)) {
      const text = message.text.trim();
      if (text !== "") this.#heard.typed(text);
    }
  }
}

/** T: a recogniser's last word (10 s), a model's longest stall, a long answer that is spoken no faster than it is heard, and once more. */
const REST_MS_MAX = 60_000;
/** Longer than the silence that ends a turn: what was said last has been taken up by then. */
const REST_MS_MIN = 1_500;
/** Deadlines of what is said once and not waited for; sockets close within 2 s. */
const LAST_TIMER_MS = 4_000;
/** A client that stood still catches up with its reports. */
const STALL_FELT_MS = 1_000;
