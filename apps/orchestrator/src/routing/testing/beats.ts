/** Beats and views of workers, for tests. */

import {
  type ModelInfo,
  ModelInfoSchema,
  ModelKind,
  ModelState,
  type WorkerBeat,
  WorkerBeatSchema,
} from "@antiphon/protocol/worker";
import { create } from "@bufbuild/protobuf";

export const ttsModel = (init: Partial<ModelInfo> = {}): ModelInfo =>
  Object.assign(
    create(ModelInfoSchema, {
      model: "flite",
      kind: ModelKind.TTS,
      state: ModelState.READY,
      voices: ["slt", "rms"],
      defaultVoice: "slt",
      languages: ["en-US"],
      slots: 4,
      isDefault: true,
    }),
    init,
  );

export const asrModel = (init: Partial<ModelInfo> = {}): ModelInfo =>
  Object.assign(
    create(ModelInfoSchema, {
      model: "moonshine",
      kind: ModelKind.ASR,
      state: ModelState.READY,
      languages: ["en"],
      slots: 2,
      isDefault: true,
    }),
    init,
  );

export const beat = (workerId: string, seq: number, init: Partial<WorkerBeat> = {}): WorkerBeat =>
  Object.assign(
    create(WorkerBeatSchema, {
      workerId,
      seq,
      address: "http://127.0.0.1:1",
      models: [ttsModel(), asrModel()],
    }),
    init,
  );
