/** State, troubles and controls of the call. Draws a screen's state and reports the person's wishes; decides nothing. */
import { aboutWords } from "./about-words.ts";
import { element } from "./element.ts";
import { indicatorOf } from "./indicator.ts";
import type { TalkMode } from "./screen-event.ts";
import type { ScreenState } from "./screen-state.ts";
import type { Trouble } from "./trouble.ts";

export class StageView {
  onTalk = (): void => {};
  onMute = (): void => {};
  onInterrupt = (): void => {};
  onMode = (_mode: TalkMode): void => {};
  onTroubleAction = (_action: Trouble["action"]): void => {};
  onTroubleDismissed = (): void => {};

  readonly #about = element("about", HTMLElement);
  readonly #state = element("state", HTMLElement);
  readonly #label = element("state-label", HTMLElement);
  readonly #hint = element("state-hint", HTMLElement);
  readonly #trouble = element("trouble", HTMLElement);
  readonly #troubleTitle = element("trouble-title", HTMLElement);
  readonly #troubleText = element("trouble-text", HTMLElement);
  readonly #troubleAction = element("trouble-action", HTMLButtonElement);
  readonly #talk = element("talk", HTMLButtonElement);
  readonly #talkLabel = element("talk-label", HTMLElement);
  readonly #mute = element("mute", HTMLButtonElement);
  readonly #muteLabel = element("mute-label", HTMLElement);
  readonly #interrupt = element("interrupt", HTMLButtonElement);
  readonly #hold = element("ptt", HTMLButtonElement);
  readonly #holdLabel = element("ptt-label", HTMLElement);
  readonly #meters = element("meters", HTMLElement);
  #shown: Partial<ScreenState> = {};

  constructor() {
    this.#talk.addEventListener("click", () => this.onTalk());
    this.#mute.addEventListener("click", () => this.onMute());
    this.#interrupt.addEventListener("click", () => this.onInterrupt());
    this.#troubleAction.addEventListener("click", () => {
      const action = this.#shown.trouble?.action;
      if (action !== undefined) this.onTroubleAction(action);
    });
    element("trouble-dismiss", HTMLButtonElement).addEventListener("click", () =>
      this.onTroubleDismissed(),
    );
    element("modes", HTMLElement).addEventListener("change", (event) => {
      const { value } = event.target as HTMLInputElement;
      this.onMode(value === "push-to-talk" ? "push-to-talk" : "hands-free");
    });
  }

  show(screen: ScreenState): void {
    this.#showState(screen);
    this.#showTrouble(screen.trouble);
    this.#showControls(screen);
    if (screen.about !== undefined && screen.about !== this.#shown.about) {
      this.#about.textContent = aboutWords(screen.about);
      this.#about.hidden = false;
    }
    this.#shown = screen;
  }

  #showState(screen: ScreenState): void {
    const { name, label, hint } = indicatorOf(screen);
    this.#state.dataset["state"] = name;
    // Untouched when equal: a live region speaks at every change of its text.
    if (this.#label.textContent !== label) this.#label.textContent = label;
    if (this.#hint.textContent !== hint) this.#hint.textContent = hint;
  }

  #showTrouble(trouble: Trouble | undefined): void {
    if (trouble === this.#shown.trouble) return;
    this.#trouble.hidden = trouble === undefined;
    if (trouble === undefined) return;
    this.#troubleTitle.textContent = trouble.title;
    this.#troubleText.textContent = trouble.text;
    this.#troubleAction.hidden = trouble.action === "later";
    this.#troubleAction.textContent = trouble.action === "take-back" ? "Take it back" : "Try again";
  }

  #showControls(screen: ScreenState): void {
    const inCall = screen.call !== "idle";
    const live = screen.call === "live";
    const pushing = screen.mode === "push-to-talk";
    const microphone = screen.microphone === "on";

    this.#talk.dataset["call"] = inCall ? "on" : "off";
    setLabel(
      this.#talk,
      this.#talkLabel,
      inCall ? "End the call" : "Start talking",
      inCall ? "End" : "Start talking",
    );

    // In push-to-talk the held button is all the muting there is.
    this.#mute.disabled = !live || (pushing && microphone);
    this.#mute.setAttribute("aria-pressed", String(microphone && screen.muted));
    this.#mute.dataset["muted"] = String(live && (screen.muted || !microphone));
    if (live && !microphone)
      setLabel(this.#mute, this.#muteLabel, "Turn on the microphone", "Mic on");
    else if (screen.muted) setLabel(this.#mute, this.#muteLabel, "Unmute the microphone", "Unmute");
    else setLabel(this.#mute, this.#muteLabel, "Mute the microphone", "Mute");

    const answering = screen.session.state === "speaking" || screen.session.thinking;
    this.#interrupt.disabled = !live || !answering;

    const couldHold = live && pushing && microphone;
    if (this.#hold.hidden === couldHold) {
      this.#hold.hidden = !couldHold;
      // The space bar on the button just clicked would end the call: here it talks.
      if (couldHold && document.activeElement === this.#talk) this.#hold.focus();
    }
    this.#hold.setAttribute("aria-pressed", String(screen.heldDown));
    this.#holdLabel.textContent = screen.heldDown ? "Let go to send" : "Hold to talk";

    this.#meters.dataset["live"] = String(live);
    document.body.dataset["call"] = screen.call;
  }
}

function setLabel(button: HTMLElement, label: HTMLElement, long: string, short: string): void {
  button.setAttribute("aria-label", long);
  if (label.textContent !== short) label.textContent = short;
}
