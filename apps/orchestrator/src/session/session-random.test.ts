import { AntiphonError, type ClientMessage } from "@antiphon/protocol";
import { FakeClock, SeededRandom, settle } from "@antiphon/runtime/testing";
import { expect, it } from "vitest";
import { Session } from "./session.ts";
import {
  FaultyLanguageModel,
  FaultySynthesizer,
  FaultyTranscriber,
} from "./testing/faulty-ports.ts";
import {
  LoudnessDetector,
  MemoryRecords,
  SILENT_FRAME,
  SPEECH_FRAME,
} from "./testing/scripted-ports.ts";
import { SESSION_DEFAULTS } from "./testing/session-defaults.ts";
import { StrictListener } from "./testing/strict-listener.ts";
import { Ticker } from "./ticker.ts";

/** One conversation in which anything may happen at any time. Throws what was broken. */
async function converse(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const clock = new FakeClock();
  const faults = { clock, random, failure: random.pick([0, 0.1, 0.4]) };
  const llm = new FaultyLanguageModel(faults);
  const synthesizer = new FaultySynthesizer(faults, random.chance(0.95));
  const listener = new StrictListener(clock, {
    reports: random.pick(["well", "well", "late", "never"] as const),
  });
  const records = new MemoryRecords();
  const ended: string[] = [];
  const faulted: unknown[] = [];
  const session = new Session(
    {
      clock,
      ticker: new Ticker({ clock, onError: (_, reason) => faulted.push(reason) }),
      detector: new LoudnessDetector(),
      transcriber: new FaultyTranscriber(faults),
      synthesizer,
      llm,
      defaults: { ...SESSION_DEFAULTS, idleTimeoutMs: 60_000, synthesisOpenTimeoutMs: 600 },
    },
    { sessionId: "s", leaseEpoch: 1, history: [], turnNumber: 0, owesAnswer: false },
    {
      transport: listener,
      records,
      onEnded: (end) => ended.push(end.kind === "normal" ? "normal" : codeOf(end.error)),
    },
  );
  const said: string[] = [];
  let commits = 0;
  let typed = 0;
  let seq = 0;
  const send = (message: ClientMessage) => {
    try {
      session.receive(message);
      return ended.length === 0;
    } catch (reason) {
      expect(reason).toBeInstanceOf(AntiphonError);
      return false;
    }
  };
  const step = async (frame: Int16Array | undefined) => {
    if (frame !== undefined) session.receiveMicrophone(seq++, frame);
    for (const report of listener.reports()) send(report);
    for (let quarter = 0; quarter < 4; quarter++) {
      clock.advance(5);
      await settle();
      // Told as they come, so that typed and spoken words keep their order.
      said.push(...listener.finals.splice(0));
    }
  };
  const act = () => {
    if (random.chance(0.012)) {
      const text = `typed${++typed}`;
      if (send({ type: "text", text })) said.push(text);
    }
    if (random.chance(0.008)) send({ type: "say", text: `Program says ${typed}.` });
    if (random.chance(0.008)) send({ type: "interrupt" });
    if (random.chance(0.01) && send({ type: "input_commit" })) commits++;
    if (random.chance(0.004)) send({ type: random.pick(["mute", "unmute"] as const) });
    if (random.chance(0.0005)) send({ type: "session_end" });
  };

  const options = {
    ...(random.chance(0.3) ? { greeting: "Good day." } : {}),
    ...(random.chance(0.3) ? { endpointing: "manual" as const } : {}),
    ...(random.chance(0.3) ? { playback: "none" as const } : {}),
    ...(random.chance(0.5) ? { preemptiveGeneration: true } : {}),
    ...(random.chance(0.5) ? { endpointingMaxDelayMs: random.pick([300, 900, 2_000]) } : {}),
  };
  send({ type: "session_start", options });
  let speaking = false;
  let sends = true;
  for (let frame = 0; frame < 350; frame++) {
    if (random.chance(speaking ? 0.05 : 0.02)) speaking = !speaking;
    if (random.chance(0.01)) sends = !sends;
    act();
    await step(sends ? (speaking ? SPEECH_FRAME : SILENT_FRAME) : undefined);
  }
  send({ type: "unmute" });
  if (send({ type: "input_commit" })) commits++;
  // Everything falls quiet: the longest story left is a transcript, an answer and a stuck listener's grace.
  for (let frame = 0; frame < 800 && ended.length === 0; frame++) await step(SILENT_FRAME);
  if (ended.length === 0) {
    expect(listener.state).toBe("listening");
    expect(listener.committed).toBe(commits);
    expect(synthesizer.utterances).toBe(0);
  }
  send({ type: "session_end" });
  await settle();
  const left = clock.pendingTimers;
  clock.advance(30_000);
  await settle();

  expect(faulted).toEqual([]);
  expect(listener.broken).toEqual([]);
  expect(ended).toHaveLength(1);
  expect(["normal", "not_found", "unavailable", "overloaded"]).toContain(ended[0]);
  expect([...listener.announced]).toEqual([]);
  expect({
    timers: left,
    claims: synthesizer.claims,
    utterances: synthesizer.utterances,
    answers: llm.answers,
  }).toEqual({ timers: 0, claims: 0, utterances: 0, answers: 0 });
  const history = records.written.at(-1)?.history ?? [];
  history.slice(1).forEach((entry, index) => {
    expect(entry.role).not.toBe(history[index]?.role);
  });
  const by = (role: string) =>
    history.filter((entry) => entry.role === role).map((entry) => entry.text);
  expect(by("assistant").join(" ")).toBe(listener.doneTexts.join(" "));
  expect(by("user").join(" ")).toBe(said.join(" "));
  for (const request of llm.requests) expect(request.history.at(-1)?.role).toBe("user");
}

function codeOf(error: Error): string {
  return error instanceof AntiphonError ? error.code : "fault";
}

/** Enough to meet each of these faults dozens of times; a few seconds. */
const SEEDS = 400;

it(`whatever happens in a conversation, its promises hold (${SEEDS} seeds)`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    await converse(seed).catch((reason: unknown) => {
      throw new Error(`seed ${seed}`, { cause: reason });
    });
  }
});
