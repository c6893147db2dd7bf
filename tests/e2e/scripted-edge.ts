/** An edge that says what a test wants, for states of the page that a healthy system rarely shows. Serves the built page under the real policy; knows no session. */
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type ClientMessage,
  encodeVoiceFrame,
  FRAME_BYTES,
  FRAME_MS,
  FRAME_SAMPLES,
  parseClientMessage,
  SAMPLE_RATE_HZ,
  type ServerMessage,
  SOCKET_SUBPROTOCOL,
} from "@antiphon/protocol";
import { type WebSocket, WebSocketServer } from "ws";

export interface ScriptedVoice {
  stop: () => void;
  /** As the pacer: nothing is sent while held. */
  setHeld: (held: boolean) => void;
}

/** How loud a reply is at a time, or in a frame. */
type Sound = (timeS: number, seq: number) => number;
const hum: Sound = (timeS) => 9_000 * (0.55 + 0.45 * Math.sin(timeS * 9));
/** Louder from frame to frame: its peak tells which frame is heard. */
export const staircase: Sound = (_timeS, seq) => STAIR_FIRST + STAIR * seq;
/** Which frame has this peak. */
export function stairOf(peak: number): number {
  return Math.round((peak * 32_768 - STAIR_FIRST) / STAIR);
}
const STAIR_FIRST = 2_000;
const STAIR = 60;

export class ScriptedEdge {
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  readonly #voices = new Set<NodeJS.Timeout>();
  #socket: WebSocket | undefined;
  #leaseEpoch = 0;
  /** Everything the page said on its sockets, in order. */
  readonly heard: ClientMessage[] = [];
  microphoneFrames = 0;
  /** Answers every API request with 503 while true. */
  away = false;
  ready: Partial<Extract<ServerMessage, { type: "ready" }>> = {};

  private constructor(server: Server) {
    this.#server = server;
    this.#sockets = new WebSocketServer({
      server,
      handleProtocols: () => SOCKET_SUBPROTOCOL,
      perMessageDeflate: false,
    });
    this.#sockets.on("connection", (socket) => this.#accept(socket));
  }

  static async start(): Promise<ScriptedEdge> {
    const server = createServer();
    const edge = new ScriptedEdge(server);
    server.on("request", async (request, response) => {
      const answer = await edge.#answer(request.method ?? "", request.url ?? "/");
      response.writeHead(answer.status, { ...answer.headers }).end(answer.body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return edge;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  send(...messages: ServerMessage[]): void {
    for (const message of messages) this.#socket?.send(JSON.stringify(message));
  }

  state(part: Partial<Extract<ServerMessage, { type: "state" }>>): void {
    const quiet = { thinking: false, held: false, userSpeaking: false };
    this.send({ type: "state", state: "listening", ...quiet, ...part });
  }

  /** The sound of this reply in real time, at most ten frames ahead. */
  voice(epoch: number, frames: number, sound: Sound = hum): ScriptedVoice {
    let seq = 0;
    let held = false;
    // Counts frames rather than time: what was held is not caught up with.
    let due = LEAD_FRAMES;
    let lastMs = performance.now();
    const timer = setInterval(() => {
      const nowMs = performance.now();
      if (!held) due += (nowMs - lastMs) / FRAME_MS;
      lastMs = nowMs;
      while (!held && seq < due && seq < frames) this.#frame(epoch, seq++, sound);
      if (seq >= frames) clearInterval(timer);
    }, 10);
    this.#voices.add(timer);
    return {
      stop: () => clearInterval(timer),
      setHeld: (now) => {
        held = now;
      },
    };
  }

  close(code: number): void {
    this.#socket?.close(code);
  }

  /** As a crash does: no close frame. */
  cut(): void {
    this.#socket?.terminate();
  }

  async stop(): Promise<void> {
    for (const timer of this.#voices) clearInterval(timer);
    for (const client of this.#sockets.clients) client.terminate();
    this.#sockets.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: WebSocket): void {
    this.#socket = socket;
    this.#leaseEpoch++;
    socket.on("message", (data, isBinary) => {
      if (isBinary) {
        this.microphoneFrames++;
        return;
      }
      const message = parseClientMessage(data.toString());
      this.heard.push(message);
      if (message.type === "session_start") this.#sayReady();
      if (message.type === "session_end") socket.close(1000);
    });
  }

  #sayReady(): void {
    this.send({
      type: "ready",
      protocol: 1,
      sessionId: "scripted",
      leaseEpoch: this.#leaseEpoch,
      voice: "slt",
      inputLanguages: ["en"],
      responder: { kind: "llm", model: "llama3.2" },
      ...this.ready,
    });
    this.state({});
  }

  #frame(epoch: number, seq: number, sound: Sound): void {
    const pcm = new Uint8Array(FRAME_BYTES);
    const samples = new Int16Array(pcm.buffer);
    for (let index = 0; index < FRAME_SAMPLES; index++) {
      const time = (seq * FRAME_SAMPLES + index) / SAMPLE_RATE_HZ;
      samples[index] = sound(time, seq) * Math.sin(time * 2 * Math.PI * 220);
    }
    const positionSamples = seq * FRAME_SAMPLES;
    const frame = { leaseEpoch: this.#leaseEpoch, epoch, utterance: 0, seq, positionSamples, pcm };
    this.#socket?.send(encodeVoiceFrame(frame));
  }

  async #answer(
    method: string,
    url: string,
  ): Promise<{ status: number; headers: Record<string, string>; body: string | Buffer }> {
    const json = { "content-type": "application/json" };
    if (method === "POST") {
      if (this.away) return { status: 503, headers: json, body: AWAY };
      const body = JSON.stringify({
        sessionId: "scripted",
        streamUrl: `${this.url.replace("http", "ws")}/v1/sessions/scripted/stream`,
        ticket: "ticket",
        ticketExpiresAt: "2026-01-01T00:00:00Z",
        resumeToken: "token",
      });
      return { status: 201, headers: json, body };
    }
    const path = normalize(url === "/" ? "/index.html" : url);
    const headers = {
      "content-security-policy": POLICY,
      "content-type": TYPES[extname(path)] ?? "application/octet-stream",
    };
    try {
      return { status: 200, headers, body: await readFile(join(PAGE, path)) };
    } catch {
      return { status: 404, headers: json, body: "{}" };
    }
  }
}

const PAGE = fileURLToPath(new URL("../../apps/edge/dist/page", import.meta.url));
/** The edge's own, as strict. */
const POLICY =
  "default-src 'self'; script-src 'self'; worker-src 'self' blob:; connect-src 'self'; img-src 'self' data:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'";
const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};
const AWAY = JSON.stringify({
  error: { code: "unavailable", message: "Nobody is there.", retryable: true },
});
/** 200 ms, as the pacer. */
const LEAD_FRAMES = 10;
