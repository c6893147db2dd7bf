/** What a worker remembers of a session between its streams: the voice it claimed, its controls, what was stopped. */
import { AntiphonError } from "@antiphon/protocol";
import { RecentIds } from "./recent-ids.ts";
import type { SpeechStream } from "./speech-stream.ts";
import type { VoiceSettings } from "./utterance.ts";
import type { VoiceClaim } from "./voice-claim.ts";

export class SpeechSession {
  readonly id: string;
  readonly stopped = new RecentIds<true>(STOPPED_MAX);
  #claim: VoiceClaim;
  #stream: SpeechStream | undefined;
  #paused = false;
  #appliedSeq = 0;

  constructor(id: string, claim: VoiceClaim) {
    this.id = id;
    this.#claim = claim;
  }

  get settings(): VoiceSettings {
    return this.#claim.settings;
  }

  get stream(): SpeechStream | undefined {
    return this.#stream;
  }

  get paused(): boolean {
    return this.#paused;
  }

  get appliedSeq(): number {
    return this.#appliedSeq;
  }

  /** For utterances begun from now on. */
  replaceClaim(claim: VoiceClaim): void {
    this.#claim.lease.release();
    this.#claim = claim;
  }

  /** Throws `conflict` while another stream of the session is open: two would share one gate and one order. */
  attach(stream: SpeechStream): void {
    if (this.#stream !== undefined) {
      throw new AntiphonError("conflict", "The session has a Synthesize stream already.");
    }
    this.#stream = stream;
    stream.attach(this);
    stream.gate.paused = this.#paused;
  }

  detach(): void {
    this.#stream = undefined;
  }

  /** False: older than one applied before, and ignored. One that was applied already changes nothing. */
  control(action: "pause" | "resume" | "stop", utteranceId: string, controlSeq: number): boolean {
    if (controlSeq < this.#appliedSeq) return false;
    if (controlSeq === this.#appliedSeq) return true;
    this.#appliedSeq = controlSeq;
    if (action === "stop") {
      this.#stream?.stop(utteranceId);
      // Seen or not: text that is still on its way must not be spoken.
      if (utteranceId !== "") this.stopped.set(utteranceId, true);
    } else {
      this.#paused = action === "pause";
      if (this.#stream !== undefined) this.#stream.gate.paused = this.#paused;
    }
    return true;
  }

  /** Stops what is under way and gives the model back. */
  end(): void {
    this.#stream?.finish();
    this.#claim.lease.release();
  }
}

/** A STOP and the text it is for are a round trip apart; several replies fit. */
const STOPPED_MAX = 1_024;
