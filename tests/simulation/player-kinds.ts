/** The listener's end as it really is in two places: a program that pulls a `Playout` itself, and a page whose player runs on an audio thread behind message ports. Owns the sound device's pace; what sounds is judged by the `Ear`. */
import { type PlaybackReport, Playout, type ReplyPlayer } from "@antiphon/client";
import type { VoiceFrame } from "@antiphon/protocol";
import { Metronome } from "../../apps/cli/src/metronome.ts";
import { Player } from "../../packages/client/src/player.ts";
import type { PlayerCommand } from "../../packages/client/src/player-message.ts";
import type { Draw } from "./draw.ts";
import type { Ear } from "./ear.ts";
import type { Party } from "./virtual-clock.ts";
import { serialOf } from "./voice-code.ts";

export interface ListenerOptions {
  /** The page's main thread, or the program's only one. */
  main: Party;
  /** Where the page hears from its audio thread. */
  arrivals: Party;
  audio: Party;
  draw: Draw;
  ear: Ear;
  /** All that was buffered has been played, or a report is overdue. */
  onReportDue(): void;
}

export interface Listener {
  readonly player: ReplyPlayer;
  /** How far its reports may be behind what sounded, in ms, while nothing stalls. */
  readonly reportLagMs: number;
  stop(): void;
}

/** A program: one thread, 20 or 10 ms at a time. */
export function openProgramListener(options: ListenerOptions): Listener {
  const { main, draw, ear, onReportDue } = options;
  const playout = new Playout();
  const samples = draw.pick([480, 960]);
  const block = new Int16Array(samples);
  let wasEmpty = true;
  const metronome = new Metronome({
    clock: main,
    intervalMs: samples / 48,
    onTick: () => {
      playout.pull(block);
      ear.hear(block, 1);
      const { empty } = playout.report();
      if (empty && !wasEmpty) onReportDue();
      wasEmpty = empty;
    },
  });
  return {
    player: new OverheardPlayer(playout, ear),
    reportLagMs: 0,
    stop: () => metronome.stop(),
  };
}

/** A page: the real player and processor, with message ports that take a moment. */
export function openPageListener(options: ListenerOptions): Listener {
  const { audio, draw, ear, onReportDue } = options;
  const host = new AudioThread(options);
  // A device asks for several quanta at once, and then not for a while.
  const quanta = draw.whole(2, 6);
  const block = new Float32Array(QUANTUM_SAMPLES);
  const startMs = audio.nowMs();
  let pulled = 0;
  let stopped = false;
  const beat = () => {
    if (stopped) return;
    for (let quantum = 0; quantum < quanta; quantum++) {
      worklet.currentTime = pulled / 48_000;
      host.processor.process([], [[block]]);
      ear.hear(block, 32_768);
      pulled += QUANTUM_SAMPLES;
    }
    audio.at(startMs + pulled / 48, beat);
  };
  worklet.opening = host;
  const player = new Player({
    context: { destination: {} } as AudioContext,
    workletUrl: "",
    onBlock: () => {},
    onReportDue,
  });
  worklet.opening = undefined;
  audio.setTimer(draw.between(0, 20), beat);
  return {
    player,
    // A block, a device's request, and both ports.
    reportLagMs: 20 + (quanta * QUANTUM_SAMPLES) / 48 + 2 * PORT_MS_MAX,
    stop: () => {
      stopped = true;
      player.close();
    },
  };
}

/** Tells the ear what the player is told, when it is told. */
class OverheardPlayer implements ReplyPlayer {
  readonly #player: ReplyPlayer;
  readonly #ear: Ear;

  constructor(player: ReplyPlayer, ear: Ear) {
    this.#player = player;
    this.#ear = ear;
  }

  lease(leaseEpoch: number): void {
    this.#player.lease(leaseEpoch);
  }

  begin(reply: { replyId: string; epoch: number }): void {
    this.#ear.begin(reply.epoch, reply.replyId);
    this.#player.begin(reply);
  }

  accept(frame: VoiceFrame): void {
    this.#ear.accept(frame.epoch, serialOf(frame.pcm));
    this.#player.accept(frame);
  }

  hold(replyId: string, pauseSeq: number): void {
    this.#ear.hold(replyId, pauseSeq);
    this.#player.hold(replyId, pauseSeq);
  }

  release(replyId: string, resumeSeq: number): void {
    this.#ear.release(replyId, resumeSeq);
    this.#player.release(replyId, resumeSeq);
  }

  clear(epoch: number): void {
    this.#ear.clear(epoch);
    this.#player.clear(epoch);
  }

  report(): PlaybackReport {
    return this.#player.report();
  }
}

/** What a browser gives a worklet: a port to the page and a render callback. */
class AudioThread {
  readonly processor: { process(inputs: Float32Array[][], outputs: Float32Array[][]): boolean };
  readonly pagePort: FakePort;

  constructor({ arrivals, audio, draw, ear }: ListenerOptions) {
    const late = draw.stream("ports");
    this.pagePort = { postMessage: () => {}, onmessage: null };
    const workletPort: FakePort = { postMessage: () => {}, onmessage: null };
    let toAudioMs = 0;
    let toPageMs = 0;
    this.pagePort.postMessage = (data) => {
      toAudioMs = Math.max(toAudioMs, audio.nowMs() + late.between(0.1, PORT_MS_MAX));
      audio.at(toAudioMs, () => {
        overhear(ear, data as PlayerCommand);
        workletPort.onmessage?.({ data } as never);
      });
    };
    workletPort.postMessage = (data) => {
      toPageMs = Math.max(toPageMs, arrivals.nowMs() + late.between(0.1, PORT_MS_MAX));
      arrivals.at(toPageMs, () => this.pagePort.onmessage?.({ data } as never));
    };
    worklet.workletPort = workletPort;
    const { processor } = worklet;
    if (processor === undefined) throw new Error("the player's processor was never registered");
    this.processor = new processor();
  }
}

function overhear(ear: Ear, command: PlayerCommand): void {
  if (command.kind === "begin") ear.begin(command.epoch, command.replyId);
  if (command.kind === "accept") ear.accept(command.frame.epoch, serialOf(command.frame.pcm));
  if (command.kind === "hold") ear.hold(command.replyId, command.pauseSeq);
  if (command.kind === "release") ear.release(command.replyId, command.resumeSeq);
  if (command.kind === "clear") ear.clear(command.epoch);
}

interface FakePort {
  postMessage(data: unknown): void;
  onmessage: ((event: never) => void) | null;
}

/** The globals of an audio worklet and of a page, as far as the player's two halves use them. */
const worklet: {
  processor: (new () => AudioThread["processor"]) | undefined;
  workletPort: FakePort | undefined;
  opening: AudioThread | undefined;
  currentTime: number;
} = { processor: undefined, workletPort: undefined, opening: undefined, currentTime: 0 };

Object.defineProperty(globalThis, "currentTime", {
  configurable: true,
  get: () => worklet.currentTime,
});
Object.assign(globalThis, {
  AudioWorkletProcessor: class {
    readonly port = worklet.workletPort;
  },
  registerProcessor: (_name: string, processor: new () => AudioThread["processor"]) => {
    worklet.processor = processor;
  },
  AudioWorkletNode: class {
    readonly port = worklet.opening?.pagePort;
    connect(): void {}
    disconnect(): void {}
  },
});
await import("../../packages/client/src/player.worklet.ts");

const QUANTUM_SAMPLES = 128;
const PORT_MS_MAX = 3;
