import {
  AntiphonError,
  decodeMicrophoneFrame,
  FRAME_SAMPLES,
  type ServerMessageOf,
} from "@antiphon/protocol";
import { FakeClock, settle } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import { Playout } from "./playout.ts";
import type { SessionEnd } from "./session-end.ts";
import { SocketSession, type SocketSessionOptions } from "./socket-session.ts";
import { type FakeSocket, fakeSockets } from "./testing/fake-socket.ts";

const READY: ServerMessageOf<"ready"> = {
  type: "ready",
  protocol: 1,
  sessionId: "s1",
  leaseEpoch: 1,
  voice: "slt",
  inputLanguages: ["en"],
  responder: { kind: "built-in" },
};
const TARGET = { streamUrl: "ws://edge.test/v1/sessions/s1/stream", ticket: "t1" };

function replyOf(fields: Partial<ServerMessageOf<"reply">> = {}): ServerMessageOf<"reply"> {
  return {
    type: "reply",
    replyId: "r1",
    epoch: 1,
    turn: 1,
    text: "Hello.",
    done: false,
    interrupted: false,
    ...fields,
  };
}

/** A session that is being connected, with its socket, its end, and a player unless told otherwise. */
function connecting(options: SocketSessionOptions = {}) {
  const clock = new FakeClock();
  const { webSocket, sockets } = fakeSockets();
  const playout = new Playout({ prefillMs: 0 });
  const session = new SocketSession({ clock, webSocket, player: playout, ...options });
  const ends: SessionEnd[] = [];
  const errors: AntiphonError[] = [];
  session.on("closed", (end) => ends.push(end));
  session.on("error", (error) => errors.push(error));
  const ready = session.connect({ ...TARGET, options: { language: "en" } });
  ready.catch(() => {});
  const socket = sockets[0] as FakeSocket;
  return { clock, session, socket, playout, ready, ends, errors };
}

function connected(options: SocketSessionOptions = {}) {
  const parts = connecting(options);
  parts.socket.serverOpens();
  parts.socket.serverSends(READY);
  return parts;
}

function pull(playout: Playout, frames: number): void {
  for (let i = 0; i < frames; i++) playout.pull(new Int16Array(FRAME_SAMPLES));
}

