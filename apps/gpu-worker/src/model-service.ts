/** Loading, unloading and listing of models over RPC. Owns the errors' border; the models are `ModelManager`'s. */
import { AntiphonError, ID_BYTES_MAX } from "@antiphon/protocol";
import { type ModelService, toConnectError } from "@antiphon/protocol/worker";
import type { Log } from "@antiphon/runtime/log";
import type { ServiceImpl } from "@connectrpc/connect";
import type { ModelManager } from "./models/model-manager.ts";

export function createModelService(deps: {
  models: ModelManager;
  log: Log;
}): ServiceImpl<typeof ModelService> {
  const { models, log } = deps;
  const named = async (
    model: string,
    call: (model: string) => ReturnType<ModelManager["load"]>,
  ) => {
    try {
      if (Buffer.byteLength(model) > ID_BYTES_MAX) {
        throw new AntiphonError("invalid_argument", "The model's name is too long.");
      }
      return { model: await call(model) };
    } catch (reason) {
      const error = AntiphonError.from(reason);
      if (error.code === "internal") log.error({ err: reason }, "model call failed");
      throw toConnectError(error);
    }
  };
  return {
    loadModel: (request) => named(request.model, (model) => models.load(model)),
    unloadModel: (request) => named(request.model, (model) => models.unload(model)),
    listModels: () => ({ models: models.list() }),
  };
}
