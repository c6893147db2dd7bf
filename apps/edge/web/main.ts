/** The page's start: one state, the views that show it, and what the person's hands do to the call. */
import "./zod-without-eval.ts";

import { AntiphonClient } from "@antiphon/client";
import { systemClock, type Timer } from "@antiphon/runtime";
import { Call } from "./call.ts";
import { ConversationView } from "./conversation-view.ts";
import { DecisionView } from "./decision-view.ts";
import { element } from "./element.ts";
import { LatencyView } from "./latency-view.ts";
import { LevelView } from "./level-view.ts";
import { OutputProbe } from "./output-probe.ts";
import { listenForHolding } from "./push-to-talk.ts";
import type { ScreenEvent, TalkMode } from "./screen-event.ts";
import { FIRST_SCREEN, nextScreen } from "./screen-state.ts";
import { StageView } from "./stage-view.ts";
import { NO_SOUND } from "./trouble.ts";

const client = new AntiphonClient({ url: window.location.origin });
const probe = new OutputProbe();
probe.expose();
const levels = new LevelView();
const conversation = new ConversationView();
const latency = new LatencyView();
const decisions = new DecisionView();
const stage = new StageView();
const text = element("text", HTMLTextAreaElement);

let screen = FIRST_SCREEN;
let call: Call | undefined;
let drawing = false;
let verdictTimer: Timer | undefined;

function dispatch(event: ScreenEvent): void {
  const { verdict } = screen;
  screen = nextScreen(screen, event);
  if (screen.verdict !== verdict) letVerdictPass();
  if (drawing) return;
  drawing = true;
  // Once before the next frame, however many messages came; a hidden page draws nothing and catches up.
  requestAnimationFrame(() => {
    drawing = false;
    stage.show(screen);
    conversation.show(screen.entries, screen.session.held);
    latency.show(screen.latency);
    decisions.show(screen.interruptions);
  });
}

function letVerdictPass(): void {
  verdictTimer?.cancel();
  if (screen.verdict === undefined) return;
  verdictTimer = systemClock.setTimer(VERDICT_MS, () => dispatch({ type: "verdict-over" }));
}

async function startCall(withMicrophone: boolean): Promise<void> {
  const before = call;
  call = undefined;
  // Its goodbye is not waited for.
  void before?.end();
  const mine = createCall();
  if (mine === undefined) return;
  call = mine;
  await mine.start(withMicrophone);
}

function createCall(): Call | undefined {
  try {
    const created = new Call({
      client,
      mode: screen.mode,
      onEvent: (event) => {
        // A call that was replaced or ended may still have something to say; nobody is to hear it.
        if (call === created) dispatch(event);
      },
      onInputLevel: (peak) => levels.input(peak),
      onOutput: (block) => {
        probe.add(block);
        levels.output(block.peak);
        conversation.played(block.report);
      },
    });
    return created;
  } catch {
    dispatch({ type: "trouble", trouble: NO_SOUND });
    return undefined;
  }
}

async function endCall(): Promise<void> {
  const mine = call;
  // First the call says that it is over, then it is forgotten.
  const ended = mine?.end();
  call = undefined;
  levels.output(0);
  await ended;
}

async function sendText(): Promise<void> {
  const typed = text.value.trim();
  if (typed === "") return;
  text.value = "";
  fitText();
  if (screen.call === "idle") await startCall(false);
  if (screen.call !== "live" || call === undefined) {
    // Not said, so not lost either.
    text.value = typed;
    fitText();
    return;
  }
  call.text(typed);
  dispatch({ type: "typed", text: typed });
}

async function changeMode(mode: TalkMode): Promise<void> {
  dispatch({ type: "mode", mode });
  if (screen.call === "idle") return;
  const spoken = screen.microphone !== "off";
  // How a turn ends is settled when a session starts, so another way is another session.
  dispatch({
    type: "note",
    text: `${mode === "push-to-talk" ? "Push to talk" : "Hands-free"} from here on, in a new conversation.`,
  });
  await startCall(spoken);
}

/** Whether it is spoken already or still thought about. */
function interruptAnswer(): void {
  if (screen.session.state === "speaking" || screen.session.thinking) call?.interrupt();
}

function fitText(): void {
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight, TEXT_HEIGHT_PX_MAX)}px`;
}

/** Six words are read in this time; longer, and what goes on now would not be seen. */
const VERDICT_MS = 2_500;
/** Six lines; then it scrolls. */
const TEXT_HEIGHT_PX_MAX = 160;

stage.onTalk = () => void (screen.call === "idle" ? startCall(true) : endCall());
stage.onMute = () => {
  if (screen.microphone === "on") call?.setMuted(!screen.muted);
  else void call?.turnOnMicrophone();
};
stage.onInterrupt = interruptAnswer;
stage.onMode = (mode) => void changeMode(mode);
stage.onTroubleDismissed = () => dispatch({ type: "dismissed" });
stage.onTroubleAction = (action) => {
  if (action === "take-back" && call !== undefined) void call.takeBack();
  else if (screen.call === "idle") void startCall(true);
  else void call?.turnOnMicrophone();
};

listenForHolding({
  button: element("ptt", HTMLButtonElement),
  active: () => screen.call === "live" && screen.mode === "push-to-talk",
  onDown: () => {
    interruptAnswer();
    call?.pressed();
  },
  onUp: () => call?.released(),
});

text.addEventListener("input", fitText);
text.addEventListener("keydown", (event) => {
  // A key that ends an input method's composition is not a wish to send.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  void sendText();
});
element("composer", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  void sendText();
});
window.addEventListener("keydown", (event) => {
  if (event.key === "Escape") interruptAnswer();
});
// Said on the way out, so that the server need not wait for us to come back.
window.addEventListener("pagehide", () => void call?.end());

dispatch({ type: "dismissed" });
