/** The worker's services as any gRPC client sees them: built from the .proto files alone, with nothing of ours. */
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

/** One message with its `kind`, as proto-loader gives it. */
export interface Frame {
  utteranceId: string;
  attempt: number;
  kind: string;
  audio?: { seq: number; pcm: Buffer };
  progress?: { paused: boolean; pendingUtterances: number };
  wordTimings?: { words: Array<{ text: string; startSample: number; endSample: number }> };
  done?: { samples: number };
  cancelled?: { samples: number };
  error?: { code: string; message: string; retryable: boolean; samples: number };
}

export interface GrpcCaller {
  /** Rejects with grpc-js' own ServiceError. */
  call(
    service: string,
    method: string,
    request: object,
    secret?: string,
  ): Promise<Record<string, never>>;
  synthesize(sessionId: string): SpeechCall;
  close(): void;
}

export function createGrpcCaller(address: string, secret: string): GrpcCaller {
  const target = address.replace("http://", "");
  const clients = new Map<string, grpc.Client>();
  const clientOf = (service: string): grpc.Client => {
    const known = clients.get(service);
    if (known !== undefined) return known;
    const Constructor = service
      .split(".")
      .reduce<unknown>(
        (scope, name) => (scope as Record<string, unknown>)[name],
        LOADED,
      ) as grpc.ServiceClientConstructor;
    const client = new Constructor(target, grpc.credentials.createInsecure());
    clients.set(service, client);
    return client;
  };
  const method = (service: string, name: string) => {
    const client = clientOf(service) as unknown as Record<string, (...args: unknown[]) => unknown>;
    return (client[name] as (...args: unknown[]) => unknown).bind(client);
  };
  return {
    call: (service, name, request, given = secret) =>
      new Promise((resolve, reject) => {
        const options = { deadline: Date.now() + 30_000 };
        const answered = (error: unknown, response: Record<string, never>) =>
          error === null ? resolve(response) : reject(error);
        method(service, name)(request, bearer(given), options, answered);
      }),
    synthesize(sessionId) {
      const call = method("antiphon.v1.TtsService", "synthesize")(bearer(secret));
      return new SpeechCall(call as grpc.ClientDuplexStream<object, Frame>, sessionId);
    },
    close: () => {
      for (const client of clients.values()) client.close();
    },
  };
}

/** One Synthesize stream, read message by message. */
export class SpeechCall {
  readonly #call: grpc.ClientDuplexStream<object, Frame>;
  readonly #sessionId: string;
  readonly #messages: AsyncIterator<Frame>;

  constructor(call: grpc.ClientDuplexStream<object, Frame>, sessionId: string) {
    this.#call = call;
    this.#sessionId = sessionId;
    this.#messages = call[Symbol.asyncIterator]();
    // Whoever reads is told by the iterator; when nobody reads any more, nobody needs to be.
    call.on("error", () => {});
  }

  send(message: object): void {
    this.#call.write({ sessionId: this.#sessionId, ...message });
  }

  say(utteranceId: string, text: string): void {
    this.send({ utteranceId, text: { text } });
    this.send({ utteranceId, end: {} });
  }

  /** Undefined at the end; rejects with grpc-js' own ServiceError. */
  async next(): Promise<Frame | undefined> {
    const next = await this.#messages.next();
    return next.done === true ? undefined : next.value;
  }

  /** Everything up to and with the first message that fits. */
  async until(fits: (frame: Frame) => boolean): Promise<Frame[]> {
    const frames: Frame[] = [];
    for (;;) {
      const frame = await this.next();
      if (frame === undefined) throw new Error("the stream ended first");
      frames.push(frame);
      if (fits(frame)) return frames;
    }
  }

  /** Says nothing more. */
  end(): void {
    this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
  }
}

function bearer(secret: string): grpc.Metadata {
  const metadata = new grpc.Metadata();
  if (secret !== "") metadata.set("authorization", `Bearer ${secret}`);
  return metadata;
}

const LOADED = grpc.loadPackageDefinition(
  loadSync(
    ["tts", "asr", "model"]
      .map((name) => `antiphon/v1/${name}.proto`)
      .concat("grpc/health/v1/health.proto"),
    {
      includeDirs: [fileURLToPath(new URL("../../packages/protocol/proto", import.meta.url))],
      enums: String,
      defaults: true,
      oneofs: true,
    },
  ),
);
