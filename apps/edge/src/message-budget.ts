/** How much one client may send: a token bucket over messages and bytes. Counts; closes nothing. */

/**
 * A microphone sends 50 messages of 2 kB a second and a few words of JSON; ten times that is a recording sent at ten times its
 * pace. What is above is a fault or an attack. The burst is two seconds of it, for what a stalled network delivers at once.
 */
const TOKENS_PER_SECOND = 500;
const TOKENS_MAX = 1000;
/** One audio frame costs one token, the largest message 32: so bytes are bounded too, at 1 MB/s. */
const BYTES_PER_TOKEN = 2048;

export class MessageBudget {
  #tokens = TOKENS_MAX;
  #atMs: number;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /** False: the client has spent its budget. */
  spend(messageBytes: number, nowMs: number): boolean {
    const earned = ((nowMs - this.#atMs) / 1000) * TOKENS_PER_SECOND;
    this.#tokens = Math.min(TOKENS_MAX, this.#tokens + Math.max(0, earned));
    this.#atMs = nowMs;
    this.#tokens -= Math.max(1, messageBytes / BYTES_PER_TOKEN);
    return this.#tokens >= 0;
  }
}
