/** Every decision about speech over a reply, with what it was decided on: for whoever tunes the options. Owns its list; decides nothing. */
import type { Interruption } from "@antiphon/client";
import { decisionRow } from "./decision-row.ts";
import { element } from "./element.ts";

export class DecisionView {
  readonly #panel = element("decisions", HTMLDetailsElement);
  readonly #count = element("decisions-count", HTMLElement);
  readonly #list = element("decisions-list", HTMLOListElement);
  #shown: readonly Interruption[] = [];

  constructor() {
    // In a low window it opens below the edge.
    this.#panel.addEventListener("toggle", () => {
      if (this.#panel.open) this.#panel.scrollIntoView({ block: "nearest" });
    });
  }

  show(interruptions: readonly Interruption[]): void {
    if (interruptions === this.#shown) return;
    const known = new Set(this.#shown);
    const kept = new Set(interruptions);
    this.#panel.hidden = interruptions.length === 0;
    // The newest on top, where the eye is when the panel opens.
    for (const interruption of interruptions) {
      if (!known.has(interruption)) this.#list.prepend(itemOf(interruption));
    }
    const forgotten = this.#shown.filter((interruption) => !kept.has(interruption)).length;
    for (let index = 0; index < forgotten; index++) this.#list.lastElementChild?.remove();
    this.#count.textContent = String(interruptions.length);
    this.#shown = interruptions;
  }
}

function itemOf(interruption: Interruption): HTMLElement {
  const row = decisionRow(interruption);
  const item = document.createElement("li");
  item.dataset["decision"] = interruption.decision;
  item.append(
    part("decision-at", row.at),
    part("decision-what", row.what),
    part("decision-figures", row.figures.join(" · ")),
  );
  return item;
}

function part(className: string, text: string): HTMLElement {
  const made = document.createElement("span");
  made.className = className;
  made.textContent = text;
  return made;
}
