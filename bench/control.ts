/** Bench `control`: how long after a PAUSE was decided a listener still hears the reply, while each kind of voice computes, and under load. */
import { FRAME_MS } from "@antiphon/protocol";
import { SeededRandom } from "@antiphon/runtime/testing";
import type { Bench, BenchOptions, BenchResult } from "./bench.ts";
import { distribution, tenth } from "./harness/distribution.ts";
import { atLevel } from "./harness/levels.ts";
import { deviceClock, generatorLateness, onCalls } from "./harness/load.ts";
import { decidedToSilenceMs, detectionToSilenceMs, known, type Pause } from "./harness/pause.ts";
import { kokoroIsThere, type Stack, startBareStack, startWholeStack } from "./harness/stacks.ts";
import { synthesise } from "./harness/synthesised-speech.ts";
import { talkOver } from "./harness/talk-over.ts";
import { workerPauses } from "./harness/worker-pauses.ts";

export const bench: Bench = {
  summary: "from PAUSE decided to the last sample played: each voice, 50 sessions, the relay",
  run,
};

async function run(options: BenchOptions): Promise<BenchResult> {
  const { progress, quick } = options;
  const sounds = await shortSounds();
  const voices = kokoroIsThere() ? ["tone", "flite", "kokoro"] : ["tone", "flite"];
  const each = quick ? 6 : Math.ceil(TRIALS_MIN / voices.length / 6) * 6;
  const adapters: Record<string, unknown> = {};
  const worst = { p50Ms: 0, p95Ms: 0 };
  let n = 0;
  let stale = 0;
  for (const voice of voices) {
    const callers = voice === "kokoro" ? KOKORO_CALLERS : CALLERS;
    progress(`${voice}: ${each} pauses on ${callers} calls`);
    const stack = await startWholeStack([voice, "moonshine"]);
    const measured = await measure(stack, {
      ...options,
      sounds,
      callers,
      times: each / callers,
      gapMs: [300, 1_500],
    });
    await stack.stop();
    const decided = distribution(known(measured.pauses.map(decidedToSilenceMs)));
    n += measured.pauses.length;
    stale += measured.staleSamples;
    worst.p50Ms = Math.max(worst.p50Ms, decided.p50 ?? 0);
    worst.p95Ms = Math.max(worst.p95Ms, decided.p95 ?? 0);
    adapters[voice] = {
      n: measured.pauses.length,
      p50Ms: decided.p50,
      p95Ms: decided.p95,
      maxMs: decided.max,
      clientFrames: frames(known(measured.pauses.map(decidedToSilenceMs))),
      workerFrames: await workerPauses(voice, quick ? 5 : WORKER_TRIALS),
      missed: measured.missed,
    };
  }
  if (!voices.includes("kokoro"))
    adapters["kokoro"] = "absent: its files or its adapter are not there";
  const load = await underLoad(options, sounds);
  return {
    generator: generatorLateness(),
    figures: { n, ...worst, adapters, ...load.figures, staleSamples: stale + load.staleSamples },
    notes: NOTES,
  };
}

/** 50 sessions on the orchestrator's own socket, 10 through the relay: tone alone, so that the sessions are the load. */
async function underLoad(options: BenchOptions, sounds: readonly Int16Array[]) {
  const figures: Record<string, unknown> = {};
  let staleSamples = 0;
  const settings = [
    { name: "direct", start: startBareStack, callers: options.sessions ?? 50 },
    { name: "relay", start: startWholeStack, callers: 10 },
  ];
  for (const { name, start, callers } of settings) {
    const count = options.quick ? Math.min(callers, 5) : callers;
    options.progress(`${name}: ${count} sessions speaking at once`);
    const stack = await start(["tone", "moonshine"]);
    const measured = await measure(stack, {
      ...options,
      sounds,
      callers: count,
      times: options.quick ? 2 : Math.ceil(LOAD_TRIALS / callers),
      gapMs: callers > 20 ? [4_000, 16_000] : [1_000, 4_000],
    });
    await stack.stop();
    staleSamples += measured.staleSamples;
    figures[name] = {
      sessions: count,
      n: measured.pauses.length,
      detectionToSilenceMs: distribution(known(measured.pauses.map(detectionToSilenceMs))),
      decidedToSilenceMs: distribution(known(measured.pauses.map(decidedToSilenceMs))),
      missed: measured.missed,
      underruns: measured.underruns,
      staleSamples: measured.staleSamples,
    };
  }
  return { figures, staleSamples };
}

async function measure(
  stack: Stack,
  options: BenchOptions & {
    sounds: readonly Int16Array[];
    callers: number;
    times: number;
    gapMs: readonly [number, number];
  },
): Promise<{ pauses: Pause[]; missed: number; staleSamples: number; underruns: number }> {
  const { sounds, times, gapMs, seed } = options;
  const done = await onCalls(
    options.callers,
    (number) => stack.call({ clock: deviceClock, number }, {}),
    (caller, number) =>
      talkOver(caller, { random: new SeededRandom(seed + number), sounds, times, gapMs }),
  );
  return {
    pauses: done.results.flatMap(({ pauses }) => pauses),
    missed: done.results.reduce((sum, { missed }) => sum + missed, 0),
    staleSamples: done.staleSamples,
    underruns: done.underruns,
  };
}

/** What people hum along with: it pauses a reply and lets it go on. */
async function shortSounds(): Promise<Int16Array[]> {
  const speech = await synthesise(["flite"], ["Right.", "Okay."]);
  return speech.map(({ samples }) => atLevel(samples, -20));
}

/** 20 ms each, begun ones counted. */
function frames(ms: readonly number[]) {
  const { p50, p95, max } = distribution(ms.map((each) => each / FRAME_MS));
  return { p50: p50 && tenth(p50), p95: p95 && tenth(p95), max: max && tenth(max) };
}

const TRIALS_MIN = 210;
/** Enough for each voice to be computing at any time. */
const CALLERS = 3;
/** It speaks a little more than twice as fast as people do, on two cores: so it never rests. */
const KOKORO_CALLERS = 2;
const LOAD_TRIALS = 200;
const WORKER_TRIALS = 40;

const NOTES = [
  "p50Ms and p95Ms are the worst voice's: PAUSE decided to the last sample of the reply played by the client's player.",
  "Detection is taken to be when the client had sent the last sample of the detector's window, which is before it arrived; a decision is that plus the server's own decisionMs. So both figures are a little too long.",
  "The last sample played counts whether it was silent or not: where a voice was silent just then, the figure is too long.",
  "workerFrames: frames that a caller of the worker itself still receives after it has asked for PAUSE, and how long after that the last one came.",
  "staleSamples: samples that sounded after a STOP had arrived, its fade of 8 ms not counted.",
];
