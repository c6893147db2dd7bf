/** What a client says before its orchestrator is there: kept in order, bounded, audio's oldest dropped first. */
import { FRAME_MS, INPUT_BACKLOG_MS_MAX } from "@antiphon/protocol";

/** 2 s: what is older has lost its place in a conversation; the orchestrator would drop it too. */
const AUDIO_MESSAGES_MAX = INPUT_BACKLOG_MS_MAX / FRAME_MS;
/** A start, some options, a line typed in haste. More before any answer is no conversation. */
const TEXT_MESSAGES_MAX = 32;
const TEXT_CHARS_MAX = 128 * 1024;

export class PendingMessages {
  #messages: (string | ArrayBuffer)[] = [];
  #audio = 0;
  #texts = 0;
  #textChars = 0;

  /** False: text is never dropped, and there is no room for this one. */
  push(message: string | ArrayBuffer): boolean {
    if (typeof message === "string") {
      if (this.#texts === TEXT_MESSAGES_MAX) return false;
      if (this.#textChars + message.length > TEXT_CHARS_MAX) return false;
      this.#texts += 1;
      this.#textChars += message.length;
    } else if (this.#audio === AUDIO_MESSAGES_MAX) {
      this.#messages.splice(
        this.#messages.findIndex((kept) => typeof kept !== "string"),
        1,
      );
    } else {
      this.#audio += 1;
    }
    this.#messages.push(message);
    return true;
  }

  /** Everything kept, in order; nothing is kept after it. */
  drain(): (string | ArrayBuffer)[] {
    const messages = this.#messages;
    this.#messages = [];
    this.#audio = 0;
    this.#texts = 0;
    this.#textChars = 0;
    return messages;
  }
}
