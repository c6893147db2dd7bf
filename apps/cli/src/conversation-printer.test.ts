import { type SocketSessionEvents, TypedEmitter } from "@antiphon/client";
import type { ServerMessageOf } from "@antiphon/protocol";
import { beforeEach, describe, expect, it } from "vitest";
import type { Terminal } from "./command.ts";
import { printConversation, printConversationAsJson } from "./conversation-printer.ts";

class Server extends TypedEmitter<SocketSessionEvents> {
  transcript(text: string, final: boolean): void {
    this.emit("transcript", { type: "transcript", turn: 2, text, final });
  }

  reply(text: string, part: Partial<ServerMessageOf<"reply">> = {}): void {
    const open = { replyId: "r1", epoch: 1, turn: 1, done: false, interrupted: false };
    this.emit("reply", { type: "reply", text, ...open, ...part });
  }

  decide(decision: "pause" | "resume" | "stop", part: Partial<ServerMessageOf<"interruption">>) {
    this.emit("interruption", {
      type: "interruption",
      replyId: "r1",
      epoch: 1,
      decision,
      reason: "speech",
      speechMs: 32,
      speechProbability: 0.9,
      echoMatch: 0.1,
      text: "",
      inputSamples: 48_000,
      decisionMs: 2,
      ...part,
    });
  }
}

let server: Server;
let printed: string;

beforeEach(() => {
  server = new Server();
  printed = "";
});

function terminal(stdoutIsLive: boolean): Terminal {
  const print = (text: string) => {
    printed += text;
  };
  return { stdout: print, stderr: print, stdoutIsLive, stdin: process.stdin, ...NOT_LIVE };
}

describe("somebody speaks over a reply", () => {
  it("is told line by line: paused, and on it goes", () => {
    printConversation(server, terminal(false));
    server.reply("It stands on the table.");
    server.decide("pause", {});
    server.transcript("mm-hm", false);
    server.decide("resume", { reason: "backchannel", text: "mm-hm" });
    server.transcript("", true);
    server.reply("It stands on the table.", { done: true });
    expect(printed).toBe(
      [
        "  (paused: I heard you)",
        "  (went on: “mm-hm” means go on)",
        "antiphon: It stands on the table.",
        "",
      ].join("\n"),
    );
  });

  it("is told with what was heard when that stopped it", () => {
    printConversation(server, terminal(false));
    server.reply("It stands on the table.");
    server.decide("pause", {});
    server.decide("stop", { reason: "words", text: "Wait." });
    server.reply("It stands", { done: true, interrupted: true });
    server.transcript("Wait.", true);
    expect(printed).toBe(
      [
        "  (paused: I heard you)",
        "  (interrupted: you said “Wait”)",
        "antiphon: It stands —",
        "you: Wait.",
        "",
      ].join("\n"),
    );
  });

  it("leaves no half-understood line on a terminal when it came to nothing", () => {
    printConversation(server, terminal(true));
    server.transcript("mm", false);
    server.transcript("", true);
    expect(printed.split("\r\u001b[K").at(-1)).toBe("");
    expect(printed).not.toContain("\n");
  });

  it("is one event more for programs, with what it was decided on", () => {
    printConversationAsJson(server, terminal(false));
    server.decide("stop", { reason: "words", text: "wait" });
    expect(JSON.parse(printed)).toEqual({
      type: "interruption",
      decision: "stop",
      reason: "words",
      speechMs: 32,
      speechProbability: 0.9,
      echoMatch: 0.1,
      text: "wait",
      inputSamples: 48_000,
      decisionMs: 2,
    });
  });
});

const NOT_LIVE = { stderrIsLive: false, stdinIsLive: false };
