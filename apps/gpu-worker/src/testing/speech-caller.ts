/** A client of the speech service without a network between: what it has not pulled has not left. Never imported by product code. */
import { AntiphonError } from "@antiphon/protocol";
import {
  type AudioFrame,
  AudioFrameSchema,
  type ControlAction,
  ControlRequestSchema,
  type ControlResponse,
  ControlResponseSchema,
  EndSessionRequestSchema,
  StartSessionRequestSchema,
  type StartSessionResponse,
  StartSessionResponseSchema,
  type SynthesizeRequest,
  SynthesizeRequestSchema,
} from "@antiphon/protocol/worker";
import type { Clock } from "@antiphon/runtime";
import { createLog } from "@antiphon/runtime/log";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { InferenceProcess } from "../inference/inference-process.ts";
import type { ModelLease } from "../models/model-manager.ts";
import { createTtsService, type TtsServer } from "../tts-service.ts";

/** The service over one model "scripted" with the voices "anna" and "bert". */
export class SpeechService {
  readonly server: TtsServer;
  leases = 0;

  constructor(clock: Clock, process: InferenceProcess) {
    const lend = (): ModelLease<"tts"> => {
      this.leases++;
      return {
        model: "scripted",
        process,
        description: {
          kind: "tts",
          model: "scripted",
          voices: ["anna", "bert"],
          defaultVoice: "anna",
          languages: ["en-US"],
          wholeUtterance: false,
          slots: 1,
          licence: "none",
        },
        gainDb: async (voice) => {
          if (voice === "anna" || voice === "bert") return 0;
          throw new AntiphonError("not_found", "no such voice");
        },
        release: () => {
          this.leases--;
        },
      };
    };
    this.server = createTtsService({
      acquireModel: async (model) => {
        if (model === "" || model === "scripted") return lend();
        throw new AntiphonError("not_found", "no such model");
      },
      clock,
      log: createLog({ name: "test", level: "silent" }),
    });
  }

  async start(
    sessionId: string,
    options: MessageInitShape<typeof StartSessionRequestSchema> = {},
  ): Promise<StartSessionResponse> {
    const request = create(StartSessionRequestSchema, { sessionId, ...options });
    const { signal } = new AbortController();
    return create(
      StartSessionResponseSchema,
      await this.server.service.startSession(request, { signal } as HandlerContext),
    );
  }

  async control(
    sessionId: string,
    action: ControlAction,
    controlSeq: number,
    utteranceId = "",
  ): Promise<ControlResponse> {
    const request = create(ControlRequestSchema, { sessionId, action, controlSeq, utteranceId });
    return create(
      ControlResponseSchema,
      await this.server.service.control(request, {} as HandlerContext),
    );
  }

  async end(sessionId: string): Promise<void> {
    const request = create(EndSessionRequestSchema, { sessionId });
    await this.server.service.endSession(request, {} as HandlerContext);
  }

  open(sessionId: string): SpeechCaller {
    return new SpeechCaller(this.server, sessionId);
  }
}

/** One open Synthesize stream. */
export class SpeechCaller {
  readonly #controller = new AbortController();
  readonly #responses: AsyncIterator<MessageInitShape<typeof AudioFrameSchema>>;
  readonly #requests: SynthesizeRequest[] = [];
  readonly #sessionId: string;
  #halfClosed = false;
  #wake: (() => void) | undefined;
  #pulled: Promise<AudioFrame | undefined> | undefined;

  constructor(server: TtsServer, sessionId: string) {
    this.#sessionId = sessionId;
    const responses = server.service.synthesize(this.#sent(), {
      signal: this.#controller.signal,
    } as HandlerContext);
    this.#responses = responses[Symbol.asyncIterator]();
  }

  text(utteranceId: string, text: string, attempt = 0): void {
    this.send({ utteranceId, attempt, kind: { case: "text", value: { text } } });
  }

  end(utteranceId: string, attempt = 0): void {
    this.send({ utteranceId, attempt, kind: { case: "end", value: {} } });
  }

  say(utteranceId: string, text: string, attempt = 0): void {
    this.text(utteranceId, text, attempt);
    this.end(utteranceId, attempt);
  }

  cancel(utteranceId: string, attempt = 0): void {
    this.send({ utteranceId, attempt, kind: { case: "cancel", value: {} } });
  }

  send(request: MessageInitShape<typeof SynthesizeRequestSchema>): void {
    this.#requests.push(
      create(SynthesizeRequestSchema, { sessionId: this.#sessionId, ...request }),
    );
    this.#wake?.();
  }

  halfClose(): void {
    this.#halfClosed = true;
    this.#wake?.();
  }

  /** As a reset of the HTTP/2 stream reaches the service. */
  hangUp(): void {
    this.#controller.abort();
    this.#wake?.();
    void this.#responses.return?.();
  }

  /** Pulls one message; "waiting" when none can leave now. The pull stays open, and the next one continues it. */
  async pull(): Promise<AudioFrame | "waiting" | undefined> {
    this.#pulled ??= this.#responses.next().then((next) => {
      return next.done === true ? undefined : create(AudioFrameSchema, next.value);
    });
    this.#pulled.catch(() => {});
    try {
      const pulled = await Promise.race([this.#pulled, quiet().then(() => "waiting" as const)]);
      if (pulled !== "waiting") this.#pulled = undefined;
      return pulled;
    } catch (reason) {
      this.#pulled = undefined;
      throw reason;
    }
  }

  /** Pulls until nothing more can leave, or the stream ends. */
  async drain(): Promise<AudioFrame[]> {
    const messages: AudioFrame[] = [];
    for (;;) {
      const message = await this.pull();
      if (message === undefined || message === "waiting") return messages;
      messages.push(message);
    }
  }

  async *#sent(): AsyncIterable<SynthesizeRequest> {
    for (;;) {
      const request = this.#requests.shift();
      if (request !== undefined) yield request;
      else if (this.#halfClosed) return;
      else {
        this.#controller.signal.throwIfAborted();
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

/** Resolves when everything has happened that needs no timer: promises settle before the event loop turns. */
export function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** "started u1", "audio u1 ×15", "done u1 14400": an utterance's messages at a glance. Progress is left out. */
export function summary(messages: readonly AudioFrame[]): string[] {
  const lines: string[] = [];
  let run = { id: "", frames: 0 };
  const flush = () => {
    if (run.frames > 0) lines.push(`audio ${run.id} ×${run.frames}`);
    run = { id: "", frames: 0 };
  };
  for (const { utteranceId, kind } of messages) {
    if (kind.case === "progress") continue;
    if (kind.case === "audio" && run.id === utteranceId) {
      run.frames++;
      continue;
    }
    flush();
    if (kind.case === "audio") run = { id: utteranceId, frames: 1 };
    else if (kind.case === "error")
      lines.push(`error ${utteranceId} ${kind.value.code} ${kind.value.samples}`);
    else if (kind.case === "done" || kind.case === "cancelled") {
      lines.push(`${kind.case} ${utteranceId} ${kind.value.samples}`);
    } else lines.push(`${kind.case} ${utteranceId}`);
  }
  flush();
  return lines;
}
