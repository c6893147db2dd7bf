/** Holding to talk, by pointer or space bar, as two events that always come in pairs. Owns no call. */

export interface HoldOptions {
  button: HTMLButtonElement;
  /** Holding means something now; asked at each press. */
  active: () => boolean;
  onDown: () => void;
  onUp: () => void;
}

export function listenForHolding(options: HoldOptions): void {
  const { button } = options;
  let held: "pointer" | "key" | undefined;

  const down = (by: "pointer" | "key") => {
    if (held !== undefined || !options.active()) return;
    held = by;
    options.onDown();
  };
  const up = (by?: "pointer" | "key") => {
    if (held === undefined || (by !== undefined && by !== held)) return;
    held = undefined;
    options.onUp();
  };

  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    // The pointer may slide off the button and must still be heard when it is let go.
    button.setPointerCapture(event.pointerId);
    down("pointer");
  });
  for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
    button.addEventListener(type, () => up("pointer"));
  }
  button.addEventListener("contextmenu", (event) => event.preventDefault());

  window.addEventListener("keydown", (event) => {
    if (event.code !== "Space" || !options.active() || !free(event.target, button)) return;
    event.preventDefault();
    if (!event.repeat) down("key");
  });
  window.addEventListener("keyup", (event) => {
    if (event.code !== "Space" || held !== "key") return;
    event.preventDefault();
    up("key");
  });
  // Whatever takes the page away takes the finger off the button.
  window.addEventListener("blur", () => up());
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) up();
  });
}

/** The space bar belongs to what has the focus, where that knows what to do with it. */
function free(target: EventTarget | null, button: HTMLButtonElement): boolean {
  if (!(target instanceof Element) || target === button) return true;
  return target.closest("button, input, textarea, select, a, summary") === null;
}
