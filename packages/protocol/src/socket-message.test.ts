import { describe, expect, it } from "vitest";
import {
  type ClientMessage,
  parseClientMessage,
  parseServerMessage,
  type ServerMessage,
} from "./socket-message.ts";

const CLIENT_MESSAGES: { [T in ClientMessage["type"]]: Extract<ClientMessage, { type: T }> } = {
  session_start: {
    type: "session_start",
    options: {
      instructions: "Be kind.",
      greeting: "Hello",
      language: "en-US",
      voice: "slt",
      speed: 1.2,
      respond: true,
      endpointing: "manual",
      playback: "none",
      inputClock: "samples",
    },
  },
  resume: { type: "resume", replyId: "1-2", positionSamples: 4_800 },
  text: { type: "text", text: "Hello" },
  say: { type: "say", text: "" },
  interrupt: { type: "interrupt" },
  input_commit: { type: "input_commit" },
  mute: { type: "mute" },
  unmute: { type: "unmute" },
  playback: { type: "playback", epoch: 3, replyId: null, positionSamples: 0, empty: true },
  playout: { type: "playout", playoutDelayMs: 120.5 },
  session_end: { type: "session_end" },
};

const SERVER_MESSAGES: { [T in ServerMessage["type"]]: Extract<ServerMessage, { type: T }> } = {
  ready: {
    type: "ready",
    protocol: 1,
    sessionId: "s",
    leaseEpoch: 1,
    voice: "slt",
    inputLanguages: ["en"],
    responder: { kind: "llm", model: "m" },
    notice: "Hint",
    resuming: { replyId: "1-2" },
  },
  hold: { type: "hold", replyId: "1-1", pauseSeq: 1 },
  release: { type: "release", replyId: "1-1", resumeSeq: 1 },
  clear: { type: "clear", epoch: 2 },
  input_ack: { type: "input_ack", samples: 48_000, droppedSamples: 0 },
  input_committed: { type: "input_committed", turn: 1, text: "" },
  state: { type: "state", state: "barged-in", thinking: false, held: false, userSpeaking: true },
  transcript: { type: "transcript", turn: 1, final: true, text: "Hello" },
  reply: {
    type: "reply",
    replyId: "1-1",
    epoch: 1,
    turn: 1,
    text: "Hi",
    done: true,
    interrupted: false,
  },
  interruption: {
    type: "interruption",
    replyId: "1-1",
    epoch: 1,
    decision: "resume",
    reason: "backchannel",
    speechMs: 320,
    speechProbability: 0.97,
    echoMatch: 0.1,
    text: "Yeah.",
    inputSamples: 96_000,
    decisionMs: 31.5,
  },
  caption: {
    type: "caption",
    replyId: "1-1",
    epoch: 1,
    utterance: 0,
    words: [{ text: "Hi", startSample: 0, endSample: 9_600, measured: true }],
  },
  position: { type: "position", replyId: "1-1", positionSamples: 9_600 },
  metrics: { type: "metrics", turn: 1, replyId: "1-1", firstAudioLatencyMs: 40.5 },
  error: {
    type: "error",
    code: "overloaded",
    message: "Busy.",
    retryable: true,
    retryAfterMs: 500,
  },
  upstream: { type: "upstream", status: "lost" },
};

describe("every message", () => {
  it.each(Object.values(CLIENT_MESSAGES))("$type comes back from JSON as it was", (message) => {
    expect(parseClientMessage(JSON.stringify(message))).toEqual(message);
  });

  it.each(Object.values(SERVER_MESSAGES))("$type comes back from JSON as it was", (message) => {
    expect(parseServerMessage(JSON.stringify(message))).toEqual(message);
  });
});

describe("a client that remembers no reply", () => {
  it("says so by a null", () => {
    const message = { type: "resume", replyId: null, positionSamples: 0 };
    expect(parseClientMessage(JSON.stringify(message))).toEqual(message);
  });
});

describe("a message that does not fit", () => {
  it.each([
    ["not JSON", "{", "invalid_argument", "JSON"],
    ["no type", "{}", "invalid_argument", "type"],
    ["an unknown type", '{"type":"dance"}', "invalid_argument", "type"],
    ["a wrong field", '{"type":"text","text":7}', "invalid_argument", "text"],
    [
      "a speed out of range",
      '{"type":"session_start","options":{"speed":9}}',
      "invalid_argument",
      "options.speed",
    ],
    [
      "a negative position",
      '{"type":"resume","replyId":"r","positionSamples":-1}',
      "invalid_argument",
      "positionSamples",
    ],
    [
      "an ear too far behind",
      '{"type":"playout","playoutDelayMs":5001}',
      "invalid_argument",
      "playoutDelayMs",
    ],
  ])("with %s is refused by name", (_, json, code, where) => {
    expect(() => parseClientMessage(json)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(where) }),
    );
  });

  it("for its length is refused as too_large, counted in bytes of UTF-8", () => {
    const say = (text: string) => parseClientMessage(JSON.stringify({ type: "say", text }));
    expect(say("a".repeat(8_192))).toMatchObject({ type: "say" });
    expect(() => say("a".repeat(8_193))).toThrow(expect.objectContaining({ code: "too_large" }));
    expect(() => say("é".repeat(4_097))).toThrow(expect.objectContaining({ code: "too_large" }));
  });
});
