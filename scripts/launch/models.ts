/** Asks a worker which models it has. */
import { RPC_MESSAGE_BYTES_MAX } from "@antiphon/protocol";
import { type ModelInfo, ModelService } from "@antiphon/protocol/worker";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

export async function listModels(address: string, secret: string): Promise<ModelInfo[]> {
  const sessionManager = new Http2SessionManager(address);
  const transport = createGrpcTransport({
    baseUrl: address,
    sessionManager,
    readMaxBytes: RPC_MESSAGE_BYTES_MAX,
  });
  try {
    const { models } = await createClient(ModelService, transport).listModels(
      {},
      { headers: { authorization: `Bearer ${secret}` }, timeoutMs: 5_000 },
    );
    return models;
  } finally {
    sessionManager.abort();
  }
}
