/** Whether the microphone is let through: mute in hands-free, the held button in push-to-talk. Owns the order of unmute, commit and mute; touches no audio. */
import type { Clock, Timer } from "@antiphon/runtime";
import type { TalkMode } from "./screen-event.ts";

export class TalkGate {
  readonly #options: TalkGateOptions;
  #connected = false;
  #microphone = false;
  #muted = false;
  #down = false;
  /** The tail after the button went up. */
  #tail: Timer | undefined;
  /** What the server was told last. */
  #told: boolean | undefined;

  constructor(options: TalkGateOptions) {
    this.#options = options;
  }

  /** The button is down. */
  get down(): boolean {
    return this.#down;
  }

  /** Frames are to be sent. */
  get audible(): boolean {
    if (this.#options.mode === "push-to-talk") return this.#down || this.#tail !== undefined;
    return !this.#muted;
  }

  /** A session begins unmuted: whatever is otherwise is told to it. */
  connected(microphone: boolean): void {
    this.#connected = true;
    this.#microphone = microphone;
    this.#told = true;
    this.#tell();
  }

  disconnected(): void {
    this.#connected = false;
    this.#down = false;
    this.#tail?.cancel();
    this.#tail = undefined;
  }

  setMicrophone(microphone: boolean): void {
    this.#microphone = microphone;
    this.#tell();
  }

  setMuted(muted: boolean): void {
    this.#muted = muted;
    this.#tell();
  }

  press(): void {
    this.#down = true;
    this.#tail?.cancel();
    this.#tail = undefined;
    this.#tell();
  }

  release(): void {
    this.#down = false;
    this.#tail = this.#options.clock.setTimer(TAIL_MS, () => {
      this.#tail = undefined;
      this.#tell();
      if (this.#connected) this.#options.commit();
    });
  }

  #tell(): void {
    const open = this.audible && this.#microphone;
    if (!this.#connected || open === this.#told) return;
    this.#told = open;
    if (open) this.#options.open();
    else this.#options.close();
  }
}

export interface TalkGateOptions {
  clock: Clock;
  mode: TalkMode;
  /** The session counts silence as time from here on. */
  open: () => void;
  close: () => void;
  /** The person's turn is complete. */
  commit: () => void;
}

/** People let go of a button while they say the last syllable. */
const TAIL_MS = 150;
