/** A pool of recognisers that do what a test tells them. Never imported by product code. */
import type { TranscribeRequestSchema, TranscribeResponse } from "@antiphon/protocol/worker";
import { TranscribeResponseSchema } from "@antiphon/protocol/worker";
import { BoundedQueue } from "@antiphon/runtime";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { TranscribeClient } from "../transcription-channel.ts";
import type { RecogniserPool } from "../worker-transcriber.ts";

type Request = MessageInitShape<typeof TranscribeRequestSchema>;
type Answer = NonNullable<MessageInitShape<typeof TranscribeResponseSchema>["kind"]>;

/** One stream that was opened to a worker. */
export class ScriptedStream {
  readonly workerId: string;
  readonly requests: Request[] = [];
  readonly signal: AbortSignal | undefined;
  readonly answers = new BoundedQueue<TranscribeResponse>({ max: 1_000, overflow: "reject" });

  constructor(workerId: string, signal: AbortSignal | undefined) {
    this.workerId = workerId;
    this.signal = signal;
  }

  /** Requests in short: "begin 1.1", "audio 1.1 x3", "end 1.1". */
  get summary(): string[] {
    const lines: string[] = [];
    let run = { key: "", count: 0 };
    for (const { segmentId, kind } of this.requests) {
      const key = `${kind?.case} ${segmentId}`;
      run = run.key === key ? { key, count: run.count + 1 } : { key, count: 1 };
      if (run.count > 1) lines.pop();
      lines.push(kind?.case === "audio" ? `${key} x${run.count}` : key);
    }
    return lines;
  }

  say(segmentId: string, kind: Answer): void {
    this.answers.push(create(TranscribeResponseSchema, { segmentId, kind }));
  }

  final(segmentId: string, text: string): void {
    this.say(segmentId, { case: "final", value: { text, language: "en", computeMs: 50 } });
  }

  error(segmentId: string, code: string, retryable: boolean): void {
    this.say(segmentId, { case: "error", value: { code, message: `because ${code}`, retryable } });
  }

  progress(): void {
    this.say("", { case: "progress", value: {} });
  }
}

export class ScriptedRecognisers implements RecogniserPool {
  /** Workers that can be picked, in order of preference. */
  workers: string[];
  readonly streams: ScriptedStream[] = [];
  readonly lost: string[] = [];
  offered = ["en"];

  constructor(workers: string[]) {
    this.workers = workers;
  }

  languages(): string[] {
    return this.offered;
  }

  pickRecogniser(language: string | undefined, excluding: ReadonlySet<string>) {
    const known = language === undefined || this.offered.includes(language.split("-")[0] ?? "");
    const workerId = known ? this.workers.find((each) => !excluding.has(each)) : undefined;
    if (workerId === undefined) return undefined;
    return { workerId, model: "moonshine-tiny", asr: this.#client(workerId) };
  }

  reportLost(workerId: string): void {
    this.lost.push(workerId);
  }

  #client(workerId: string): TranscribeClient {
    return {
      transcribe: (requests, options) => {
        const stream = new ScriptedStream(workerId, options?.signal);
        this.streams.push(stream);
        void record(requests, stream);
        options?.signal?.addEventListener("abort", () => stream.answers.fail(new Error("aborted")));
        return stream.answers;
      },
    };
  }
}

async function record(requests: AsyncIterable<Request>, stream: ScriptedStream): Promise<void> {
  for await (const request of requests) stream.requests.push(request);
}
