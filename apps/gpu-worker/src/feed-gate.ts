/** Takes one utterance from its text into the gate: started, sound and words, one terminal. Knows nothing of other utterances. */
import { AntiphonError, FRAME_SAMPLES } from "@antiphon/protocol";
import type { FrameGate } from "./frame-gate.ts";
import {
  audioKind,
  errorKind,
  type OutgoingFrame,
  type OutgoingKind,
  wordsKind,
} from "./outgoing-frame.ts";
import { speak } from "./synthesis.ts";
import type { Utterance } from "./utterance.ts";

export interface FeedListener {
  /** The utterance failed; its terminal says so, after the sound that is in the gate already. */
  onFailure(error: AntiphonError): void;
  /** Its terminal leaves the gate. Not called for an utterance that was cut short. */
  onEnd(spoken: boolean): void;
}

/** Settles when everything is in the gate, or the gate wants no more of it. Never rejects. */
export async function feedGate(
  utterance: Utterance,
  gate: FrameGate<Utterance, OutgoingFrame>,
  listener: FeedListener,
): Promise<void> {
  const { settings, signal, pieces } = utterance;
  const { model, voice } = settings;

  const put = (sound: boolean, kind: () => OutgoingKind): Promise<boolean> =>
    gate.put({
      owner: utterance,
      sound,
      leave: () => {
        if (sound) utterance.samplesSent += FRAME_SAMPLES;
        return { utteranceId: utterance.id, attempt: utterance.attempt, kind: kind() };
      },
    });
  /** It counts the samples at the moment it leaves. */
  const putTerminal = (spoken: boolean, kind: (samples: number) => OutgoingKind) =>
    put(false, () => {
      listener.onEnd(spoken);
      return kind(utterance.samplesSent);
    });

  try {
    if (!(await put(false, () => ({ case: "started", value: { model, voice } })))) return;
    let seq = 0;
    for await (const part of speak({ ...settings, pieces, signal })) {
      const kind = part.kind === "frame" ? audioKind(part.pcm, seq++) : wordsKind(part.words);
      if (!(await put(part.kind === "frame", () => kind))) return;
    }
    if (signal.aborted) return;
    await putTerminal(true, (samples) => ({ case: "done", value: { samples } }));
  } catch (reason) {
    if (signal.aborted) return;
    const error = AntiphonError.from(reason);
    listener.onFailure(error);
    await putTerminal(false, (samples) => errorKind(error, samples));
  }
}
