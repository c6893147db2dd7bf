/** How loud both sides are, as moving light: the two meters and the orb. Owns the animation; measures nothing. */
import { element } from "./element.ts";

export class LevelView {
  readonly #orb = element("orb", HTMLElement);
  readonly #input = new Meter(element("level", HTMLElement));
  readonly #output = new Meter(element("output-level", HTMLElement));
  #running = false;

  input(peak: number): void {
    this.#input.heard(peak);
    this.#run();
  }

  output(peak: number): void {
    this.#output.heard(peak);
    this.#run();
  }

  /** Frames are asked for only while something moves. */
  #run(): void {
    if (this.#running) return;
    this.#running = true;
    requestAnimationFrame(this.#draw);
  }

  readonly #draw = (): void => {
    const inputMoves = this.#input.draw();
    const outputMoves = this.#output.draw();
    const level = Math.max(this.#input.shown, this.#output.shown);
    this.#orb.style.setProperty("--level", level.toFixed(3));
    this.#running = inputMoves || outputMoves;
    if (this.#running) requestAnimationFrame(this.#draw);
  };
}

/** Rises at once, falls slowly: as the ear does. */
class Meter {
  readonly #element: HTMLElement;
  readonly #value: HTMLMeterElement | null;
  #target = 0;
  #said = 0;
  shown = 0;

  constructor(element: HTMLElement) {
    this.#element = element;
    this.#value = element.querySelector("meter");
  }

  heard(peak: number): void {
    this.#target = loudness(peak);
  }

  /** True while it moves. */
  draw(): boolean {
    const fallen = this.shown * FALL_PER_FRAME;
    this.shown = Math.max(this.#target, fallen < STILL ? 0 : fallen);
    this.#element.style.setProperty("--level", this.shown.toFixed(3));
    const percent = Math.round(this.shown * 10) * 10;
    if (percent !== this.#said && this.#value !== null) {
      this.#said = percent;
      this.#value.value = percent;
    }
    return this.shown > 0 || this.#target > 0;
  }
}

/** 0 at −50 dBFS, where a quiet room is, 1 at full scale. */
function loudness(peak: number): number {
  if (peak <= 0) return 0;
  return Math.max(0, Math.min(1, 1 + (20 * Math.log10(peak)) / 50));
}

const FALL_PER_FRAME = 0.9;
const STILL = 0.01;
