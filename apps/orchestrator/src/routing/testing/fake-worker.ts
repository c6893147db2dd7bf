/** A worker on loopback, over real HTTP/2, that speaks frames of silence and misbehaves when told. */
import { once } from "node:events";
import { createServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { AntiphonError, FRAME_BYTES } from "@antiphon/protocol";
import {
  type AudioFrame,
  ControlAction,
  type SynthesizeRequest,
  TtsService,
  toConnectError,
} from "@antiphon/protocol/worker";
import { BoundedQueue } from "@antiphon/runtime";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { frameOf } from "./scripted-tts.ts";

export interface FakeWorkerScript {
  frames?: number;
  /** Answers StartSession with this. */
  refuse?: AntiphonError;
  /** Answers StartSession no sooner. */
  startsAfter?: Promise<void>;
  /** Finishes what it has; new sessions and utterances are refused, at once and ahead of what it speaks. */
  draining?: boolean;
  /** Breaks every connection after this many frames of an utterance. */
  dieAfterFrames?: number;
  /** Ends the first utterance with this. */
  fail?: { error: string; retryable: boolean };
}

export class FakeWorker {
  /** "u1 1 Hello": what was spoken here, and the attempt. */
  readonly spoken: string[] = [];
  readonly controls: string[] = [];
  readonly authorizations = new Set<string | null>();
  readonly started: string[] = [];
  readonly endedSessions: string[] = [];
  /** Sessions that were asked for while it drained. */
  refusals = 0;
  script: FakeWorkerScript;
  address = "";
  readonly #connections = new Set<ServerHttp2Session>();
  readonly #stopped = new Set<string>();
  readonly #server = createServer(
    connectNodeAdapter({
      acceptCompression: [],
      routes: ({ service }) => {
        service(TtsService, {
          startSession: async (request, { requestHeader }) => {
            this.authorizations.add(requestHeader.get("authorization"));
            if (this.script.refuse !== undefined) throw toConnectError(this.script.refuse);
            if (this.script.draining) {
              this.refusals += 1;
              throw toConnectError(new AntiphonError("unavailable", "This worker is leaving."));
            }
            this.started.push(request.sessionId);
            await this.script.startsAfter;
            return {
              model: request.model,
              voice: request.voice,
              sampleRateHz: 48_000,
              wholeUtterance: true,
            };
          },
          synthesize: (requests) => this.#synthesize(requests),
          control: ({ action, utteranceId }) => {
            this.controls.push(`${action} ${utteranceId}`);
            if (action === ControlAction.STOP) this.#stopped.add(utteranceId);
            return {};
          },
          endSession: ({ sessionId }) => {
            this.endedSessions.push(sessionId);
            return {};
          },
        });
      },
    }),
  );

  constructor(script: FakeWorkerScript = {}) {
    this.script = script;
    this.#server.on("session", (session) => {
      this.#connections.add(session);
      session.on("close", () => this.#connections.delete(session));
      session.on("error", () => {});
    });
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.address = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** As a SIGKILL looks from outside. */
  die(): void {
    this.#server.close();
    for (const connection of this.#connections) connection.destroy();
  }

  /** A server that shuts down says GOAWAY; one behind a proxy says it at any time. */
  goAway(): void {
    for (const connection of this.#connections) connection.goaway();
  }

  async *#synthesize(requests: AsyncIterable<SynthesizeRequest>): AsyncGenerator<AudioFrame> {
    const texts = new BoundedQueue<SynthesizeRequest>({ max: 100, overflow: "reject" });
    const refusals: AudioFrame[] = [];
    void this.#read(requests, texts, refusals);
    for await (const { utteranceId, attempt, kind } of texts) {
      yield* refusals.splice(0);
      if (kind.case !== "text") continue;
      this.spoken.push(`${utteranceId} ${attempt} ${kind.value.text}`);
      const { fail, frames = 3 } = this.script;
      if (fail !== undefined) {
        delete this.script.fail;
        yield frameOf(utteranceId, attempt, fail);
        continue;
      }
      yield frameOf(utteranceId, attempt, "started");
      for (let audio = 0; audio < frames && !this.#stopped.has(utteranceId); audio++) {
        yield* refusals.splice(0);
        if (audio === this.script.dieAfterFrames) {
          // What was sent has to arrive before the connection breaks.
          await new Promise((resolve) => setTimeout(resolve, 20));
          this.die();
          return;
        }
        yield frameOf(utteranceId, attempt, { audio, bytes: FRAME_BYTES });
      }
      yield frameOf(utteranceId, attempt, this.#stopped.has(utteranceId) ? "cancelled" : "done");
    }
  }

  /** Hears the caller out while it speaks. */
  async #read(
    requests: AsyncIterable<SynthesizeRequest>,
    texts: BoundedQueue<SynthesizeRequest>,
    refusals: AudioFrame[],
  ): Promise<void> {
    try {
      for await (const request of requests) {
        const { utteranceId, attempt, kind } = request;
        if (kind.case === "text" && this.script.draining) {
          refusals.push(frameOf(utteranceId, attempt, { error: "unavailable", retryable: true }));
        } else {
          texts.push(request);
        }
      }
    } catch {
      // The caller went away.
    } finally {
      texts.close();
    }
  }
}
