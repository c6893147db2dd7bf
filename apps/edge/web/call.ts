/** One call: microphone, player and session of this page wired together, and picked up again after a loss. Shows nothing; says everything as events. */
import { type AntiphonClient, SocketSession } from "@antiphon/client";
import {
  type Microphone,
  type MicrophoneBlock,
  openMicrophone,
  openPlayer,
  type Player,
  type PlayerBlock,
} from "@antiphon/client/browser";
import microphoneWorkletUrl from "@antiphon/client/microphone.worklet?worker&url";
import playerWorkletUrl from "@antiphon/client/player.worklet?worker&url";
import { AntiphonError, SAMPLE_RATE_HZ, type ServerMessage } from "@antiphon/protocol";
import { delay, systemClock } from "@antiphon/runtime";
import type { ScreenEvent, TalkMode } from "./screen-event.ts";
import { TalkGate } from "./talk-gate.ts";
import {
  callTrouble,
  microphoneTrouble,
  NO_SOUND,
  passingTrouble,
  type Trouble,
} from "./trouble.ts";

export interface CallOptions {
  client: AntiphonClient;
  mode: TalkMode;
  onEvent: (event: ScreenEvent) => void;
  onInputLevel: (peak: number) => void;
  onOutput: (block: PlayerBlock) => void;
}

