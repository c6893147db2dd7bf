/** Speech that is made for a run: what people say while another speaks, by every voice that a worker offers. Owns a worker for as long as that takes. */
import { decodePcm, FRAME_SAMPLES } from "@antiphon/audio";
import { listModels } from "../../scripts/launch/models.ts";
import { createGrpcCaller, type GrpcCaller } from "../../tests/support/grpc-caller.ts";
import { startWorker, WORKER_SECRET } from "../../tests/support/worker.ts";
import { trimmed } from "./levels.ts";

export interface SynthesisedSpeech {
  model: string;
  voice: string;
  text: string;
  /** 48 kHz, without the silence around it. */
  samples: Int16Array;
}

/** Each text by each English voice of these models. */
export async function synthesise(
  models: readonly string[],
  texts: readonly string[],
): Promise<SynthesisedSpeech[]> {
  const worker = await startWorker(models.join(","), { LOG_LEVEL: "error" });
  const caller = createGrpcCaller(worker.address, WORKER_SECRET);
  try {
    const speech: SynthesisedSpeech[] = [];
    for (const { model, voices, languages } of await listModels(worker.address, WORKER_SECRET)) {
      if (!languages.some((language) => /^en\b/.test(language))) continue;
      for (const voice of voices) {
        const spoken = await speak(caller, { model, voice, texts });
        speech.push(...spoken.map((each) => ({ ...each, model, voice })));
      }
    }
    return speech;
  } finally {
    caller.close();
    await worker.stop();
  }
}

async function speak(
  caller: GrpcCaller,
  { model, voice, texts }: { model: string; voice: string; texts: readonly string[] },
): Promise<Array<{ text: string; samples: Int16Array }>> {
  const sessionId = `bench-${model}-${voice}`;
  await caller.call("antiphon.v1.TtsService", "startSession", { sessionId, model, voice });
  const call = caller.synthesize(sessionId);
  const spoken: Array<{ text: string; samples: Int16Array }> = [];
  for (const [index, text] of texts.entries()) {
    call.say(`u-${index}`, text);
    const frames = await call.until(({ kind }) => kind === "done" || kind === "error");
    const audio = frames.flatMap((frame) => (frame.audio === undefined ? [] : [frame.audio.pcm]));
    const samples = new Int16Array(audio.length * FRAME_SAMPLES);
    for (const [at, pcm] of audio.entries()) samples.set(decodePcm(pcm), at * FRAME_SAMPLES);
    spoken.push({ text, samples: trimmed(samples) });
  }
  call.end();
  await caller.call("antiphon.v1.TtsService", "endSession", { sessionId });
  return spoken;
}
