/**
 * Carries one client's messages to an orchestrator and back, unchanged and in order, and ends both sides together.
 * Never looks into audio, derives nothing from traffic; what an end means for the session is its owner's business.
 */
import {
  AntiphonError,
  CLOSE_NORMAL,
  codeOfClose,
  type ErrorCode,
  SOCKET_MESSAGE_BYTES_MAX,
  sendableClose,
} from "@antiphon/protocol";
import type { Clock } from "@antiphon/runtime";
import { closeSocket, closeWithError, sendMessage } from "./client-socket.ts";
import { describeError, type LogFields, logEvent } from "./log.ts";
import { MessageBudget } from "./message-budget.ts";
import type { OrchestratorLink } from "./orchestrator-link.ts";
import { PendingMessages } from "./pending-messages.ts";

export interface SessionRelayOptions {
  /** The server's end, not yet accepted. */
  client: WebSocket;
  link: Pick<OrchestratorLink, "open">;
  clock: Clock;
  logFields: LogFields;
  /** Called once, after both sides were told. */
  onEnd: (end: RelayEnd) => void;
}

/** `ended`: the orchestrator said that the session is over. `failed`: this socket is, the session may be taken up again. */
export type RelayEnd =
  | { kind: "ended" }
  | { kind: "client-gone" }
  | { kind: "stopped" }
  | { kind: "failed"; code: ErrorCode };

/**
 * `dialling`: no orchestrator yet, messages wait. `open`: messages pass. `lost`: the orchestrator is gone, messages are
 * dropped. `restored`: there is another, which understands nothing before `session_start`; so nothing passes before it.
 */
type Way = "dialling" | "open" | "lost" | "restored";

export class SessionRelay {
  readonly #options: SessionRelayOptions;
  readonly #pending = new PendingMessages();
  readonly #budget: MessageBudget;
  readonly #stopDialling = new AbortController();
  #upstream: WebSocket | undefined;
  #way: Way = "dialling";
  #over = false;

  constructor(options: SessionRelayOptions) {
    this.#options = options;
    this.#budget = new MessageBudget(options.clock.nowMs());
  }

