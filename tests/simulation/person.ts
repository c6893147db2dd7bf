/** A simulated person: what they say, hum, cough and press, and when; drawn from the seed, and reacting to what they are told. Owns the script and the microphone's frames; the socket is the client's. */
import type { ServerMessageOf } from "@antiphon/protocol";
import type { Draw } from "./draw.ts";
import { type MicFrame, micSamples } from "./mic-code.ts";
import type { Lexicon } from "./recognition-service.ts";
import type { Trace } from "./trace.ts";
import type { Party } from "./virtual-clock.ts";

/** What a person can do to a session. */
export interface Conversation {
  sendMicrophone(frame: Int16Array): void;
  text(text: string): void;
  say(text: string): void;
  interrupt(): void;
  inputCommit(): void;
  mute(): void;
  unmute(): void;
  hangUp(): void;
}

export interface PersonOptions {
  party: Party;
  draw: Draw;
  trace: Trace;
  conversation: Conversation;
  /** Words go in as they are thought of. */
  lexicon: Array<{ text: string; frames: number }>;
  habits: PersonHabits;
}

export interface PersonHabits {
  /** Presses a button when done. */
  commits: boolean;
  /** Of each action. */
  typing: number;
  muting: number;
  hangingUp: number;
}

export class Person {
  readonly #options: PersonOptions;
  #frames: MicFrame[] = [];
  #quietUntilMs = 0;
  #state: ServerMessageOf<"state"> | undefined;
  #waitsFor: { speaking: boolean; untilMs: number } | undefined;
  #words = 0;
  #typed = 0;
  #busy = true;
  #muted = false;
  #stopped = false;
  /** What they do once all of it is said. */
  #afterwards: (() => void) | undefined;
  #startedMs: number;
  #sent = 0;
  /** Numbers of their own words that were spoken to the end. */
  readonly said: number[] = [];

  constructor(options: PersonOptions) {
    this.#options = options;
    this.#startedMs = options.party.nowMs();
    this.#quietUntilMs = options.draw.between(0, 1_000);
    this.#beat();
  }

  told(state: ServerMessageOf<"state">): void {
    this.#state = state;
  }

