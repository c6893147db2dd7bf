/** One call of a simulated world: a socket with both its ends, a listener, a person, and the watches over them. Owns what belongs to this one session; workers and faults outlive it. */
import { type ClientMessage, decodeVoiceFrame, type ServerMessage } from "@antiphon/protocol";
import type { ConversationEntry } from "../../apps/orchestrator/src/session/conversation.ts";
import type { Session } from "../../apps/orchestrator/src/session/session.ts";
import { ClientSide } from "./client-side.ts";
import type { Draw } from "./draw.ts";
import { Ear } from "./ear.ts";
import { FrameWatch } from "./frame-watch.ts";
import { HeardWatch } from "./heard-watch.ts";
import { HeldWatch } from "./held-watch.ts";
import { Link } from "./link.ts";
import { MessageWatch } from "./message-watch.ts";
import { ReplyBook } from "./reply-book.ts";
import type { Scenario } from "./scenario.ts";
import { type ClientEnd, type ServerEnd, SocketPair } from "./socket-pair.ts";
import type { Trace } from "./trace.ts";
import type { Verdict } from "./verdict.ts";
import type { Party, VirtualClock } from "./virtual-clock.ts";
import type { VoiceLedger } from "./voice-ledger.ts";
import type { VoiceCounts } from "./watched-synthesizer.ts";
import type { Weather } from "./weather.ts";

/** What all calls of a run share. */
export interface World {
  scenario: Scenario;
  clock: VirtualClock;
  /** The orchestrator's event loop. */
  server: Party;
  /** The client's main thread. */
  browser: Party;
  weather: Weather;
  trace: Trace;
  verdict: Verdict;
  ledger: VoiceLedger;
  lexicon: Array<{ text: string; frames: number }>;
  counts: VoiceCounts;
  /** PAUSE was said to every voice that speaks. */
  gatesShut(): boolean;
}

export interface CallIdentity {
  leaseEpoch: number;
  history: readonly ConversationEntry[];
  turnNumber: number;
  owesAnswer: boolean;
}

export class Call {
  readonly identity: CallIdentity;
  readonly book = new ReplyBook();
  readonly frames: FrameWatch;
  readonly heard: HeardWatch;
  readonly held: HeldWatch;
  readonly messages: MessageWatch;
  readonly client: ClientSide;
  session: Session | undefined;
  /** Why the session ended, "normal" or a code. */
  ended: string | undefined;
  readonly #world: World;
  readonly #draw: Draw;
  readonly #links: Link[] = [];
  #pair: SocketPair | undefined;
  #clientStalledMs = Number.NEGATIVE_INFINITY;
  /** What is being said a second time, or made up. */
  #repeated: string | undefined;

  constructor(
    world: World,
    draw: Draw,
    identity: CallIdentity,
    onAccepted: (socket: ServerEnd) => void,
  ) {
    this.#world = world;
    this.#draw = draw;
    this.identity = identity;
    const { scenario, clock, server, verdict, trace, ledger, counts, gatesShut } = world;
    const { book } = this;
    const { options } = scenario;
    const reported = options.playback !== "none";
    const nowMs = () => clock.nowMs;
    const ear = new Ear(verdict, reported);
    this.frames = new FrameWatch({ party: server, verdict, book, ledger, reported });
    this.heard = new HeardWatch({
      verdict,
      book,
      ear,
      reported,
      faultless: scenario.severity === 0,
      history: identity.history,
      preemptive: options.preemptiveGeneration === true,
      reportLagMs: () => this.client.listener.reportLagMs,
      clientStalled: () => clock.nowMs - this.#clientStalledMs < STALL_FELT_MS,
      sessionOver: () => this.session?.state.kind === "terminated",
    });
    this.held = new HeldWatch({
      party: server,
      verdict,
      book,
      voice: counts,
      gatesShut,
      heard: () => this.messages.state?.userSpeaking === true,
      options,
    });
    this.messages = new MessageWatch({
      verdict,
      trace,
      book,
      frames: this.frames,
      heard: this.heard,
      faultless: scenario.severity === 0,
      nowMs,
    });
    this.client = new ClientSide({
      scenario,
      clock,
      party: world.browser,
      draw: draw.stream("client"),
      trace,
      ear,
      lexicon: world.lexicon,
      onDialled: (end) => this.#dialled(end, onAccepted),
    });
  }

  /** Both ends know. */
  get over(): boolean {
    return this.ended !== undefined && this.client.closed !== undefined;
  }