  /** Settles when the first orchestrator is there or the relay is over; never rejects. */
  start(): Promise<void> {
    const { client } = this.#options;
    client.binaryType = "arraybuffer";
    client.addEventListener("message", (event) => this.#fromClient(event.data));
    client.addEventListener("close", () => this.#clientGone());
    client.addEventListener("error", () => this.#clientGone());
    client.accept();
    return this.#dial();
  }

  /** Ends from outside: without an error a normal end, for both sides. */
  stop(error?: AntiphonError): void {
    this.#end({ kind: "stopped" }, () => {
      if (error === undefined) closeSocket(this.#options.client, CLOSE_NORMAL);
      else closeWithError(this.#options.client, error);
    });
  }

  #fromClient(message: string | ArrayBuffer): void {
    if (this.#over) return;
    const bytes = sizeOf(message);
    if (bytes > SOCKET_MESSAGE_BYTES_MAX) {
      const limit = `A message has at most ${SOCKET_MESSAGE_BYTES_MAX} bytes.`;
      this.#fail(new AntiphonError("too_large", limit));
      return;
    }
    if (!this.#budget.spend(bytes, this.#options.clock.nowMs())) {
      this.#fail(tooMuch("Messages come faster than any conversation needs."));
      return;
    }
    switch (this.#way) {
      case "open":
        this.#toUpstream(message);
        return;
      case "dialling":
        if (!this.#pending.push(message)) {
          this.#fail(tooMuch("Wait for `ready` before sending that much."));
        }
        return;
      case "restored":
        if (!isSessionStart(message)) return;
        this.#way = "open";
        this.#toUpstream(message);
        return;
      case "lost":
        return;
    }
  }

  #toUpstream(message: string | ArrayBuffer): void {
    try {
      this.#upstream?.send(message);
    } catch {
      // Closed in the meantime; its close event follows and finds another.
    }
  }

  async #dial(): Promise<void> {
    const { link, logFields, client } = this.#options;
    try {
      const attach = (socket: WebSocket) => this.#listen(socket);
      const upstream = await link.open(attach, this.#stopDialling.signal);
      if (this.#over) {
        closeSocket(upstream, CLOSE_NORMAL, "client gone");
        return;
      }
      this.#upstream = upstream;
    } catch (error) {
      if (this.#over) return;
      logEvent("error", "no orchestrator", { ...logFields, error: describeError(error) });
      this.#fail(AntiphonError.from(error));
      return;
    }
    if (this.#way === "lost") {
      this.#way = "restored";
      sendMessage(client, { type: "upstream", status: "restored" });
      return;
    }
    this.#way = "open";
    for (const message of this.#pending.drain()) this.#toUpstream(message);
  }

  #listen(socket: WebSocket): void {
    // Events come in turns of their own, after the promises that make this socket the upstream have settled.
    socket.addEventListener("message", (event) => {
      if (this.#upstream !== socket) return;
      try {
        this.#options.client.send(event.data);
      } catch {
        this.#clientGone();
      }
    });
    socket.addEventListener("close", (event) => {
      closeSocket(socket, CLOSE_NORMAL);
      if (this.#upstream === socket) this.#upstreamClosed(event.code, event.reason);
    });
    socket.addEventListener("error", () => {
      if (this.#upstream === socket) this.#upstreamClosed(PEER_VANISHED, "");
    });
  }

  #upstreamClosed(code: number, reason: string): void {
    this.#upstream = undefined;
    if (this.#over) return;
    const error = codeOfClose(code);
    if (error === "unavailable") {
      logEvent("warn", "orchestrator lost", { ...this.#options.logFields, close: code });
      this.#way = "lost";
      sendMessage(this.#options.client, { type: "upstream", status: "lost" });
      // Never rejects.
      void this.#dial();
      return;
    }
    // The orchestrator's own verdict; it has said why in a message before.
    this.#end(error === undefined ? { kind: "ended" } : { kind: "failed", code: error }, () =>
      closeSocket(this.#options.client, sendableClose(code), reason),
    );
  }

  #clientGone(): void {
    this.#end({ kind: "client-gone" }, () => closeSocket(this.#options.client, CLOSE_NORMAL));
  }

  #fail(error: AntiphonError): void {
    this.#end({ kind: "failed", code: error.code }, () =>
      closeWithError(this.#options.client, error),
    );
  }

  #end(end: RelayEnd, closeClient: () => void): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopDialling.abort(new Error("the relay is over"));
    this.#pending.drain();
    closeClient();
    if (this.#upstream !== undefined) closeSocket(this.#upstream, CLOSE_NORMAL, "client gone");
    this.#upstream = undefined;
    this.#options.onEnd(end);
  }
}

/** What runtimes call an end without a close frame; never sent. */
const PEER_VANISHED = 1006;

/** Of a text at least, exactly where it matters: UTF-8 has one to three bytes a UTF-16 unit. */
function sizeOf(message: string | ArrayBuffer): number {
  if (typeof message !== "string") return message.byteLength;
  if (message.length > SOCKET_MESSAGE_BYTES_MAX || message.length * 3 <= SOCKET_MESSAGE_BYTES_MAX) {
    return message.length;
  }
  return new TextEncoder().encode(message).byteLength;
}

function isSessionStart(message: string | ArrayBuffer): boolean {
  if (typeof message !== "string") return false;
  try {
    const value: unknown = JSON.parse(message);
    return (value as { type?: unknown } | null)?.type === "session_start";
  } catch {
    return false;
  }
}

const tooMuch = (message: string) =>
  new AntiphonError("overloaded", message, { retryable: true, details: { retryAfterMs: 1_000 } });