describe("connecting", () => {
  it("offers the protocol and the ticket, starts the session, and resolves when the server is ready", async () => {
    const { session, socket, ready, clock } = connected();
    expect(socket.url).toBe(TARGET.streamUrl);
    expect(socket.protocols).toEqual(["antiphon.v1", "ticket.t1"]);
    expect(socket.binaryType).toBe("arraybuffer");
    expect(socket.messages).toEqual([{ type: "session_start", options: { language: "en" } }]);
    expect((await ready).voice).toBe("slt");
    expect(clock.pendingTimers).toBe(0);
    expect(() => session.connect(TARGET)).toThrow("connects once");
  });

  it("declares that nobody reports playback when there is no player", () => {
    const { webSocket, sockets } = fakeSockets();
    const session = new SocketSession({ clock: new FakeClock(), webSocket });
    session.connect({ ...TARGET, options: { respond: false } }).catch(() => {});
    sockets[0]?.serverOpens();
    expect(sockets[0]?.messages).toEqual([
      { type: "session_start", options: { respond: false, playback: "none" } },
    ]);
  });

  it("rejects with the server's reason when the ticket is refused", async () => {
    const { socket, ready, ends } = connecting();
    socket.serverOpens();
    socket.serverSends({
      type: "error",
      code: "unauthenticated",
      message: "The ticket was used before.",
      retryable: false,
    });
    socket.serverCloses(4401);
    await expect(ready).rejects.toMatchObject({
      code: "unauthenticated",
      message: "The ticket was used before.",
    });
    expect(ends).toHaveLength(1);
  });

  it("gives up after the deadline and hangs up", async () => {
    const { clock, socket, ready, ends } = connecting();
    socket.serverOpens();
    clock.advance(15_000);
    await expect(ready).rejects.toMatchObject({ code: "deadline_exceeded", retryable: true });
    expect(socket.closed).toEqual({ code: 4504, reason: "deadline_exceeded" });
    socket.serverCloses(1006);
    expect(ends).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it("sends where the listener was, when it goes on with a session", () => {
    const { webSocket, sockets } = fakeSockets();
    const session = new SocketSession({ clock: new FakeClock(), webSocket });
    const resume = { replyId: "r1", positionSamples: 4800 };
    session.connect({ ...TARGET, resume }).catch(() => {});
    sockets[0]?.serverOpens();
    expect(sockets[0]?.messages[1]).toEqual({ type: "resume", ...resume });
  });
});

describe("playback reports", () => {
  it("come every 100 ms from the first frame until the buffer was reported empty", () => {
    const { clock, socket, playout } = connected();
    socket.serverSends(replyOf());
    for (let seq = 0; seq < 7; seq++) {
      socket.serverSpeaks({ seq, positionSamples: seq * FRAME_SAMPLES });
    }
    expect(socket.sentOf("playback")).toEqual([]);
    pull(playout, 5);
    clock.advance(100);
    pull(playout, 5);
    clock.advance(1_000);
    expect(socket.sentOf("playback")).toEqual([
      { type: "playback", epoch: 1, replyId: "r1", positionSamples: 4800, empty: false },
      { type: "playback", epoch: 1, replyId: "r1", positionSamples: 6720, empty: true },
    ]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("come at once when the player says that it ran empty", () => {
    const { clock, session, socket, playout } = connected();
    socket.serverSends(replyOf());
    socket.serverSpeaks({});
    pull(playout, 1);
    session.reportPlayback();
    expect(socket.sentOf("playback")).toMatchObject([{ positionSamples: 960, empty: true }]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("go on while a reply is held", () => {
    const { clock, socket, playout } = connected();
    socket.serverSends(replyOf());
    socket.serverSpeaks({});
    socket.serverSends({ type: "hold", replyId: "r1", pauseSeq: 1 });
    pull(playout, 1);
    clock.advance(300);
    expect(socket.sentOf("playback")).toHaveLength(3);
    expect(socket.sentOf("playback")[2]).toMatchObject({ empty: false });
  });

  it("answer a clear with where the listener was, then with an empty report of the new epoch", () => {
    const { socket, playout, clock } = connected();
    socket.serverSends(replyOf());
    for (let seq = 0; seq < 5; seq++) {
      socket.serverSpeaks({ seq, positionSamples: seq * FRAME_SAMPLES });
    }
    pull(playout, 2);
    socket.serverSends({ type: "clear", epoch: 2 });
    expect(socket.sentOf("playback")).toEqual([
      { type: "playback", epoch: 1, replyId: "r1", positionSamples: 1920, empty: false },
      { type: "playback", epoch: 2, replyId: null, positionSamples: 0, empty: true },
    ]);
    socket.serverSpeaks({ seq: 5 });
    expect(playout.bufferedSamples).toBe(0);
    clock.advance(100);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("the microphone", () => {
  const frame = () => new Int16Array(FRAME_SAMPLES).fill(7);
  const seqs = (socket: FakeSocket) =>
    socket.frames.map((message) => decodeMicrophoneFrame(message).seq);

  it("numbers its frames from 0", () => {
    const { session, socket } = connected();
    for (let i = 0; i < 3; i++) session.sendMicrophone(frame());
    expect(seqs(socket)).toEqual([0, 1, 2]);
    expect([...decodeMicrophoneFrame(socket.frames[0] as Uint8Array).pcm.subarray(0, 2)]).toEqual([
      7, 0,
    ]);
  });

  it("keeps two seconds under way and one waiting, then drops the oldest and shows it in the numbers", () => {
    const { session, socket } = connected();
    for (let i = 0; i < 160; i++) session.sendMicrophone(frame());
    expect(socket.frames).toHaveLength(100);
    expect(session.microphoneStats()).toEqual({
      sentSamples: 96_000,
      unacknowledgedSamples: 96_000,
      droppedFrames: 10,
    });
    socket.serverSends({ type: "input_ack", samples: 48_000, droppedSamples: 0 });
    expect(seqs(socket).slice(99, 102)).toEqual([99, 110, 111]);
    expect(socket.frames).toHaveLength(150);
  });

  it("sends nothing into a socket that does not keep up", () => {
    const { session, socket } = connected();
    socket.bufferedAmount = 1_000_000;
    session.sendMicrophone(frame());
    expect(socket.frames).toEqual([]);
    socket.bufferedAmount = 0;
    session.sendMicrophone(frame());
    expect(seqs(socket)).toEqual([0, 1]);
  });

  it("makes a file wait for acknowledgements and drops nothing", async () => {
    const { clock, session, socket } = connected({ input: "file" });
    let sent = 0;
    const sending = (async () => {
      for (; sent < 150; sent++) {
        await session.readyToSend();
        session.sendMicrophone(frame());
      }
    })();
    await clock.advanceAsync(2_000);
    expect(sent).toBe(100);
    socket.serverSends({ type: "input_ack", samples: 96_000, droppedSamples: 0 });
    await clock.advanceAsync(2_000);
    await sending;
    expect(seqs(socket)).toEqual(Array.from({ length: 150 }, (_, seq) => seq));
    expect(clock.pendingTimers).toBe(0);
  });

  it("tells a waiting file when the server takes nothing any more, or ends", async () => {
    const { clock, session } = connected({ input: "file" });
    for (let i = 0; i < 100; i++) session.sendMicrophone(frame());
    expect(() => session.sendMicrophone(frame())).toThrow("readyToSend");
    clock.advance(10_000);
    const waiting = session.readyToSend();
    waiting.catch(() => {});
    await settle();
    clock.advance(30_000);
    await expect(waiting).rejects.toMatchObject({ code: "deadline_exceeded" });
    const ended = connected({ input: "file" });
    ended.socket.serverCloses(1001);
    await expect(ended.session.readyToSend()).rejects.toMatchObject({ code: "unavailable" });
  });
});

describe("when the way behind the edge breaks", () => {
  it("starts anew on the next orchestrator, says where the listener was, and counts from zero", () => {
    const { session, socket, playout } = connected();
    for (let i = 0; i < 100; i++) session.sendMicrophone(new Int16Array(FRAME_SAMPLES));
    socket.serverSends(replyOf());
    socket.serverSpeaks({});
    pull(playout, 1);
    socket.serverSends({ type: "upstream", status: "lost" });
    session.sendMicrophone(new Int16Array(FRAME_SAMPLES));
    expect(socket.frames).toHaveLength(100);

    socket.serverSends({ type: "upstream", status: "restored" });
    expect(socket.messages.slice(1)).toEqual([
      { type: "session_start", options: { language: "en" } },
      { type: "resume", replyId: "r1", positionSamples: 960 },
    ]);
    session.sendMicrophone(new Int16Array(FRAME_SAMPLES));
    expect(decodeMicrophoneFrame(socket.frames[100] as Uint8Array).seq).toBe(0);
    socket.serverSends({ ...READY, leaseEpoch: 2 });
    socket.serverSpeaks({ leaseEpoch: 1, seq: 1 });
    expect(playout.bufferedSamples).toBe(0);
  });

  it("resumes nothing when no reply was under way", () => {
    const { socket } = connected();
    socket.serverSends(replyOf());
    socket.serverSends(replyOf({ done: true }));
    socket.serverSends({ type: "upstream", status: "lost" });
    socket.serverSends({ type: "upstream", status: "restored" });
    expect(socket.sentOf("resume")).toEqual([]);
  });

  it("tells the next orchestrator that the microphone is muted, before anything else", () => {
    const { session, socket } = connected();
    socket.serverSends(replyOf());
    socket.serverSpeaks({});
    session.mute();
    socket.serverSends({ type: "upstream", status: "lost" });
    socket.serverSends({ type: "upstream", status: "restored" });
    expect(socket.messages.slice(2).map(({ type }) => type)).toEqual([
      "session_start",
      "mute",
      "resume",
    ]);
  });

  it.each<[string, (session: SocketSession) => void]>([
    ["a text", (session) => session.text("hello")],
    ["something to say", (session) => session.say("hello")],
    ["an interruption", (session) => session.interrupt()],
    ["a commit", (session) => session.inputCommit()],
  ])("refuses %s until there is another: nobody would get it", (_, ask) => {
    const { session, socket } = connected();
    socket.serverSends({ type: "upstream", status: "lost" });
    expect(() => ask(session)).toThrow("Try again once it is back.");
    expect(socket.messages).toHaveLength(1);
    socket.serverSends({ type: "upstream", status: "restored" });
    ask(session);
    expect(socket.messages).toHaveLength(3);
    socket.serverSends({ type: "upstream", status: "lost" });
    socket.serverCloses(1006);
    expect(() => ask(session)).toThrow("not connected");
  });

  it.each([
    ["muted", true, ["mute"]],
    ["unmuted", false, []],
  ])(
    "takes a microphone that is %s meanwhile for what it is when there is another",
    (_, muted, told) => {
      const { session, socket } = connected();
      if (!muted) session.mute();
      socket.serverSends({ type: "upstream", status: "lost" });
      const before = socket.messages.length;
      if (muted) session.mute();
      else session.unmute();
      expect(socket.messages).toHaveLength(before);
      socket.serverSends({ type: "upstream", status: "restored" });
      expect(socket.messages.slice(before).map(({ type }) => type)).toEqual([
        "session_start",
        ...told,
      ]);
    },
  );
});

describe("the end", () => {
  it("is normal after hanging up, and the last of it", async () => {
    const { clock, session, socket, ends } = connected();
    const ended = session.end();
    expect(socket.messages.at(-1)).toEqual({ type: "session_end" });
    socket.serverCloses(1000);
    await ended;
    expect(ends).toEqual([{}]);
    expect(clock.pendingTimers).toBe(0);
    expect(() => session.say("hello")).toThrow("not connected");
  });

  it("is made by us when the server does not close", async () => {
    const { clock, session, socket, ends } = connected();
    const ended = session.end();
    clock.advance(2_000);
    await ended;
    expect(socket.closed?.code).toBe(1000);
    expect(ends).toEqual([{}]);
  });

  it("carries the error sent before it, if that was the reason", () => {
    const { socket, ends, errors } = connected();
    const error = { type: "error", retryable: false } as const;
    socket.serverSends({ ...error, code: "too_large", message: "The text is too long." });
    socket.serverSends({ ...error, code: "conflict", message: "Another client took over." });
    socket.serverCloses(4409);
    expect(errors.map(({ code }) => code)).toEqual(["too_large", "conflict"]);
    expect(ends[0]?.error).toMatchObject({ message: "Another client took over." });
  });

  it("is read from the close code when nothing was said", () => {
    const { socket, ends } = connected();
    socket.serverSends({
      type: "error",
      code: "too_large",
      message: "The text is too long.",
      retryable: false,
    });
    socket.serverCloses(1006);
    expect(ends[0]?.error).toMatchObject({ code: "unavailable", retryable: true });
  });

  it("comes when the server says what nobody understands", () => {
    const { socket, ends } = connected();
    socket.serverSendsRaw("{}");
    expect(socket.closed?.code).toBe(4400);
    expect(ends[0]?.error).toBeInstanceOf(AntiphonError);
    socket.serverSends(READY);
    expect(ends).toHaveLength(1);
  });
});