  /** From now on they only listen. */
  fallSilent(): void {
    this.#busy = false;
    this.#frames = [];
    this.#afterwards = undefined;
    if (this.#stopped) return;
    if (this.#muted) this.#options.conversation.unmute();
    this.#muted = false;
    if (this.#options.habits.commits) this.#options.conversation.inputCommit();
  }

  stop(): void {
    this.#stopped = true;
  }

  #beat(): void {
    if (this.#stopped) return;
    const { party, draw, conversation } = this.#options;
    if (this.#busy) this.#act();
    const frame = this.#frames.shift() ?? { probability: draw.between(0, 0.2), word: 0 };
    if (frame.word > 0 && this.#frames[0]?.word !== frame.word) this.#said(frame.word);
    conversation.sendMicrophone(micSamples(frame, () => draw.next()));
    this.#sent++;
    party.at(this.#startedMs + this.#sent * 20, () => this.#beat());
  }

  /** Thinks of the next thing once the last is done. */
  #act(): void {
    const { party, draw } = this.#options;
    const nowMs = party.nowMs();
    if (this.#frames.length > 0) return;
    this.#afterwards?.();
    this.#afterwards = undefined;
    if (nowMs < this.#quietUntilMs) return;
    if (this.#waitsFor !== undefined) {
      const { speaking, untilMs } = this.#waitsFor;
      if ((this.#state?.state === "speaking") !== speaking && nowMs < untilMs) return;
      this.#waitsFor = undefined;
      this.#quietUntilMs = nowMs + draw.between(0, draw.chance(0.4) ? 200 : 1_500);
      return;
    }
    this.#do();
    // Mostly they wait until somebody speaks, or until they are listened to.
    if (draw.chance(0.8)) {
      this.#waitsFor = { speaking: draw.chance(0.75), untilMs: nowMs + draw.between(1_000, 5_000) };
    } else {
      this.#quietUntilMs = nowMs + this.#frames.length * 20 + draw.between(0, 1_500);
    }
  }

  #do(): void {
    const { draw, trace, conversation, habits } = this.#options;
    const note = (what: string) => trace.note("person", what);
    if (draw.chance(habits.hangingUp)) {
      note("hangs up");
      conversation.hangUp();
      return;
    }
    if (draw.chance(habits.muting)) {
      this.#muted = !this.#muted;
      note(this.#muted ? "mutes" : "unmutes");
      if (this.#muted) conversation.mute();
      else conversation.unmute();
      return;
    }
    if (draw.chance(habits.typing)) {
      this.#press();
      return;
    }
    const kind = draw.next();
    if (kind < (this.#state?.state === "speaking" ? 0.35 : 0.7)) this.#say(draw.whole(1, 6));
    else if (kind < 0.8) this.#hum();
    else if (kind < 0.9) this.#noise(draw.whole(4, 35), "coughs");
    else if (kind < 0.95) this.#noise(1, "clicks: one frame");
    else this.#noise(draw.whole(2, 5), "smacks");
  }

  #press(): void {
    const { draw, trace, conversation } = this.#options;
    const kind = draw.next();
    if (kind < 0.45) {
      const text = draw.pick([`typed${++this.#typed}`, `typed${++this.#typed} more`, "  "]);
      trace.note("person", `types ${JSON.stringify(text)}`);
      conversation.text(text);
    } else if (kind < 0.65) {
      const text = draw.pick([
        `Program${++this.#typed} says so.`,
        "\u{1f642}",
        `Program${++this.#typed}`,
      ]);
      trace.note("person", `has said ${JSON.stringify(text)}`);
      conversation.say(text);
    } else if (kind < 0.9) {
      trace.note("person", "presses interrupt");
      conversation.interrupt();
    } else {
      trace.note("person", "presses commit");
      conversation.inputCommit();
    }
  }

  #say(words: number): void {
    const { draw, trace, lexicon, habits } = this.#options;
    const said: string[] = [];
    for (let word = 0; word < words; word++) {
      const text = draw.chance(0.05) ? "and" : `p${++this.#words}`;
      said.push(text);
      this.#pronounce(lexicon.push({ text, frames: draw.whole(CLEAR_FRAMES, 18) }) - 1);
      const pause = draw.chance(0.12) ? draw.whole(10, 45) : draw.whole(0, 6);
      if (word < words - 1) this.#pause(pause);
    }
    trace.note("person", `says ${said.join(" ")}`);
    if (habits.commits && draw.chance(0.8)) {
      this.#afterwards = () => this.#options.conversation.inputCommit();
    }
  }

  #hum(): void {
    const { draw, trace, lexicon } = this.#options;
    const text = draw.pick(["mm-hm", "yeah", "okay", "right"]);
    trace.note("person", `hums ${text}`);
    this.#pronounce(lexicon.push({ text, frames: draw.whole(8, 22) }) - 1);
  }

  #noise(frames: number, what: string): void {
    this.#options.trace.note("person", `${what} for ${frames * 20} ms`);
    for (let frame = 0; frame < frames; frame++) {
      this.#frames.push({ probability: this.#options.draw.between(0.4, 1), word: 0 });
    }
  }

  #said(word: number): void {
    const number = /^p(\d+)$/u.exec(this.#options.lexicon[word]?.text ?? "")?.[1];
    if (number !== undefined) this.said.push(Number(number));
  }

  #pronounce(word: number): void {
    const { draw, lexicon } = this.#options;
    for (let frame = 0; frame < (lexicon[word]?.frames ?? 0); frame++) {
      // A word begins clearly enough to be noticed; what follows may be swallowed.
      const faint = draw.chance(0.12) && frame >= CLEAR_FRAMES;
      this.#frames.push({ probability: faint ? draw.between(0, 0.4) : draw.between(0.6, 1), word });
    }
  }

  #pause(frames: number): void {
    const { draw } = this.#options;
    for (let frame = 0; frame < frames; frame++) {
      this.#frames.push({ probability: draw.between(0, 0.2), word: 0 });
    }
  }
}

/** Five windows of the detector's. */
const CLEAR_FRAMES = 8;

/** Nothing: a word's number starts at 1. */
export const NO_WORD: Lexicon[number] = { text: "", frames: 0 };
