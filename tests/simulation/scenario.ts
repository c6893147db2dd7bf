/** What one seed means: who talks how, over what, and how much goes wrong. Draws; starts nothing. */
import type { SessionOptions } from "@antiphon/protocol";
import { Draw } from "./draw.ts";
import type { LanguageModelHabits } from "./faulty-language-model.ts";
import type { LinkHabits } from "./link.ts";
import type { PersonHabits } from "./person.ts";
import type { RecognitionHabits } from "./recognition-service.ts";
import type { VoiceHabits } from "./voice-service.ts";

export interface Scenario {
  seed: number;
  /** 0 in a quarter of all seeds: there everything has to be exact. */
  severity: number;
  options: SessionOptions;
  listener: "program" | "page";
  up: LinkHabits;
  down: LinkHabits;
  workers: number;
  voice: VoiceHabits;
  recognition: RecognitionHabits;
  llm: LanguageModelHabits;
  person: PersonHabits;
  /** How long they talk, before everybody falls silent. */
  talkMs: number;
  faults: WorldFaults;
}

/** Of a second, each times the severity. */
export interface WorldFaults {
  serverStalls: number;
  clientStalls: number;
  workerDeaths: number;
  /** The model answers nobody for some seconds. */
  llmOutages: number;
  /** The connection is; the client may call again. */
  clientLost: number;
  /** A report of the listener's arrives twice, the second time late. */
  staleReports: number;
  /** A report claims more than was sent. */
  falseReports: number;
}

export function drawScenario(seed: number): Scenario {
  const draw = new Draw(seed).stream("scenario");
  const severity = draw.pick([0, 0.3, 0.6, 1]);
  const delayMs = draw.pick([1, 10, 25, 60, 120]) * draw.between(0.5, 1.5);
  const link = (): LinkHabits => ({
    delayMs,
    jitterMs: draw.pick([0, 2, 10, 40]),
    stallChance: draw.pick([0, 0.0005, 0.002]) * severity,
    stallMsMax: draw.pick([200, 800, 4_000]),
  });
  const commits = draw.chance(0.2);
  const reportless = draw.chance(0.15);
  const options: SessionOptions = {
    ...(draw.chance(0.5) ? { greeting: draw.pick(GREETINGS) } : {}),
    ...(commits ? { endpointing: "manual" as const } : {}),
    ...(reportless ? { playback: "none" as const } : {}),
    ...(draw.chance(0.04) ? { respond: false } : {}),
    ...(draw.chance(0.3) ? { preemptiveGeneration: draw.chance(0.7) } : {}),
    ...(draw.chance(0.4) ? { interruption: drawInterruption(draw) } : {}),
  };
  return {
    seed,
    severity,
    options,
    listener: draw.pick(["program", "page"] as const),
    up: link(),
    down: link(),
    workers: draw.pick([1, 2, 2, 3]),
    voice: {
      firstAudioMs: draw.pick([20, 60, 150, 400]),
      msPerFrame: draw.pick([0.5, 2, 6, 15, 22]),
      burstFrames: draw.pick([1, 3, 8, 25]),
      timings: draw.pick(["before", "before", "after", "none"] as const),
    },
    recognition: {
      passMs: draw.pick([15, 40, 90]),
      finalMs: draw.pick([20, 80, 250]),
      tellsConfidence: draw.chance(0.5),
    },
    llm: {
      firstTokenMs: draw.pick([5, 30, 100, 300]),
      tokenMs: draw.pick([0, 0, 5, 30, 90]),
      sentencesMax: draw.whole(1, 5),
    },
    person: {
      commits,
      typing: draw.pick([0, 0.15, 0.3]),
      muting: draw.pick([0, 0, 0.06]),
      hangingUp: draw.pick([0, 0, 0.03]),
    },
    talkMs: draw.between(8_000, 20_000),
    faults: {
      serverStalls: draw.pick([0, 0.05, 0.3]),
      clientStalls: draw.pick([0, 0.05, 0.3]),
      workerDeaths: draw.pick([0, 0.05, 0.2]),
      llmOutages: draw.pick([0, 0.05, 0.15]),
      clientLost: draw.pick([0, 0, 0.03]),
      staleReports: draw.pick([0, 0, 0.5]),
      falseReports: draw.pick([0, 0, 0.2]),
    },
  };
}

const GREETINGS = [
  "Good day. How are you?",
  "Welcome. I shall go on for quite a while, so that somebody may well interrupt me. Shall I begin with the weather, or with the news of the day?",
];

function drawInterruption(draw: Draw): NonNullable<SessionOptions["interruption"]> {
  return {
    ...(draw.chance(0.2) ? { enabled: false } : {}),
    ...(draw.chance(0.3) ? { mode: "vad" as const } : {}),
    ...(draw.chance(0.3) ? { minDurationMs: draw.whole(300, 1_200) } : {}),
    ...(draw.chance(0.3) ? { minWords: draw.whole(1, 3) } : {}),
    ...(draw.chance(0.3) ? { falseInterruptionTimeoutMs: draw.whole(300, 1_500) } : {}),
    ...(draw.chance(0.2) ? { resumeFalseInterruption: false } : {}),
  };
}
