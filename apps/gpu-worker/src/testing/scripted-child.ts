/** An inference child that says what a test tells it to. Never imported by product code. */
import type { SpeechCapabilities } from "../adapters/adapter.ts";
import type { ChildHandle } from "../inference/child-handle.ts";
import type { FromChild, ModelDescription, ToChild } from "../inference/child-message.ts";

export class ScriptedChild implements ChildHandle {
  readonly received: ToChild[] = [];
  killed = false;
  readonly #onMessage: Array<(message: FromChild) => void> = [];
  readonly #onExit: Array<(how: string) => void> = [];

  send(message: ToChild): void {
    this.received.push(message);
  }

  onMessage(listener: (message: FromChild) => void): void {
    this.#onMessage.push(listener);
  }

  onExit(listener: (how: string) => void): void {
    this.#onExit.push(listener);
  }

  /** As SIGKILL: the exit follows. */
  kill(): void {
    if (this.killed) return;
    this.killed = true;
    this.exit("SIGKILL");
  }

  exit(how: string): void {
    for (const listener of this.#onExit.splice(0)) listener(how);
  }

  say(message: FromChild): void {
    for (const listener of this.#onMessage) listener(message);
  }

  ready(description: ModelDescription = VOICE, warmUpMs = 20): void {
    this.say({ type: "ready", description, warmUpMs });
  }

  /** 100 ms of silence. */
  samples(job: number): void {
    this.say({ type: "samples", job, samples: new Int16Array(1_600), sampleRateHz: 16_000 });
  }

  /** The numbers of the jobs it was given. */
  get jobs(): number[] {
    return this.received.flatMap((message) =>
      message.type === "speak" || message.type === "transcribe" ? [message.job] : [],
    );
  }
}

const CAPABILITIES: SpeechCapabilities = {
  model: "scripted",
  voices: ["anna"],
  defaultVoice: "anna",
  languages: ["en"],
  wholeUtterance: false,
  slots: 2,
  licence: "none",
};
export const VOICE: ModelDescription = { kind: "tts", ...CAPABILITIES };
export const RECOGNISER: ModelDescription = {
  kind: "asr",
  model: "scripted",
  languages: ["en"],
  slots: 1,
  licence: "none",
};
