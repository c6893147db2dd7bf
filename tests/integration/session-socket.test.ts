/** The session socket as a dialler meets it: upgrade, lease, messages good and bad, and each way to its end. */
import { setImmediate } from "node:timers/promises";
import {
  decodeVoiceFrame,
  encodeMicrophoneFrame,
  FRAME_BYTES,
  FRAME_SAMPLES,
  VOICE_HEADER_BYTES,
} from "@antiphon/protocol";
import { afterEach, expect, it } from "vitest";
import { SPEECH_FRAME } from "../../apps/orchestrator/src/session/testing/scripted-ports.ts";
import { SessionServer, type SocketScript } from "./session-fixture.ts";

let server: SessionServer | undefined;

async function serve(script: SocketScript = {}): Promise<SessionServer> {
  server = await SessionServer.start(script);
  return server;
}

/** Nothing may be left of a server that stopped: neither a socket nor a timer. */
afterEach(async () => {
  const stopped = server;
  server = undefined;
  await stopped?.stop();
  for (let turn = 0; turn < 1_000 && openSockets().length > 0; turn++) await setImmediate();
  expect(openSockets()).toEqual([]);
  expect(stopped?.clock.pendingTimers ?? 0).toBe(0);
});

const openSockets = () =>
  process.getActiveResourcesInfo().filter((resource) => /^TCP(Server|Socket)/.test(resource));

const microphone = (seq: number, samples: Int16Array) =>
  encodeMicrophoneFrame({
    seq,
    pcm: new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength),
  });

it("refuses to upgrade whoever does not know the secret, or the path, and lives on", async () => {
  const { dial } = bound(await serve());
  expect(await dial({ secret: "wrong" }).refused).toBe(401);
  expect(await dial({ path: "/elsewhere" }).refused).toBe(404);
  expect(await dial({ path: "//" }).refused).toBe(404);
  await dial().opened;
});

it("closes a socket on which no lease comes in time, and makes no session of a late one", async () => {
  const running = await serve();
  const caller = running.dial();
  await caller.opened;
  await running.pass(5_100);
  caller.say({ type: "lease", sessionId: "s", leaseEpoch: 1, record: null });
  expect((await caller.closed).code).toBe(4504);
  expect(caller.all("error")[0]?.code).toBe("deadline_exceeded");
  expect(running.started).toBe(0);
});

it.each([
  ["no JSON", "{"],
  ["no lease", JSON.stringify({ type: "session_start" })],
  ["binary", microphone(0, SPEECH_FRAME)],
  [
    "a record that is none",
    JSON.stringify({ type: "lease", sessionId: "s", leaseEpoch: 1, record: [1] }),
  ],
])("closes with 4400 where the first message is %s", async (_, first) => {
  const caller = (await serve()).dial();
  await caller.opened;
  caller.say(first);
  expect(await caller.closed).toEqual({ code: 4400, reason: "invalid_argument" });
  expect(caller.all("error")[0]?.code).toBe("invalid_argument");
});

it("tells whoever is one too many when to come again", async () => {
  const running = await serve({ sessionsMax: 1 });
  const first = await running.call();
  const second = await running.lease();
  expect((await second.closed).code).toBe(4429);
  expect(second.all("error")[0]).toMatchObject({ code: "overloaded", retryAfterMs: 2_000 });
  first.say({ type: "session_end" });
  await first.closed;
  await running.lastRecord();
  await running.call();
});

it("refuses what comes before session_start, audio too, and goes on", async () => {
  const caller = await (await serve()).lease();
  caller.say({ type: "text", text: "Hello" });
  expect((await caller.heard("error")).code).toBe("failed_precondition");
  caller.say(microphone(0, SPEECH_FRAME));
  expect((await caller.heard("error", 2)).code).toBe("failed_precondition");
  caller.say({ type: "session_start" });
  expect(await caller.heard("ready")).toMatchObject({ sessionId: "s-1", leaseEpoch: 7 });
});

it("forgives ten messages that cannot be read, and closes with 4400 at the eleventh", async () => {
  const caller = await (await serve()).call();
  for (let message = 0; message < 10; message++) caller.say("{ not json");
  await caller.heard("error", 10);
  caller.say({ type: "interrupt" });
  caller.say(JSON.stringify({ type: "unheard-of" }));
  expect((await caller.closed).code).toBe(4400);
  expect(caller.all("error")).toHaveLength(11);
});

