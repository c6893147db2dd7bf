/** The conversation as it is spoken: both sides' captions, the reply's words lit one by one. Owns its list; what is lit is `spoken-words.ts`. */
import { interruptionWords, type PlaybackReport } from "@antiphon/client";
import type { Entry, NoteEntry, PersonEntry, ReplyEntry } from "./conversation.ts";
import { element } from "./element.ts";
import { secondsOf } from "./latency-stages.ts";
import { type SpokenWord, spokenWords } from "./spoken-words.ts";

export class ConversationView {
  readonly #list = element("entries", HTMLOListElement);
  readonly #empty = element("empty", HTMLElement);
  readonly #scroll = element("scroll", HTMLElement);
  readonly #toEnd = element("to-end", HTMLButtonElement);
  readonly #spoken = element("spoken", HTMLElement);
  readonly #items = new Map<string, { item: HTMLLIElement; entry: Entry }>();
  #playback: PlaybackReport | undefined;
  /** The person has not scrolled away to read something older. */
  #atEnd = true;

  constructor() {
    this.#scroll.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
      this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
      this.#toEnd.hidden = this.#atEnd;
    });
    this.#toEnd.addEventListener("click", () => {
      this.#scroll.scrollTo({ top: this.#scroll.scrollHeight, behavior: "smooth" });
    });
  }

  /** `held`: the reply that sounds is paused. */
  show(entries: readonly Entry[], held: boolean): void {
    this.#empty.hidden = entries.length > 0;
    const ids = new Set(entries.map((entry) => entry.id));
    for (const [id, { item }] of this.#items) {
      if (ids.has(id)) continue;
      item.remove();
      this.#items.delete(id);
    }
    let changed = false;
    for (const entry of entries) changed = this.#showEntry(entry) || changed;
    this.#markNewest(entries);
    this.#list.dataset["held"] = String(held);
    if (changed && this.#atEnd) this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }

  /** What the listener has heard, every 20 ms. */
  played(report: PlaybackReport): void {
    const before = this.#playback;
    this.#playback = report;
    if (report.replyId === null || report.positionSamples === before?.positionSamples) return;
    const shown = this.#items.get(report.replyId);
    if (shown?.entry.kind === "reply" && !shown.entry.done)
      this.#drawWords(shown.item, shown.entry);
  }

  #showEntry(entry: Entry): boolean {
    const known = this.#items.get(entry.id);
    if (known?.entry === entry) return false;
    const item = known?.item ?? this.#list.appendChild(document.createElement("li"));
    if (known === undefined) item.className = `entry entry-${entry.kind}`;
    this.#announce(entry, known?.entry);
    this.#items.set(entry.id, { item, entry });
    if (entry.kind === "reply") this.#drawReply(item, entry);
    else drawPlain(item, entry);
    return true;
  }

  #drawReply(item: HTMLLIElement, reply: ReplyEntry): void {
    item.dataset["done"] = String(reply.done);
    item.dataset["interrupted"] = String(reply.interrupted);
    if (item.childElementCount === 0) {
      item.append(speaker("Antiphon"), paragraph("words"), paragraph("aside"));
    }
    item.querySelector(".aside")?.replaceChildren(...asideOf(reply));
    this.#drawWords(item, reply);
  }

  #drawWords(item: HTMLLIElement, reply: ReplyEntry): void {
    const parent = item.querySelector(".words");
    if (parent === null) return;
    const playing = this.#playback?.replyId === reply.id;
    const words = spokenWords(reply, playing ? this.#playback?.positionSamples : undefined);
    for (const [index, word] of words.entries()) drawWord(parent, index, word);
    while (parent.children.length > words.length) {
      // With the space before it.
      parent.lastElementChild?.previousSibling?.remove();
      parent.lastElementChild?.remove();
    }
  }

  /** Tests and assistive technology find the current turn of each side by its test id. */
  #markNewest(entries: readonly Entry[]): void {
    for (const kind of ["person", "reply"] as const) {
      const newest = entries.findLast((entry) => entry.kind === kind)?.id;
      for (const [id, { item, entry }] of this.#items) {
        if (entry.kind !== kind) continue;
        const words = item.querySelector<HTMLElement>(".words");
        if (words === null) continue;
        if (id === newest) words.dataset["testid"] = CAPTION_TEST_IDS[kind];
        else delete words.dataset["testid"];
      }
    }
  }

  /** A screen reader hears what is settled, once; the flow of partial words would drown it. */
  #announce(entry: Entry, before: Entry | undefined): void {
    const text = announcementOf(entry, before);
    if (text === undefined) return;
    const line = document.createElement("p");
    line.textContent = text;
    this.#spoken.append(line);
    while (this.#spoken.childElementCount > ANNOUNCEMENTS_MAX) {
      this.#spoken.firstElementChild?.remove();
    }
  }
}

