/** One seed's conversation from the first handshake to the last timer: the real code of both ends in a world of its own. Owns the course of a run; the parts are beside it. */
import { isQuiet } from "../../apps/orchestrator/src/session/session-state.ts";
import { Call, type CallIdentity, type World } from "./call.ts";
import { Draw } from "./draw.ts";
import { OrchestratorSide } from "./orchestrator-side.ts";
import { NO_WORD } from "./person.ts";
import { drawScenario, type Scenario } from "./scenario.ts";
import { Trace } from "./trace.ts";
import { Verdict, type Violation } from "./verdict.ts";
import { VirtualClock } from "./virtual-clock.ts";
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
  readonly #draw: Draw;
  readonly #world: World;
  readonly #orchestrator: OrchestratorSide;
  #calls = 0;
  #call: Call;

  constructor(scenario: Scenario, traced: boolean) {
    this.#scenario = scenario;
    this.#draw = new Draw(scenario.seed);
    const clock = new VirtualClock();
    const nowMs = () => clock.nowMs;
    this.#world = {
      scenario,
      clock,
      server: clock.party("orchestrator"),
      browser: clock.party("client"),
      weather: new Weather(scenario.severity),
      trace: new Trace(traced, nowMs),
      verdict: new Verdict(nowMs),
      ledger: new VoiceLedger(),
      lexicon: [NO_WORD],
      counts: { claims: 0, utterances: 0, paused: false },
      gatesShut: () => this.#orchestrator.pool.paused,
    };
    this.#orchestrator = new OrchestratorSide({
      world: this.#world,
      draw: this.#draw.stream("orchestrator"),
      call: () => this.#call,
    });
    this.#call = this.#dial({ leaseEpoch: 1, history: [], turnNumber: 0, owesAnswer: false });
  }

  get result(): RunResult {
    const { clock, verdict, trace } = this.#world;
    return {
      seed: this.#scenario.seed,
      steps: clock.steps,
      violations: verdict.violations,
      trace,
    };
  }

  fault(reason: unknown): void {
    const stack = reason instanceof Error ? reason.stack : String(reason);
    this.#world.verdict.demand(false, "fault", () => `nobody caught ${stack}`);
  }

  async run(): Promise<void> {
    const { clock, trace, weather, verdict } = this.#world;
    trace.note("world", JSON.stringify(this.#scenario));
    this.#strike();
    const { talkMs } = this.#scenario;
    while (verdict.clean && clock.nowMs < talkMs) {
      await this.#until(talkMs, () => this.#call.over);
      if (!this.#comesBack) break;
      await this.#comeBack();
    }
    weather.clearUp();
    this.#call.calm();
    this.#orchestrator.pool.calm();
    trace.note("world", "falls silent; nothing fails any more");
    if (!this.#call.over) this.#call.client.person?.fallSilent();
    await this.#comeToRest();
    if (this.#call.client.closed === undefined) {
      trace.note("person", "hangs up");
      this.#call.client.hangUp();
    }
    await this.#until(clock.nowMs + LAST_TIMER_MS, () => false);
    this.#leaks();
  }

  /** Nothing fails, nobody is muted, and no word over a reply counts for nothing. */
  get #hearsEverything(): boolean {
    const { severity, person, options } = this.#scenario;
    const { enabled = true, mode = "adaptive", minWords = 1 } = options.interruption ?? {};
    return (
      severity === 0 && person.muting === 0 && enabled && mode === "adaptive" && minWords === 1
    );
  }

  /** Steps until then, or until there is no reason to. */
  async #until(untilMs: number, enough: () => boolean): Promise<void> {
    const { clock, verdict } = this.#world;
    while (verdict.clean && !enough()) {
      if (!(await clock.step(untilMs))) return;
      this.#call.step();
    }
  }

  /** Whoever lost the line may call again; who hung up does not. */
  get #comesBack(): boolean {
    const { closed } = this.#call.client;
    return this.#call.over && closed === "unavailable" && this.#calls < CALLS_MAX;
  }

  /** A new session under a new lease, with the record of the last. */
  async #comeBack(): Promise<void> {
    const { clock, trace } = this.#world;
    await this.#until(clock.nowMs + this.#draw.stream("return").between(100, 1_500), () => false);
    trace.note("person", "calls again");
    const { leaseEpoch } = this.#call.identity;
    this.#call = this.#dial({ leaseEpoch: leaseEpoch + 1, ...this.#orchestrator.record });
  }

  #dial(identity: CallIdentity): Call {
    const draw = this.#draw.stream(`call ${++this.#calls}`);
    return new Call(this.#world, draw, identity, (socket) => this.#orchestrator.accept(socket));
  }

  /** With nobody speaking and nothing failing: LISTENING, or at an end. */
  async #comeToRest(): Promise<void> {
    const { clock, counts, verdict } = this.#world;
    const deadlineMs = clock.nowMs + REST_MS_MAX;
    let restsSinceMs: number | undefined;
    await this.#until(deadlineMs, () => {
      const { session, over } = this.#call;
      if (over) return true;
      const rests = session !== undefined && isQuiet(session.state) && counts.utterances === 0;
      restsSinceMs = rests ? (restsSinceMs ?? clock.nowMs) : undefined;
      return restsSinceMs !== undefined && clock.nowMs - restsSinceMs >= REST_MS_MIN;
    });
    const { session, ended, client, heard } = this.#call;
    if (verdict.clean && ended === undefined && this.#hearsEverything) {
      heard.allSaid(client.person?.said ?? []);
    }
    verdict.demand(
      !verdict.clean || clock.nowMs < deadlineMs,
      "quiet",
      () =>
        `${REST_MS_MAX} ms after the last fault: ${JSON.stringify(session?.state)}, ended: ${ended}, the client: ${client.closed}`,
    );
  }

  #leaks(): void {
    const { verdict, server, browser, counts } = this.#world;
    if (!verdict.clean) return;
    const left = {
      serverTimers: server.pendingTimers,
      clientTimers: browser.pendingTimers,
      voices: counts.claims,
      utterances: counts.utterances,
      answers: this.#orchestrator.llm.open,
      detectors: this.#orchestrator.detector.openStreams,
      ...this.#orchestrator.pool.held,
      unendedReplies: this.#call.book.replies.filter((reply) => !reply.done).length,
    };
    for (const [what, count] of Object.entries(left)) {
      verdict.demand(count === 0, "leak", () => `${what}: ${count} at the end`);
    }
    verdict.demand(this.#call.over, "quiet", "somebody does not know that it is over");
  }

  /** Once a second: what may befall processes and connections. */
  #strike(): void {
    const { clock, trace, weather, server, browser } = this.#world;
    const { faults } = this.#scenario;
    const { pool, llm } = this.#orchestrator;
    const draw = this.#draw.stream("faults");
    const world = clock.party("world");
    const strike = () => {
      if (weather.calm) return;
      if (weather.strikes(draw, faults.serverStalls)) {
        const ms = draw.chance(0.2) ? draw.between(300, 1_500) : draw.between(10, 250);
        trace.note("world", `the server stands still for ${ms.toFixed(0)} ms`);
        server.stall(ms);
      }
      if (weather.strikes(draw, faults.clientStalls)) {
        const ms = draw.chance(0.2) ? draw.between(300, 2_500) : draw.between(10, 250);
        trace.note("world", `the client stands still for ${ms.toFixed(0)} ms`);
        browser.stall(ms);
        this.#call.clientStallsUntil(clock.nowMs + ms);
      }
      if (weather.strikes(draw, faults.workerDeaths)) pool.killOne();
      if (weather.strikes(draw, faults.llmOutages)) llm.goAway(draw.between(500, 4_000));
      if (weather.strikes(draw, faults.clientLost)) {
        trace.note("world", "the client's connection is gone");
        this.#call.lose();
      }
      world.setTimer(draw.between(500, 1_500), strike);
    };
    world.setTimer(draw.between(500, 1_500), strike);
  }
}

/** T: a recogniser's last word (10 s), a model's longest stall, a long answer that is spoken no faster than it is heard, and once more. */
const REST_MS_MAX = 60_000;
/** Longer than the silence that ends a turn: what was said last has been taken up by then. */
const REST_MS_MIN = 1_500;
/** Deadlines of what is said once and not waited for; sockets close within 2 s. */
const LAST_TIMER_MS = 4_000;
const CALLS_MAX = 3;
