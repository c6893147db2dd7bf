/** The microphone's way in: sequence numbers, gaps, acknowledgements. Hears nothing itself. */
import { AntiphonError, INPUT_ACK_INTERVAL_MS, SAMPLE_RATE_HZ } from "@antiphon/protocol";
import type { Transport } from "./ports.ts";
import type { UserTurn } from "./user-turn.ts";

/** Belongs to one socket of a session. */
export class MicrophoneInput {
  readonly #userTurn: UserTurn;
  readonly #transport: Transport;
  #lastSeq = -1;
  #acknowledgedSamples = 0;
  #acknowledgedMs = 0;

  constructor(userTurn: UserTurn, transport: Transport) {
    this.#userTurn = userTurn;
    this.#transport = transport;
  }

  /** 960 samples, copied. Throws `invalid_argument` for a frame that is older than the last. */
  push(seq: number, frame: Int16Array): void {
    const missed = seq - this.#lastSeq - 1;
    if (missed < 0) throw new AntiphonError("invalid_argument", "Microphone frames go backwards.");
    if (missed > 0) this.#userTurn.skip(missed);
    this.#lastSeq = seq;
    this.#userTurn.push(frame);
  }

  /** Once a second, of audio or of time, whichever is first; held back while a recording's transcripts are owed. */
  acknowledge(nowMs: number): void {
    if (this.#userTurn.backlogged) return;
    const samples = this.#userTurn.takenSamples;
    const advancedMs = ((samples - this.#acknowledgedSamples) * 1000) / SAMPLE_RATE_HZ;
    const dueByTime = advancedMs > 0 && nowMs - this.#acknowledgedMs >= INPUT_ACK_INTERVAL_MS;
    if (advancedMs < INPUT_ACK_INTERVAL_MS && !dueByTime) return;
    this.#acknowledgedSamples = samples;
    this.#acknowledgedMs = nowMs;
    const { droppedSamples } = this.#userTurn;
    this.#transport.send({ type: "input_ack", samples, droppedSamples });
  }
}
