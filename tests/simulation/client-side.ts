/** The client's end of a simulated world: the SDK's session and player, a device that plays them, a person and a microphone. Builds it; the course of a run is `simulation.ts`'s. */
import { type SocketConstructor, SocketSession } from "@antiphon/client";
import type { Draw } from "./draw.ts";
import type { Ear } from "./ear.ts";
import { Person } from "./person.ts";
import { type Listener, openPageListener, openProgramListener } from "./player-kinds.ts";
import type { Scenario } from "./scenario.ts";
import { ClientEnd } from "./socket-pair.ts";
import type { Trace } from "./trace.ts";
import type { Party, VirtualClock } from "./virtual-clock.ts";

export interface ClientSideOptions {
  scenario: Scenario;
  clock: VirtualClock;
  party: Party;
  draw: Draw;
  trace: Trace;
  ear: Ear;
  lexicon: Array<{ text: string; frames: number }>;
  /** The socket is being opened. */
  onDialled(end: ClientEnd): void;
}

export class ClientSide {
  readonly session: SocketSession;
  readonly listener: Listener;
  /** Why it ended: "normal" or a code. */
  closed: string | undefined;
  person: Person | undefined;
  readonly #options: ClientSideOptions;

  constructor(options: ClientSideOptions) {
    this.#options = options;
    const { scenario, clock, party, draw, ear } = options;
    const open = scenario.listener === "page" ? openPageListener : openProgramListener;
    this.listener = open({
      main: party,
      arrivals: clock.party("ports", party),
      audio: clock.party("audio"),
      draw: draw.stream("listener"),
      ear,
      onReportDue: () => this.session.reportPlayback(),
    });
    const { onDialled } = options;
    const webSocket = class extends ClientEnd {
      constructor() {
        super();
        onDialled(this);
      }
    };
    this.session = new SocketSession({
      clock: party,
      player: this.listener.player,
      webSocket: webSocket as unknown as SocketConstructor,
    });
    this.session.on("state", (state) => this.person?.told(state));
    this.session.on("ready", () => this.#meet());
    this.session.on("closed", ({ error }) => {
      this.closed = error?.code ?? "normal";
      options.trace.note("client", `closed: ${this.closed}`);
      this.person?.stop();
      this.listener.stop();
    });
    this.session
      .connect({ streamUrl: "ws://simulated", ticket: "t", options: scenario.options })
      .catch(() => {
        // Why it came to nothing is in `closed`.
      });
  }

  hangUp(): void {
    void this.session.end();
  }

  #meet(): void {
    const { scenario, clock, party, draw, trace, lexicon } = this.#options;
    const { session } = this;
    this.person = new Person({
      party: clock.party("microphone", party),
      draw: draw.stream("person"),
      trace,
      conversation: {
        sendMicrophone: (frame) => session.sendMicrophone(frame),
        text: (text) => session.text(text),
        say: (text) => session.say(text),
        interrupt: () => session.interrupt(),
        inputCommit: () => session.inputCommit(),
        mute: () => session.mute(),
        unmute: () => session.unmute(),
        hangUp: () => this.hangUp(),
      },
      lexicon,
      habits: scenario.person,
    });
  }
}