function announcementOf(entry: Entry, before: Entry | undefined): string | undefined {
  switch (entry.kind) {
    case "person": {
      const settled = before?.kind === "person" && before.final && before.text === entry.text;
      return entry.final && !entry.typed && !settled ? `You: ${entry.text}` : undefined;
    }
    case "reply":
      if (!entry.done || (before?.kind === "reply" && before.done)) return undefined;
      return `Antiphon: ${entry.heardText ?? entry.text}${entry.interrupted ? " – interrupted" : ""}`;
    case "note":
      return before === undefined ? entry.text : undefined;
  }
}

function drawPlain(item: HTMLLIElement, entry: PersonEntry | NoteEntry): void {
  if (item.childElementCount === 0) {
    if (entry.kind === "person") item.append(speaker("You"));
    item.append(paragraph("words"));
  }
  if (entry.kind === "person") item.dataset["final"] = String(entry.final);
  const words = item.querySelector(".words");
  if (words !== null) words.textContent = entry.text;
}

function drawWord(parent: Element, index: number, word: SpokenWord): void {
  let span = parent.children[index] as HTMLElement | undefined;
  if (span === undefined) {
    if (index > 0) parent.append(" ");
    span = parent.appendChild(document.createElement("span"));
  }
  if (span.textContent !== word.text) span.textContent = word.text;
  if (span.dataset["mark"] !== word.mark) span.dataset["mark"] = word.mark;
}

/** What is to be known of a reply besides its words, on one line that is always there: nothing moves when it changes. */
function asideOf(reply: ReplyEntry): (HTMLElement | string)[] {
  const parts: (HTMLElement | string)[] = [];
  const remark = remarkOf(reply);
  if (remark !== undefined) parts.push(remark);
  if (reply.answeredInMs !== undefined) {
    parts.push(`answered after ${secondsOf(reply.answeredInMs)}`);
  }
  return parts.flatMap((part, index) => (index === 0 ? [part] : [" · ", part]));
}

function remarkOf(reply: ReplyEntry): HTMLElement | undefined {
  const { spokenOver, interruption } = reply;
  if (spokenOver !== undefined) return remark("over", `you: “${spokenOver.text}”`);
  if (interruption !== undefined && (interruption.decision !== "pause" || !reply.done)) {
    const { title, reason } = interruptionWords(interruption);
    return remark(interruption.decision, `${title.toLowerCase()}: ${reason}`);
  }
  return reply.interrupted ? remark("stop", "interrupted") : undefined;
}

function remark(kind: "over" | "pause" | "resume" | "stop", text: string): HTMLElement {
  const made = document.createElement("span");
  made.className = "remark";
  made.dataset["remark"] = kind;
  made.textContent = text;
  return made;
}

function speaker(name: string): HTMLElement {
  const label = paragraph("speaker");
  label.textContent = name;
  return label;
}

function paragraph(className: string): HTMLElement {
  const made = document.createElement("p");
  made.className = className;
  return made;
}

const CAPTION_TEST_IDS = { person: "user-captions", reply: "reply-captions" };
/** About two lines: the list still counts as read to its end. */
const NEAR_END_PX = 48;
const ANNOUNCEMENTS_MAX = 6;
