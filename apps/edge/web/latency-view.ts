/** The newest turn's latency as a small waterfall. Owns its elements; the arithmetic is `latency-stages.ts`. */
import { element } from "./element.ts";
import { type LatencyStage, secondsOf, waterfallOf } from "./latency-stages.ts";
import type { Latency } from "./screen-state.ts";

export class LatencyView {
  readonly #panel = element("latency", HTMLElement);
  readonly #what = element("latency-what", HTMLElement);
  readonly #total = element("latency-total", HTMLElement);
  readonly #bar = element("latency-bar", SVGSVGElement);
  readonly #stages = element("latency-stages", HTMLElement);
  #shown: Latency | undefined;

  show(latency: Latency | undefined): void {
    if (latency === this.#shown) return;
    this.#shown = latency;
    const waterfall = latency === undefined ? undefined : waterfallOf(latency);
    this.#panel.hidden = waterfall === undefined;
    if (waterfall === undefined || latency === undefined) return;
    const spoken = latency.endOfSpeechToFirstAudioMs !== undefined;
    this.#what.textContent = spoken ? "From your last word to the answer" : "To the first sound";
    this.#total.textContent = secondsOf(waterfall.totalMs);
    this.#panel.dataset["totalMs"] = String(Math.round(waterfall.totalMs));
    this.#bar.replaceChildren(...waterfall.stages.map((stage) => barOf(stage, waterfall.totalMs)));
    this.#stages.replaceChildren(...waterfall.stages.flatMap(rowOf));
  }
}

function barOf(stage: LatencyStage, totalMs: number): SVGRectElement {
  const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  const scale = totalMs === 0 ? 0 : 100 / totalMs;
  bar.setAttribute("x", String(stage.startMs * scale));
  bar.setAttribute("width", String(Math.max(0, stage.durationMs * scale - BAR_GAP)));
  bar.setAttribute("height", "6");
  bar.setAttribute("class", `stage-${stage.name}`);
  return bar;
}

function rowOf(stage: LatencyStage): HTMLElement[] {
  const name = document.createElement("dt");
  name.className = `stage-${stage.name}`;
  name.textContent = stage.label;
  const duration = document.createElement("dd");
  duration.textContent = `${Math.round(stage.durationMs)} ms`;
  return [name, duration];
}

/** Of a hundred: enough to tell two neighbours apart. */
const BAR_GAP = 0.6;
