/** A session with everything scripted around it, driven on a fake clock. */
import type { ClientMessage, SessionOptions } from "@antiphon/protocol";
import { FakeClock, settle } from "@antiphon/runtime/testing";
import { Session } from "../session.ts";
import type { SessionDefaults, SessionIdentity } from "../session-deps.ts";
import { Ticker } from "../ticker.ts";
import { MemoryTransport } from "./memory-transport.ts";
import {
  LoudnessDetector,
  MemoryRecords,
  ScriptedLanguageModel,
  ScriptedSynthesizer,
  ScriptedTranscriber,
  SILENT_FRAME,
  SPEECH_FRAME,
} from "./scripted-ports.ts";
import { SESSION_DEFAULTS } from "./session-defaults.ts";

export interface Script {
  hears?: Array<string | Error>;
  answers?: Array<string | Error>;
  options?: SessionOptions;
  identity?: Partial<SessionIdentity>;
  /** Time that a final transcript takes. */
  transcriptionMs?: number;
  defaults?: Partial<SessionDefaults>;
}

/** The person in a test: speaks and is silent in frames of 20 ms, listens and reports. */
export class ConversationFixture {
  readonly clock = new FakeClock();
  readonly transport = new MemoryTransport(() => this.clock.nowMs());
  readonly records = new MemoryRecords();
  readonly synthesizer = new ScriptedSynthesizer();
  readonly llm: ScriptedLanguageModel;
  readonly transcriber: ScriptedTranscriber;
  readonly session: Session;
  readonly errors: unknown[] = [];
  ended = 0;
  /** Turn off to be a client that never reports. */
  reports = true;
  #seq = 0;
  #nextReportMs = 100;
  #clears = 0;

  constructor(script: Script = {}) {
    this.llm = new ScriptedLanguageModel(script.answers ?? []);
    const waitMs = script.transcriptionMs ?? 0;
    this.transcriber = new ScriptedTranscriber(script.hears ?? [], () =>
      waitMs === 0
        ? Promise.resolve()
        : new Promise((resolve) => this.clock.setTimer(waitMs, resolve)),
    );
    const ticker = new Ticker({
      clock: this.clock,
      onError: (_, reason) => this.errors.push(reason),
    });
    this.session = new Session(
      {
        clock: this.clock,
        ticker,
        detector: new LoudnessDetector(),
        transcriber: this.transcriber,
        synthesizer: this.synthesizer,
        llm: this.llm,
        defaults: { ...SESSION_DEFAULTS, instructions: "Be brief.", ...script.defaults },
      },
      {
        sessionId: "s",
        leaseEpoch: 1,
        history: [],
        turnNumber: 0,
        owesAnswer: false,
        ...script.identity,
      },
      {
        transport: this.transport,
        records: this.records,
        onEnded: () => {
          this.ended++;
        },
      },
    );
  }

  static async started(script: Script = {}): Promise<ConversationFixture> {
    const fixture = new ConversationFixture(script);
    fixture.send({ type: "session_start", options: script.options ?? {} });
    await settle();
    return fixture;
  }

  send(message: ClientMessage): void {
    this.session.receive(message);
  }

  speak(ms: number): Promise<void> {
    return this.#microphone(ms, SPEECH_FRAME);
  }

  silence(ms: number): Promise<void> {
    return this.#microphone(ms, SILENT_FRAME);
  }

  /** Time without a microphone: a typing person. */
  async wait(ms: number): Promise<void> {
    for (let doneMs = 0; doneMs < ms; doneMs += 5) await this.#step(5);
  }

  async #microphone(ms: number, frame: Int16Array): Promise<void> {
    for (let doneMs = 0; doneMs < ms; doneMs += 20) {
      this.session.receiveMicrophone(this.#seq++, frame);
      for (let quarter = 0; quarter < 4; quarter++) await this.#step(5);
    }
  }

  async #step(ms: number): Promise<void> {
    this.clock.advance(ms);
    await settle();
    if (!this.reports || this.ended > 0) return;
    const clears = this.transport.all("clear").length;
    if (this.clock.nowMs() < this.#nextReportMs && clears === this.#clears) return;
    this.#clears = clears;
    this.#nextReportMs = this.clock.nowMs() + 100;
    this.send(this.transport.playback());
    await settle();
  }
}