  /** What was stopped has been settled. */
  get settled(): boolean {
    return !this.book.replies.some((reply) => reply.stoppedMs !== undefined && !reply.done);
  }

  /** After each step of the world. */
  step(): void {
    this.messages.step();
    this.frames.step();
    this.held.step();
  }

  clientStallsUntil(atMs: number): void {
    this.#clientStalledMs = Math.max(this.#clientStalledMs, atMs);
  }

  lose(): void {
    this.#pair?.cut(this.#draw.between(0, 2_000), this.#draw.between(0, 2_000));
  }

  calm(): void {
    for (const link of this.#links) link.calm();
  }

  #dialled(end: ClientEnd, onAccepted: (socket: ServerEnd) => void): void {
    const { scenario, clock, server, browser } = this.#world;
    const toServer = clock.party("to server", server);
    const toClient = clock.party("to client", browser);
    const up = new Link({ to: toServer, draw: this.#draw.stream("up"), habits: scenario.up });
    const down = new Link({ to: toClient, draw: this.#draw.stream("down"), habits: scenario.down });
    this.#links.push(up, down);
    if (this.#world.weather.calm) this.calm();
    const pair = new SocketPair(end, { client: toClient, server: toServer, up, down, onAccepted });
    this.#pair = pair;
    const reports = this.#draw.stream("reports");
    pair.tap({
      serverSends: (data) => this.#serverSends(data),
      clientGets: (data) => this.#clientGets(data),
      clientSends: (data) => this.#clientSends(data),
      serverGets: (data) => this.#serverGets(data, reports),
      serverClosed: () => {
        this.frames.ended = true;
        this.messages.closed = true;
        this.heard.gone();
      },
    });
  }

  #serverSends(data: string | Uint8Array): void {
    const { trace } = this.#world;
    if (typeof data === "string") {
      trace.note("server", data);
      this.messages.sent(JSON.parse(data) as ServerMessage);
      return;
    }
    const frame = decodeVoiceFrame(data);
    if (trace.wanted) {
      const { epoch, utterance, seq } = frame;
      trace.note("server", `voice epoch ${epoch} utterance ${utterance} seq ${seq}`);
    }
    this.frames.sent(frame);
  }

  #clientGets(data: string | Uint8Array): void {
    const { trace } = this.#world;
    if (!trace.wanted) return;
    const what =
      typeof data === "string"
        ? (JSON.parse(data) as ServerMessage).type
        : `voice ${decodeVoiceFrame(data).seq}`;
    trace.note("client", `gets ${what}`);
  }

  #clientSends(data: string | Uint8Array): void {
    if (typeof data !== "string") return;
    this.#world.trace.note("client", data);
    const message = JSON.parse(data) as ClientMessage;
    if (message.type === "playback") this.heard.claimed(message);
  }

  #serverGets(data: string | Uint8Array, draw: Draw): void {
    if (typeof data !== "string") return;
    const { trace, clock, scenario } = this.#world;
    if (trace.wanted) trace.note("server", `gets ${data}`);
    const message = JSON.parse(data) as ClientMessage;
    if (message.type === "playback") {
      this.frames.reportedAtMs = clock.nowMs;
      this.heard.reported(message);
      this.#misreport(data, draw);
    }
    const state = this.session?.state.kind ?? "idle";
    const taken = scenario.options.respond !== false && state !== "idle" && state !== "terminated";
    if (message.type === "text" && message.text.trim() !== "" && taken) {
      this.heard.typed(message.text.trim());
    }
  }

  /** A page whose reports come from another thread may say one twice; a broken or hostile one says what it likes. */
  #misreport(data: string, draw: Draw): void {
    const { scenario, weather, clock, server } = this.#world;
    const { staleReports, falseReports } = scenario.faults;
    if (this.#repeated === data) return;
    const later = (json: string, ms: number) =>
      clock.party("echo", server).setTimer(ms, () => {
        this.#repeated = json;
        this.#pair?.toServer(json);
        this.#repeated = undefined;
      });
    const lateMs = draw.between(20, 700);
    if (weather.strikes(draw, staleReports)) later(data, lateMs);
    const message = JSON.parse(data) as Extract<ClientMessage, { type: "playback" }>;
    if (!weather.strikes(draw, falseReports) || message.replyId === null) return;
    const positionSamples = message.positionSamples + draw.below(480_000);
    later(JSON.stringify({ ...message, positionSamples }), lateMs / 10);
  }
}

/** A client that stood still catches up with its reports. */
const STALL_FELT_MS = 1_000;
