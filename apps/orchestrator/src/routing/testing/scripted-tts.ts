/** A TtsService in memory: records what it is asked, and answers when a test says so. */

import { FRAME_BYTES } from "@antiphon/protocol";
import {
  type AudioFrame,
  AudioFrameSchema,
  ControlAction,
  ControlResponseSchema,
  EndSessionResponseSchema,
} from "@antiphon/protocol/worker";
import { BoundedQueue } from "@antiphon/runtime";
import { settle } from "@antiphon/runtime/testing";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { SynthesisChannelOptions } from "../synthesis-channel.ts";

export type FrameKind =
  | "started"
  | "progress"
  | "done"
  | "cancelled"
  | { audio: number; bytes?: number }
  | { error: string; retryable: boolean };

export class ScriptedTts {
  /** "text u1 1 Hello", "end u1 1" */
  readonly requests: string[] = [];
  /** "STOP u1", "PAUSE " */
  readonly controls: string[] = [];
  readonly controlSeqs: number[] = [];
  ended = 0;
  aborted = false;
  /** Frames that were handed over. */
  taken = 0;
  readonly #frames = new BoundedQueue<AudioFrame>({ max: 1_000, overflow: "reject" });

  readonly client: SynthesisChannelOptions["tts"] = {
    synthesize: (requests, options) => {
      void this.#record(requests);
      options?.signal?.addEventListener("abort", () => {
        this.aborted = true;
        this.#frames.fail(new Error("aborted"));
      });
      return this.#answer();
    },
    control: async ({ action, utteranceId, controlSeq }) => {
      this.controls.push(`${ACTIONS[action ?? 0]} ${utteranceId}`);
      this.controlSeqs.push(controlSeq ?? 0);
      return create(ControlResponseSchema);
    },
    endSession: async () => {
      this.ended += 1;
      return create(EndSessionResponseSchema);
    },
  };

  /** Says this, and lets whoever listens hear it. */
  async say(utteranceId: string, ...kinds: FrameKind[]): Promise<void> {
    for (const kind of kinds) this.#frames.push(frameOf(utteranceId, 1, kind));
    await settle();
  }

  async break(reason: Error): Promise<void> {
    this.#frames.fail(reason);
    await settle();
  }

  async #record(requests: Parameters<SynthesisChannelOptions["tts"]["synthesize"]>[0]) {
    for await (const { kind, utteranceId, attempt } of requests) {
      const text = kind?.case === "text" ? ` ${kind.value.text}` : "";
      this.requests.push(`${kind?.case} ${utteranceId} ${attempt}${text}`);
    }
  }

  async *#answer(): AsyncGenerator<AudioFrame> {
    for await (const frame of this.#frames) {
      this.taken += 1;
      yield frame;
    }
  }
}

export function frameOf(utteranceId: string, attempt: number, kind: FrameKind): AudioFrame {
  return create(AudioFrameSchema, { utteranceId, attempt, kind: kindOf(kind) });
}

const ACTIONS: Readonly<Record<number, string>> = {
  [ControlAction.PAUSE]: "PAUSE",
  [ControlAction.RESUME]: "RESUME",
  [ControlAction.STOP]: "STOP",
};

function kindOf(kind: FrameKind): NonNullable<MessageInitShape<typeof AudioFrameSchema>["kind"]> {
  if (kind === "started") {
    return { case: "started", value: { model: "flite", voice: "slt" } };
  }
  if (kind === "progress") return { case: "progress", value: {} };
  if (kind === "done") return { case: "done", value: { samples: 960 } };
  if (kind === "cancelled") return { case: "cancelled", value: {} };
  if ("audio" in kind) {
    const pcm = new Uint8Array(kind.bytes ?? FRAME_BYTES).fill(kind.audio);
    return { case: "audio", value: { seq: kind.audio, pcm } };
  }
  const { error: code, retryable } = kind;
  return { case: "error", value: { code, message: "it failed", retryable } };
}
