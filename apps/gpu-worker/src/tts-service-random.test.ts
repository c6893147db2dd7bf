/** Random stories, from a seed that a failure prints: whatever a caller does, each utterance has one end and none hangs. */
import { type AudioFrame, ControlAction } from "@antiphon/protocol/worker";
import { FakeClock, SeededRandom } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import { ScriptedVoice } from "./testing/scripted-voice.ts";
import { quiet, type SpeechCaller, SpeechService } from "./testing/speech-caller.ts";

const UTTERANCES = 200;
const TERMINALS: ReadonlySet<string | undefined> = new Set(["done", "cancelled", "error"]);

type Plan = {
  id: string;
  kind: "normal" | "empty" | "blank" | "emoji" | "cancelled";
  steps: Step[];
};
type Step = (caller: SpeechCaller) => void;

/** The messages of one utterance, in an order that the protocol allows. */
function plan(random: SeededRandom, index: number): Plan {
  const id = `u${index}`;
  const kind = random.pick(["normal", "normal", "empty", "blank", "emoji", "cancelled"] as const);
  const text =
    (words: string): Step =>
    (caller) =>
      caller.text(id, words);
  const end: Step = (caller) => caller.end(id);
  const cancel: Step = (caller) => caller.cancel(id);
  switch (kind) {
    case "normal": {
      const sentences = Array.from({ length: 1 + random.below(3) }, () => text("one two. "));
      return { id, kind, steps: [...sentences, end] };
    }
    case "empty":
      return { id, kind, steps: random.chance(0.5) ? [end] : [text(""), end] };
    case "blank":
      return { id, kind, steps: [text(" \n"), text("\t"), end] };
    case "emoji":
      return { id, kind, steps: [text("🙂 👍🏽"), end] };
    case "cancelled": {
      // Before, between or after its texts; those that follow are late.
      const steps = [text("never heard. "), text("at all."), end];
      steps.splice(random.below(steps.length + 1), 0, cancel);
      return { id, kind, steps };
    }
  }
}

/** What a listener may rely on, checked message by message. */
class Listener {
  readonly ends = new Map<string, AudioFrame>();
  readonly stopped = new Set<string>();
  readonly #next = new Map<string, number>();
  #speaking = "";

  hear(message: AudioFrame): void {
    const { utteranceId: id, kind } = message;
    if (kind.case === "progress") return;
    expect(this.ends.has(id), `${kind.case} of ${id} after its end`).toBe(false);
    if (kind.case === "started") {
      expect(this.#next.has(id), `${id} is started once`).toBe(false);
      this.#next.set(id, 0);
    } else if (kind.case === "audio") {
      expect(this.stopped.has(id), `audio of ${id} after its STOP was acknowledged`).toBe(false);
      expect(kind.value.seq).toBe(this.#next.get(id));
      expect(kind.value.pcm.byteLength).toBe(1_920);
      this.#next.set(id, kind.value.seq + 1);
      const before = this.#speaking;
      if (before !== "" && before !== id) {
        expect(this.ends.has(before), `${id} speaks into ${before}`).toBe(true);
      }
      this.#speaking = id;
    } else if (TERMINALS.has(kind.case)) {
      expect((kind.value as { samples: number }).samples).toBe((this.#next.get(id) ?? 0) * 960);
      this.ends.set(id, message);
    }
  }
}

async function story(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const clock = new FakeClock();
  const voice = new ScriptedVoice();
  const service = new SpeechService(clock, voice);
  await service.start("s");
  const caller = service.open("s");
  const listener = new Listener();
  const plans = Array.from({ length: UTTERANCES }, (_, index) => plan(random, index));
  const open: Plan[] = [];
  let begun = 0;
  let controlSeq = 0;
  let stopsAll = false;

  async function control(): Promise<void> {
    // What was on its way to the caller before a STOP is heard before it.
    await pull();
    const action = random.pick([
      ControlAction.PAUSE,
      ControlAction.RESUME,
      ControlAction.RESUME,
      ControlAction.STOP,
    ]);
    // Mostly rising, sometimes one that is late or comes twice.
    const rising = controlSeq === 0 || random.chance(0.8);
    const seq = rising ? ++controlSeq : Math.max(1, controlSeq - random.below(3));
    const target = action === ControlAction.STOP && random.chance(0.9) ? random.pick(plans).id : "";
    await service.control("s", action, seq, target);
    if (action === ControlAction.STOP && rising && target !== "") listener.stopped.add(target);
    if (action === ControlAction.STOP && target === "") stopsAll = true;
  }

  /** The next message of some utterance; a few are written at once. */
  function write(): void {
    if (begun < plans.length && (open.length === 0 || random.chance(0.4))) {
      open.push(plans[begun++] as Plan);
    }
    const chosen = open.length === 0 ? undefined : random.pick(open);
    chosen?.steps.shift()?.(caller);
    if (chosen?.steps.length === 0) open.splice(open.indexOf(chosen), 1);
  }

  async function pull(): Promise<boolean> {
    const message = await caller.pull();
    if (message === undefined || message === "waiting") return false;
    listener.hear(message);
    return true;
  }

  while (begun < plans.length || open.length > 0) {
    const turn = random.next();
    if (turn < 0.5) write();
    else if (turn < 0.55) await control();
    else if (turn < 0.57) clock.advance(100);
    else await pull();
  }
  await service.control("s", ControlAction.RESUME, ++controlSeq);
  caller.halfClose();
  while (await pull());
  expect(await caller.pull(), "the stream ends").toBeUndefined();

  expect([...listener.ends.keys()].sort()).toEqual(plans.map(({ id }) => id).sort());
  for (const { id, kind } of plans) {
    const end = listener.ends.get(id)?.kind;
    expect(end?.case, `the end of ${id}`).not.toBe("error");
    if (kind === "cancelled" && end?.case === "done") {
      // Its end came before its cancel did.
      expect(end.value.samples).toBeGreaterThan(0);
    }
    if (kind !== "normal" && kind !== "cancelled") expect(end?.value).toMatchObject({ samples: 0 });
    if (kind === "normal" && !stopsAll && !listener.stopped.has(id)) expect(end?.case).toBe("done");
  }
  caller.hangUp();
  await service.end("s");
  await quiet();
  expect([voice.open, service.leases, service.server.pending]).toEqual([0, 0, 0]);
  expect(clock.pendingTimers).toBe(0);
}

describe("two hundred utterances in one session, with controls and texts in any order", () => {
  it.each([1, 2, 3, 4, 5])("have two hundred ends (seed %i)", async (seed) => {
    await story(seed);
  });
});
