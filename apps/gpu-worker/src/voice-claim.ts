/** What a session asks for and what it is granted: a model on loan, a voice of it, a language, a speed. */
import { AntiphonError, ID_BYTES_MAX } from "@antiphon/protocol";
import type { StartSessionRequest } from "@antiphon/protocol/worker";
import { type Clock, deadline, untilAborted } from "@antiphon/runtime";
import type { ModelLease } from "./models/model-manager.ts";
import { languageMatches } from "./recognition-language.ts";
import type { VoiceSettings } from "./utterance.ts";

/** A voice and the loan of its model; whoever holds it gives the loan back. */
export interface VoiceClaim {
  settings: VoiceSettings;
  lease: ModelLease<"tts">;
}

export interface VoiceClaimDeps {
  /** Borrows a model, loading it if need be. Model "": the default one. */
  acquireModel(model: string, language: string): Promise<ModelLease<"tts">>;
  clock: Clock;
}

/** Throws `invalid_argument` for what no model could grant. */
export function checkVoiceRequest({ model, voice, language, speed }: StartSessionRequest): void {
  for (const name of [model, voice, language]) {
    if (Buffer.byteLength(name) > ID_BYTES_MAX) {
      throw new AntiphonError(
        "invalid_argument",
        "The name of model, voice or language is too long.",
      );
    }
  }
  if (speed !== 0 && !(speed >= 0.5 && speed <= 2)) {
    throw new AntiphonError("invalid_argument", "The speed lies between 0.5 and 2.");
  }
}

/** Rejects with `not_found`, `unimplemented`, or `deadline_exceeded` where the model does not load in time. */
export async function claimVoice(
  request: StartSessionRequest,
  deps: VoiceClaimDeps,
  signal: AbortSignal,
): Promise<VoiceClaim> {
  const tooLate = () => new AntiphonError("deadline_exceeded", "The model did not load in time.");
  const limit = deadline(deps.clock, START_MS_MAX, tooLate, signal);
  const claiming = claim(request, deps);
  try {
    return await untilAborted(claiming, limit.signal);
  } catch (reason) {
    // One that comes too late is given back all the same.
    claiming.then((late) => late.lease.release()).catch(() => {});
    throw reason;
  } finally {
    limit.dispose();
  }
}

async function claim(request: StartSessionRequest, deps: VoiceClaimDeps): Promise<VoiceClaim> {
  const lease = await deps.acquireModel(request.model, request.language);
  try {
    const { description, process, model } = lease;
    const offered = description.languages;
    const language =
      request.language === ""
        ? (offered[0] ?? "")
        : offered.find((candidate) => languageMatches(request.language, candidate));
    if (language === undefined) {
      throw new AntiphonError(
        "unimplemented",
        `The model "${model}" does not speak this language.`,
      );
    }
    const voice = request.voice === "" ? description.defaultVoice : request.voice;
    const gainDb = await lease.gainDb(voice);
    const speed = request.speed === 0 ? 1 : request.speed;
    return { lease, settings: { process, model, voice, language, speed, gainDb } };
  } catch (reason) {
    lease.release();
    throw reason;
  }
}

/** A model that is read from a slow disk; a caller has its own, shorter limit. */
const START_MS_MAX = 30_000;