/** From `start` to the `idle` phase, once. After a takeover by another client `takeBack` makes it live again. */
export class Call {
  readonly #options: CallOptions;
  readonly #ended = new AbortController();
  readonly #gate: TalkGate;
  readonly #context = new AudioContext({
    sampleRate: SAMPLE_RATE_HZ,
    latencyHint: "interactive",
  });
  #microphone: Microphone | undefined;
  #player: Player | undefined;
  #session: SocketSession | undefined;
  #credentials: { sessionId: string; resumeToken: string } | undefined;
  /** A reply that the server has not called done. */
  #openReplyId: string | undefined;
  #live = false;
  /** A microphone was had: taking the call back wants it again. */
  #spoken = false;

  constructor(options: CallOptions) {
    this.#options = options;
    this.#gate = new TalkGate({
      clock: systemClock,
      mode: options.mode,
      open: () => this.#session?.unmute(),
      close: () => this.#session?.mute(),
      commit: () => this.#attempt((session) => session.inputCommit()),
    });
  }

  /** Must be called from a click or key: browsers let nothing sound otherwise. */
  async start(withMicrophone: boolean): Promise<void> {
    const { onEvent } = this.#options;
    onEvent({ type: "call", phase: "connecting" });
    void this.#context.resume();
    if (withMicrophone && !(await this.turnOnMicrophone())) {
      // Without it the person may still type; a call they meant to speak in is not begun behind their back.
      this.#finish(undefined);
      return;
    }
    if (this.#ended.signal.aborted) return;
    try {
      this.#player = await openPlayer({
        context: this.#context,
        workletUrl: playerWorkletUrl,
        onBlock: this.#options.onOutput,
        onReportDue: () => this.#session?.reportPlayback(),
      });
    } catch {
      this.#finish(window.isSecureContext ? NO_SOUND : microphoneTrouble("insecure"));
      return;
    }
    try {
      const created = await this.#options.client.createSession();
      this.#credentials = created;
      await this.#connect(created);
    } catch (reason) {
      this.#finish(callTrouble(AntiphonError.from(reason)));
    }
  }

  /** False when it cannot be had: the reason went out as a `trouble`. */
  async turnOnMicrophone(): Promise<boolean> {
    const { onEvent } = this.#options;
    onEvent({ type: "microphone", status: "asking" });
    const result = await openMicrophone({
      context: this.#context,
      workletUrl: microphoneWorkletUrl,
      onBlock: (block) => this.#onMicrophone(block),
      onEnded: () => this.#onMicrophoneEnded(),
      signal: this.#ended.signal,
    });
    if (result.kind === "open") {
      this.#microphone = result.microphone;
      this.#spoken = true;
      onEvent({ type: "microphone", status: "on" });
      if (this.#live) this.#gate.setMicrophone(true);
      return true;
    }
    if (result.problem === "aborted") return false;
    onEvent({ type: "microphone", status: "off" });
    onEvent({ type: "trouble", trouble: microphoneTrouble(result.problem) });
    return false;
  }

  text(text: string): void {
    if (this.#live) this.#attempt((session) => session.text(text));
  }

  interrupt(): void {
    if (this.#live) this.#attempt((session) => session.interrupt());
  }

  setMuted(muted: boolean): void {
    this.#gate.setMuted(muted);
    this.#options.onEvent({ type: "muted", muted });
  }

  /** Push-to-talk: the person's turn begins. */
  pressed(): void {
    if (!this.#live || this.#microphone === undefined || this.#gate.down) return;
    this.#gate.press();
    this.#options.onEvent({ type: "held-down", down: true });
  }

  released(): void {
    if (!this.#gate.down) return;
    this.#gate.release();
    this.#options.onEvent({ type: "held-down", down: false });
  }

  /** After another client took the session over. Must be called from a click or key, as `start`. */
  async takeBack(): Promise<void> {
    this.#options.onEvent({ type: "call", phase: "reconnecting" });
    if (this.#spoken) await this.turnOnMicrophone();
    await this.#reconnect();
  }

  /** Hangs up. */
  async end(): Promise<void> {
    if (this.#ended.signal.aborted) return;
    const session = this.#session;
    this.#session = undefined;
    this.#finish(undefined);
    await session?.end();
  }

  /** What cannot be sent is told to the person: only they know whether it is still worth saying. */
  #attempt(send: (session: SocketSession) => void): void {
    if (this.#session === undefined) return;
    try {
      send(this.#session);
    } catch (reason) {
      const trouble = passingTrouble(AntiphonError.from(reason));
      this.#options.onEvent({ type: "trouble", trouble });
    }
  }

  async #connect(target: { streamUrl: string; ticket: string }): Promise<void> {
    const player = this.#player;
    if (player === undefined || this.#ended.signal.aborted) return;
    const session = new SocketSession({ player });
    this.#session = session;
    this.#listen(session);
    const report = player.report();
    const endpointing = this.#options.mode === "push-to-talk" ? "manual" : "auto";
    await session.connect({
      streamUrl: target.streamUrl,
      ticket: target.ticket,
      options: { endpointing },
      ...(report.replyId !== null && report.replyId === this.#openReplyId
        ? { resume: { replyId: report.replyId, positionSamples: report.positionSamples } }
        : {}),
    });
  }

  #listen(session: SocketSession): void {
    const forward = (message: ServerMessage) => this.#options.onEvent({ type: "server", message });
    for (const type of FORWARDED) session.on(type, forward);
    let wasReady = false;
    session.on("ready", (ready) => {
      wasReady = true;
      this.#live = true;
      forward(ready);
      this.#options.onEvent({ type: "call", phase: "live" });
      this.#gate.connected(this.#microphone !== undefined);
    });
    session.on("reply", (reply) => {
      this.#openReplyId = reply.done ? undefined : reply.replyId;
      forward(reply);
    });
    session.on("upstream", (upstream) => {
      this.#live = upstream.status === "restored";
      forward(upstream);
    });
    session.on("error", (error) => {
      if (this.#live) this.#options.onEvent({ type: "trouble", trouble: passingTrouble(error) });
    });
    session.on("closed", ({ error }) => {
      // Before `ready` the rejected `connect` tells the same; a session that was let go of has nothing to say.
      if (this.#session !== session || !wasReady) return;
      this.#live = false;
      this.#gate.disconnected();
      void this.#onLost(error);
    });
  }

  async #onLost(error: AntiphonError | undefined): Promise<void> {
    if (error === undefined) {
      this.#finish(undefined);
    } else if (error.code === "unavailable" || error.code === "deadline_exceeded") {
      this.#options.onEvent({ type: "call", phase: "reconnecting" });
      await this.#reconnect();
    } else if (error.code === "conflict") {
      this.#microphone?.close();
      this.#microphone = undefined;
      this.#options.onEvent({ type: "call", phase: "idle" });
      this.#options.onEvent({ type: "trouble", trouble: callTrouble(error) });
    } else {
      this.#finish(callTrouble(error));
    }
  }

  async #reconnect(): Promise<void> {
    let lost = new AntiphonError("unavailable", "The line was lost.");
    for (const delayMs of RECONNECT_DELAYS_MS) {
      try {
        await delay(systemClock, delayMs, this.#ended.signal);
        if (this.#credentials === undefined) break;
        const { sessionId, resumeToken } = this.#credentials;
        const granted = await this.#options.client.renewTicket(sessionId, resumeToken);
        this.#credentials = granted;
        await this.#connect(granted);
        return;
      } catch (reason) {
        if (this.#ended.signal.aborted) return;
        lost = AntiphonError.from(reason);
        if (!lost.retryable) break;
      }
    }
    this.#finish(callTrouble(lost));
  }

  #onMicrophone(block: MicrophoneBlock): void {
    this.#options.onInputLevel(this.#gate.audible ? block.peak : 0);
    if (this.#live && this.#gate.audible) this.#session?.sendMicrophone(block.samples);
  }

  #onMicrophoneEnded(): void {
    this.#microphone?.close();
    this.#microphone = undefined;
    if (this.#live) this.#gate.setMicrophone(false);
    this.#options.onInputLevel(0);
    this.#options.onEvent({ type: "microphone", status: "off" });
    this.#options.onEvent({ type: "trouble", trouble: microphoneTrouble("ended") });
  }

  #finish(trouble: Trouble | undefined): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort(new AntiphonError("unavailable", "The call is over."));
    this.#live = false;
    this.#gate.disconnected();
    this.#microphone?.close();
    this.#player?.close();
    void this.#context.close();
    this.#options.onInputLevel(0);
    this.#options.onEvent({ type: "call", phase: "idle" });
    if (trouble !== undefined) this.#options.onEvent({ type: "trouble", trouble });
  }
}

/** What changes the screen without changing the call. */
const FORWARDED = [
  "state",
  "transcript",
  "caption",
  "interruption",
  "release",
  "metrics",
] as const satisfies ServerMessage["type"][];

/** A restarted server is back within these 30 s or so; longer, and the person decides. */
const RECONNECT_DELAYS_MS = [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000];