it("closes with 4400 at binary that is no frame", async () => {
  for (const bytes of [
    new Uint8Array(10),
    microphone(0, SPEECH_FRAME).subarray(1),
    new Uint8Array(8 + FRAME_BYTES),
  ]) {
    const caller = await (await serve()).call();
    caller.say(bytes);
    expect(await caller.closed).toEqual({ code: 4400, reason: "invalid_argument" });
    expect(caller.all("error")[0]?.code).toBe("invalid_argument");
    await server?.stop();
  }
});

it("refuses a text over 8 KiB, and nothing else with it", async () => {
  const caller = await (await serve()).call();
  caller.say({ type: "text", text: "x".repeat(8 * 1024 + 1) });
  expect((await caller.heard("error")).code).toBe("too_large");
  caller.say({ type: "session_end" });
  expect((await caller.closed).code).toBe(1000);
});

it("closes with 1009 at a message beyond every bound", async () => {
  const caller = await (await serve()).call();
  caller.say(JSON.stringify({ type: "text", text: "x".repeat(700 * 1024) }));
  expect((await caller.closed).code).toBe(1009);
});

it("speaks in frames of 1,944 bytes whose headers say where they belong", async () => {
  const running = await serve({ answers: ["One two three."] });
  const caller = await running.call({ playback: "none" });
  caller.say({ type: "text", text: "Count" });
  await caller.heard("reply");
  await running.pass(1_500);
  const done = await caller.heard("reply", 2);
  expect(done).toMatchObject({ done: true, text: "One two three.", interrupted: false });
  expect(caller.frames.length).toBe(30);
  caller.frames.forEach((bytes, seq) => {
    expect(bytes.byteLength).toBe(VOICE_HEADER_BYTES + FRAME_BYTES);
    const { pcm, ...header } = decodeVoiceFrame(bytes);
    expect(header).toEqual({
      leaseEpoch: 7,
      epoch: done.epoch,
      utterance: 0,
      seq,
      positionSamples: seq * FRAME_SAMPLES,
    });
    expect(pcm[0]).toBe(7);
  });
});

it("hears frames of a microphone, and ends normally when it is told to", async () => {
  const running = await serve({ hears: ["Hello there"], answers: ["Hi."] });
  const caller = await running.call({ playback: "none" });
  for (let seq = 0; seq < 60; seq++) caller.say(microphone(seq, SPEECH_FRAME));
  caller.say({ type: "input_commit" });
  expect(await caller.heard("input_committed")).toMatchObject({ turn: 1, text: "Hello there" });
  caller.say({ type: "session_end" });
  expect(await caller.closed).toEqual({ code: 1000, reason: "ended" });
  expect(caller.messages.at(-1)).toMatchObject({ type: "state", state: "terminated" });
  expect(await running.lastRecord()).toMatchObject({
    turnNumber: 1,
    history: [{ role: "user", text: "Hello there" }],
  });
});

it("closes with 4429 for a reader who has promised to report and never does", async () => {
  const running = await serve({ answers: [`${"word ".repeat(30)}.`] });
  const caller = await running.call();
  caller.say({ type: "text", text: "Talk" });
  await caller.heard("reply");
  await running.pass(13_000);
  expect((await caller.closed).code).toBe(4429);
  expect(caller.frames.length).toBeGreaterThan(20);
  expect(caller.frames.length).toBeLessThanOrEqual(25);
});

it("ends the session of a caller who is gone", async () => {
  const running = await serve({ sessionsMax: 1 });
  const caller = await running.call();
  caller.hangUp();
  await running.lastRecord();
  await running.call();
});

it("at its own end tells every caller so", async () => {
  const running = await serve();
  const callers = [await running.call(), await running.call()];
  await running.host.close();
  for (const caller of callers) {
    expect((await caller.closed).code).toBe(4503);
    expect(caller.all("error")[0]?.code).toBe("unavailable");
  }
  expect(await running.lease().then((late) => late.closed)).toMatchObject({ code: 4503 });
});

function bound(running: SessionServer) {
  return { dial: running.dial.bind(running) };
}
