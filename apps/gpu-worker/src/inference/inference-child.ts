/** The program of one inference child: loads one model, warms it up, serves its jobs. Everything it needs comes by argument; it reads no environment. */
import { rmSync } from "node:fs";
import { setPriority } from "node:os";
import { systemClock } from "@antiphon/runtime";
import type { Adapter, SpeechAdapter } from "../adapters/adapter.ts";
import { createAdapter } from "../models/catalog.ts";
import type { FromChild, ModelDescription, ToChild } from "./child-message.ts";
import { createJobRunner } from "./job-runner.ts";
import { FIRST_TEXT, WARM_UP_TEXT } from "./warm-up.ts";

/** A ninth of the weight of a process at 0; where it is alone it changes nothing. */
const NICENESS = 10;
// Whoever passes frames on beside it needs the processor for microseconds, and at once. Threads made later inherit it.
setPriority(NICENESS);
const [model = "", scratchDirectory = "", modelsDirectory = ""] = process.argv.slice(2);
// The supervisor removes it after a child that was killed; a supervisor that was killed leaves it to the child.
process.on("exit", () => rmSync(scratchDirectory, { recursive: true, force: true }));
// Before the first await: a supervisor that dies while the model loads must not leave this process behind.
process.on("disconnect", () => process.exit(0));
if (!process.connected) process.exit(0);
// Ctrl-C reaches the whole group. When to leave is the supervisor's decision: it drains first, then disconnects.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});

try {
  const adapter = await createAdapter(model, { scratchDirectory, modelsDirectory });
  await adapter.load();
  if (adapter.kind === "tts") await speak(adapter, FIRST_TEXT);
  const startedMs = systemClock.nowMs();
  await warmUp(adapter);
  const runner = createJobRunner(adapter, send);
  process.on("message", (message) => runner.handle(message as ToChild));
  const warmUpMs = systemClock.nowMs() - startedMs;
  void send({ type: "ready", description: describe(adapter), warmUpMs });
} catch (reason) {
  const message = reason instanceof Error ? reason.message : String(reason);
  void send({ type: "load-failed", message: message.slice(0, 500) });
  // Time for the message to leave; the supervisor ends us sooner.
  setTimeout(() => process.exit(1), 1_000);
}

/** Resolves when the message has left. */
function send(message: FromChild): Promise<void> {
  return new Promise((resolve) => {
    // A message that cannot be sent has no reader any more: `disconnect` follows.
    if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
    else resolve();
  });
}

/** Nobody should wait for what a model does only at first; and how long it takes is told to whoever chooses among models. */
async function warmUp(adapter: Adapter): Promise<void> {
  if (adapter.kind === "tts") {
    await speak(adapter, WARM_UP_TEXT);
    return;
  }
  const samples = Float32Array.from({ length: 16_000 }, (_, index) => 0.01 * Math.sin(index / 5));
  const language = adapter.capabilities.languages[0] ?? "";
  await adapter.transcribe({ samples, language }, new AbortController().signal);
}

/** To its first samples. */
async function speak(adapter: SpeechAdapter, text: string): Promise<void> {
  const { defaultVoice: voice, languages } = adapter.capabilities;
  const request = { text, voice, language: languages[0] ?? "", speed: 1 };
  for await (const output of adapter.synthesize(request, new AbortController().signal)) {
    if (output.kind === "samples") break;
  }
}

function describe(adapter: Adapter): ModelDescription {
  return adapter.kind === "tts"
    ? { kind: "tts", ...adapter.capabilities }
    : { kind: "asr", ...adapter.capabilities };
}
