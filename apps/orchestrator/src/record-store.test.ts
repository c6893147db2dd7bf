import { recordFromJson, type SessionRecord } from "@antiphon/protocol/record";
import { createLog } from "@antiphon/runtime/log";
import { FakeClock } from "@antiphon/runtime/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { createRecordStore } from "./record-store.ts";
import type { RecordStore, SessionSnapshot } from "./session/ports.ts";

type Answer =
  | { status: number; body?: unknown }
  | Promise<{ status: number; body?: unknown }>
  | "unreachable"
  | "silence";

let clock: FakeClock;
let writes: { url: string; authorization: string | undefined; turn: number; version: number }[];
let answers: Answer[];
let fenced: number;
let newest: SessionRecord | undefined;
let store: RecordStore;

beforeEach(() => {
  clock = new FakeClock();
  writes = [];
  answers = [];
  fenced = 0;
  store = createRecordStore({
    edgeUrl: "http://edge",
    secret: "s",
    clock,
    log: createLog({ name: "test", level: "silent" }),
    onFenced: () => {
      fenced += 1;
    },
    fetch: fakeFetch,
  });
});

const fakeFetch: typeof globalThis.fetch = async (url, init) => {
  const record = recordFromJson(JSON.parse(String(init?.body)));
  newest = record;
  writes.push({
    url: String(url),
    authorization: new Headers(init?.headers).get("authorization") ?? undefined,
    turn: record.turnNumber,
    version: record.version,
  });
  const answer = await (answers.shift() ?? { status: 204 });
  if (answer === "unreachable") throw new TypeError("fetch failed");
  if (answer === "silence") return new Promise(() => {});
  const body = answer.status === 204 ? null : JSON.stringify(answer.body ?? {});
  return new Response(body, { status: answer.status });
};

const snapshot = (turnNumber: number): SessionSnapshot => ({
  sessionId: "a b",
  leaseEpoch: 3,
  state: "speaking",
  turnNumber,
  history: [{ role: "user", text: "Hi", interrupted: false }],
  owesAnswer: true,
  reply: {
    replyId: "r",
    utteranceNumber: 1,
    text: "Ho",
    complete: true,
    turn: turnNumber,
    kind: "answer",
    heardSamples: 960.4,
    utterances: [
      {
        text: "Ho",
        begun: true,
        startSample: 0,
        samples: 9_600,
        ended: true,
        words: [{ text: "Ho", startSample: 0.4, endSample: 9_599.6, measured: false }],
      },
    ],
  },
  options: {
    instructions: "",
    language: "en",
    voice: "slt",
    speed: 1,
    respond: true,
    client: { playback: "none" },
  },
  metrics: {
    turns: 1,
    replies: 1,
    interruptions: 0,
    framesReceived: 10,
    framesSent: 20,
    firstAudioLatencyMs: 80.7,
    endOfSpeechToFirstAudioMs: 0,
    counters: {},
    durationMs: 5_000.5,
  },
});

const turns = () => writes.map(({ turn }) => turn);

describe("a session record", () => {
  it("is put to its session's object, with the secret and a version", async () => {
    store.put(snapshot(1));
    await clock.advanceAsync(10);
    expect(writes).toEqual([
      {
        url: "http://edge/internal/sessions/a%20b/record",
        authorization: "Bearer s",
        turn: 1,
        version: 1,
      },
    ]);
  });

  it("says all that is known of the reply, in whole samples", async () => {
    store.put(snapshot(1));
    await clock.advanceAsync(10);
    expect(newest).toMatchObject({
      owesAnswer: true,
      reply: {
        complete: true,
        turn: 1,
        kind: "answer",
        heardSamples: 960,
        utterances: [
          {
            text: "Ho",
            begun: true,
            samples: 9_600,
            ended: true,
            words: [{ text: "Ho", startSample: 0, endSample: 9_600, measured: false }],
          },
        ],
      },
      options: { voice: "slt", clientOptionsJson: '{"playback":"none"}' },
    });
  });

  it("is written at most twice a second, the newest state each time", async () => {
    for (let turn = 1; turn <= 10; turn++) {
      store.put(snapshot(turn));
      await clock.advanceAsync(100);
    }
    await clock.advanceAsync(1_000);
    expect(turns()).toEqual([1, 5, 10]);
    expect(writes.map(({ version }) => version)).toEqual([1, 2, 3]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("is tried again with longer and longer pauses, then given up until the next", async () => {
    answers = Array(9).fill("unreachable");
    store.put(snapshot(1));
    await clock.advanceAsync(20_000, 50);
    expect(turns()).toEqual([1, 1, 1, 1, 1]);
    answers = [];
    store.put(snapshot(2));
    await clock.advanceAsync(20_000, 50);
    expect(turns().slice(5)).toEqual([2]);
  });

  it("goes out in its newest state when an older one failed", async () => {
    answers = [{ status: 503 }];
    store.put(snapshot(1));
    store.put(snapshot(2));
    await clock.advanceAsync(2_000);
    expect(turns()).toEqual([1, 2]);
  });

  it("that nobody answers is given up after its deadline and tried again", async () => {
    answers = ["silence"];
    store.put(snapshot(1));
    await clock.advanceAsync(1_900);
    expect(turns()).toEqual([1]);
    await clock.advanceAsync(1_000);
    expect(turns()).toEqual([1, 1]);
  });

  it("refused as another's stops the writing and says so once", async () => {
    answers = [{ status: 409 }];
    store.put(snapshot(1));
    await clock.advanceAsync(100);
    store.put(snapshot(2));
    await clock.advanceAsync(5_000);
    await store.flush();
    expect([turns(), fenced, clock.pendingTimers]).toEqual([[1], 1, 0]);
  });

  it("refused for what it says is not repeated", async () => {
    answers = [{ status: 400 }];
    store.put(snapshot(1));
    await clock.advanceAsync(5_000);
    expect([turns(), fenced]).toEqual([[1], 0]);
  });
});

describe("at the session's end", () => {
  it("what is pending is written at once", async () => {
    store.put(snapshot(1));
    store.put(snapshot(2));
    await store.flush();
    expect([turns(), clock.pendingTimers]).toEqual([[1, 2], 0]);
  });

  it("the last try of several is awaited, too", async () => {
    const answered = Promise.withResolvers<{ status: number }>();
    answers = [...Array.from({ length: 3 }, () => ({ status: 503 })), answered.promise];
    store.put(snapshot(1));
    let over = false;
    const flushed = store.flush().then(() => {
      over = true;
    });
    await expect.poll(turns).toEqual([1, 1, 1, 1]);
    expect(over).toBe(false);
    answered.resolve({ status: 204 });
    await flushed;
    expect(clock.pendingTimers).toBe(0);
  });

  it("an edge that refuses it again and again is left after the write under way and three more", async () => {
    answers = Array.from({ length: 9 }, () => ({ status: 503 }));
    store.put(snapshot(1));
    await store.flush();
    await clock.advanceAsync(60_000, 100);
    expect([turns(), clock.pendingTimers]).toEqual([[1, 1, 1, 1], 0]);
  });

  it("nobody waits longer than the deadline", async () => {
    answers = ["silence", "silence"];
    store.put(snapshot(1));
    store.put(snapshot(2));
    const flushed = store.flush();
    await clock.advanceAsync(3_000);
    await flushed;
    expect(turns()).toEqual([1, 2]);
    await clock.advanceAsync(60_000, 100);
    expect(clock.pendingTimers).toBe(0);
  });
});
