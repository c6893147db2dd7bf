/** What a start shows while it lasts: one moving line on a terminal, plain lines elsewhere. */

export class Progress {
  readonly #startedMs = performance.now();
  readonly #live = process.stderr.isTTY === true;
  #step = "";
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;

  step(words: string): void {
    this.#step = words;
    if (!this.#live) {
      process.stderr.write(`${this.#seconds()} s  ${words}\n`);
      return;
    }
    this.#timer ??= setInterval(() => this.#draw(), 100).unref();
    this.#draw();
  }

  /** Without disturbing the moving line. */
  line(words: string): void {
    if (this.#live && this.#step !== "") process.stderr.write("\r\u001b[K");
    process.stderr.write(`${words}\n`);
  }

  /** Leaves no trace of the moving line; gives the seconds it took. */
  done(): string {
    clearInterval(this.#timer);
    if (this.#live && this.#step !== "") process.stderr.write("\r\u001b[K");
    this.#step = "";
    return this.#seconds();
  }

  #draw(): void {
    const wheel = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";
    this.#turn = (this.#turn + 1) % wheel.length;
    process.stderr.write(`\r\u001b[K${wheel[this.#turn]} ${this.#step} (${this.#seconds()} s)`);
  }

  #seconds(): string {
    return ((performance.now() - this.#startedMs) / 1000).toFixed(1);
  }
}
