import { encodePcm } from "@antiphon/audio";
import { AntiphonError } from "@antiphon/protocol";
import {
  AsrService,
  fromConnectError,
  type TranscribeRequestSchema,
  type TranscribeResponse,
} from "@antiphon/protocol/worker";
import { BoundedQueue } from "@antiphon/runtime";
import { createLog } from "@antiphon/runtime/log";
import { FakeClock } from "@antiphon/runtime/testing";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { type AsrServiceDeps, createAsrService } from "./asr-service.ts";
import { ScriptedRecogniser } from "./testing/scripted-recogniser.ts";

describe("a transcription stream", () => {
  it("answers each segment with its partials and one final, interleaved segments too", async () => {
    const { send, next, close, recogniser } = started();
    recogniser.script = (seconds) => `${Math.round(seconds * 10)}`;
    send("a", begin({ partials: true }));
    send("b", begin({}));
    await audio(send, "a", 23);
    expect(await next()).toBe("a partial 5");
    await audio(send, "b", 10);
    send("b", end);
    expect(await next()).toBe("b final 2");
    await audio(send, "a", 7);
    send("a", end);
    expect(await next()).toBe("a final 6");
    close();
    expect(await next()).toBe("end");
    expect(recogniser.leases).toBe(0);
  });

  it("takes the session's id once, and no other after it", async () => {
    const { send, next } = started();
    send("a", begin({}));
    send("a", cancel);
    expect(await next()).toBe("a cancelled");
    send("b", begin({}), "another");
    expect(await next()).toBe("throws invalid_argument");
  });

  it.each([
    ["no session id", "a", ""],
    ["a session id that is too long", "a", "ü".repeat(65)],
    ["no segment id", "", "session"],
    ["a segment id that is too long", "x".repeat(129), "session"],
  ])("refuses %s", async (_, segmentId, sessionId) => {
    const { send, next } = started();
    send(segmentId, begin({}), sessionId);
    expect(await next()).toBe("throws invalid_argument");
  });

  it("refuses a second use of an id, after the first one's terminal", async () => {
    const { send, next } = started();
    send("a", begin({}));
    send("a", begin({}));
    expect(await next()).toBe("a error invalid_argument");
    expect(await next()).toBe("throws invalid_argument");
  });

  it("answers a flush where no partials were asked for, and discards one of a segment that is over", async () => {
    const { send, next, recogniser } = started();
    recogniser.script = (seconds) => `${Math.round(seconds * 10)}`;
    send("a", begin({}));
    send("a", flush);
    expect(await next()).toBe("a partial ");
    await audio(send, "a", 10);
    send("a", flush);
    expect(await next()).toBe("a partial 2");
    send("a", end);
    expect(await next()).toBe("a final 2");
    send("a", flush);
    send("b", begin({}));
    send("b", cancel);
    expect(await next()).toBe("b cancelled");
  });

  it("refuses a flush of a segment that was not begun", async () => {
    const { send, next } = started();
    send("a", flush, "session");
    expect(await next()).toBe("throws failed_precondition");
  });

  it("refuses audio of a segment that was not begun", async () => {
    const { send, next } = started();
    await audio(send, "a", 1, "session");
    expect(await next()).toBe("throws failed_precondition");
  });

  it("fails a segment for a frame of another size, discards its rest, and goes on", async () => {
    const { send, next, recogniser } = started();
    recogniser.script = () => "yes";
    send("a", begin({}));
    send("a", { case: "audio", value: { pcm: new Uint8Array(1_918) } });
    await audio(send, "a", 3);
    send("a", end);
    expect(await next()).toBe("a error invalid_argument");
    send("b", begin({}));
    await audio(send, "b", 3);
    send("b", end);
    expect(await next()).toBe("b final yes");
  });

  it("names the reason when no recogniser can be had, and stays open", async () => {
    const { send, next } = started({
      acquireRecogniser: () =>
        Promise.reject(new AntiphonError("not_found", "No model is called so.")),
    });
    send("a", begin({ model: "nonsense" }));
    expect(await next()).toBe("a error not_found");
    send("b", begin({ model: "nonsense" }));
    expect(await next()).toBe("b error not_found");
  });

  it("passes model and language on", async () => {
    const asked: string[] = [];
    const recogniser = new ScriptedRecogniser(["en", "fr"]);
    const { send, next } = started({
      acquireRecogniser: (model, language) => {
        asked.push(`${model} ${language}`);
        return recogniser.acquire();
      },
    });
    recogniser.script = () => "oui";
    send("a", begin({ model: "whisper-base", language: "fr-CA" }));
    await audio(send, "a", 1);
    send("a", end);
    expect(await next()).toBe("a final oui");
    expect(asked).toEqual(["whisper-base fr-CA"]);
    expect(recogniser.passes[0]?.request.language).toBe("fr-CA");
  });

  it("holds eight segments at once", async () => {
    const { send, next } = started();
    for (let index = 0; index < 9; index++) send(`s${index}`, begin({}));
    expect(await next()).toBe("s8 error overloaded");
  });

  it("answers what was ended before the caller's half closed, and cancels the rest", async () => {
    const { send, next, close, recogniser } = started();
    send("a", begin({}));
    send("b", begin({}));
    await audio(send, "a", 2);
    send("a", end);
    close();
    expect(await next()).toBe("b cancelled");
    recogniser.passes[0]?.answer("done");
    expect(await next()).toBe("a final done");
    expect(await next()).toBe("end");
  });

  it("ends without a word when nothing was asked", async () => {
    const { next, close } = started();
    close();
    expect(await next()).toBe("end");
  });

  it("gives everything back when the caller goes away", async () => {
    const { send, next, abort, recogniser, clock } = started();
    send("a", begin({}));
    await audio(send, "a", 2);
    send("a", end);
    await turn();
    abort();
    expect(await next()).toBe("throws unavailable");
    await turn();
    expect(recogniser.passes[0]?.signal.aborted).toBe(true);
    expect(recogniser.leases).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it("hides the cause of an internal error", async () => {
    const { send, next, responses } = started({
      acquireRecogniser: () => Promise.reject(new Error("a path nobody should see")),
    });
    send("a", begin({}));
    expect(await next()).toBe("a error internal");
    expect(JSON.stringify(responses.at(-1)?.kind)).not.toContain("path");
  });
});

describe("progress", () => {
  it("is said every 100 ms on each open stream, from one timer", async () => {
    const clock = new FakeClock();
    const one = started({ clock });
    one.send("a", begin({}));
    await turn();
    expect(clock.pendingTimers).toBe(1);
    for (let tick = 0; tick < 3; tick++) {
      clock.advance(100);
      expect(await one.next()).toBe(" progress 1");
    }
    one.send("a", cancel);
    expect(await one.next()).toBe("a cancelled");
    clock.advance(100);
    expect(await one.next()).toBe(" progress 0");
    one.close();
    expect(await one.next()).toBe("end");
    expect(clock.pendingTimers).toBe(0);
  });

  it("goes on from now after a stall, without catching up", async () => {
    const clock = new FakeClock();
    const { next, send, close } = started({ clock });
    send("a", begin({}));
    send("a", cancel);
    expect(await next()).toBe("a cancelled");
    clock.advance(150);
    expect(await next()).toBe(" progress 0");
    clock.advance(50);
    expect(await next()).toBe(" progress 0");
    close();
    expect(await next()).toBe("end");
  });
});

type Kind = NonNullable<MessageInitShape<typeof TranscribeRequestSchema>["kind"]>;
type Send = (segmentId: string, kind: Kind, sessionId?: string) => void;

const FRAME = encodePcm(new Int16Array(960).fill(1_000));
const end: Kind = { case: "end", value: {} };
const flush: Kind = { case: "flush", value: {} };
const cancel: Kind = { case: "cancel", value: {} };
const begin = (value: { model?: string; language?: string; partials?: boolean }): Kind => ({
  case: "begin",
  value,
});

async function audio(send: Send, segmentId: string, frames: number, sessionId = "") {
  for (let frame = 0; frame < frames; frame++) {
    send(segmentId, { case: "audio", value: { pcm: FRAME } }, sessionId);
  }
  await turn();
}

/** Lets the in-memory transport, which is streams and promises, come to rest. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The service behind an in-memory transport, and one open stream. */
function started(options: Partial<AsrServiceDeps> & { clock?: FakeClock } = {}) {
  const clock = options.clock ?? new FakeClock();
  const recogniser = new ScriptedRecogniser();
  const service = createAsrService({
    acquireRecogniser: options.acquireRecogniser ?? (() => recogniser.acquire()),
    clock,
    log: createLog({ name: "test", level: "silent" }),
  });
  const transport = createRouterTransport(({ service: add }) => add(AsrService, service));
  const requests = new BoundedQueue<MessageInitShape<typeof TranscribeRequestSchema>>({
    max: 1_000,
    overflow: "reject",
  });
  const controller = new AbortController();
  const iterator = createClient(AsrService, transport)
    .transcribe(generated(requests), { signal: controller.signal })
    [Symbol.asyncIterator]();
  const responses: TranscribeResponse[] = [];
  let first = true;
  // A call begins when its first answer is asked for.
  let asked = iterator.next();
  asked.catch(() => {});
  return {
    clock,
    recogniser,
    responses,
    send(segmentId: string, kind: Kind, sessionId = first ? "session" : "") {
      first = false;
      requests.push({ sessionId, segmentId, kind });
    },
    close: () => requests.close(),
    abort: () => controller.abort(),
    async next(): Promise<string> {
      try {
        const result = await asked;
        if (result.done) return "end";
        asked = iterator.next();
        asked.catch(() => {});
        responses.push(result.value);
        return shown(result.value);
      } catch (reason) {
        return `throws ${fromConnectError(reason).code}`;
      }
    },
  };
}

/** The transport wants to throw into what it reads, which a queue cannot take but a generator can. */
async function* generated<T>(queue: AsyncIterable<T>): AsyncGenerator<T> {
  yield* queue;
}

function shown({ segmentId, kind }: TranscribeResponse): string {
  switch (kind.case) {
    case "partial":
    case "final":
      return `${segmentId} ${kind.case} ${kind.value.text}`;
    case "error":
      return `${segmentId} error ${kind.value.code}`;
    case "progress":
      return `${segmentId} progress ${kind.value.pendingSegments}`;
    default:
      return `${segmentId} ${kind.case}`;
  }
}
