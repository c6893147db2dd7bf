/** The relay's parts by themselves, on a fake clock: budget, buffer, dialling. */
import type { LeaseMessage } from "@antiphon/protocol";
import { FakeClock } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import { MessageBudget } from "../src/message-budget.ts";
import { OrchestratorLink } from "../src/orchestrator-link.ts";
import { PendingMessages } from "../src/pending-messages.ts";

describe("a client's budget", () => {
  it("lasts for ever at ten times a microphone's pace", () => {
    const budget = new MessageBudget(0);
    for (let n = 1; n <= 20_000; n++) expect(budget.spend(1_928, n * 2)).toBe(true);
  });

  it("allows a burst of two seconds, then nothing more at once", () => {
    const budget = new MessageBudget(0);
    const taken = Array.from({ length: 2_000 }, () => budget.spend(1_928, 0)).filter(Boolean);
    expect(taken).toHaveLength(1_000);
  });

  it("counts bytes as well: large messages are dearer", () => {
    const budget = new MessageBudget(0);
    const taken = Array.from({ length: 100 }, () => budget.spend(64 * 1024, 0)).filter(Boolean);
    expect(taken).toHaveLength(31);
  });
});

describe("messages before the orchestrator is there", () => {
  const frame = (n: number) => new Uint8Array([n % 256, n >> 8]).buffer;

  it("keep their order; of the audio only the last two seconds stay, text always", () => {
    const pending = new PendingMessages();
    pending.push("start");
    for (let n = 0; n < 120; n++) pending.push(frame(n));
    pending.push("end");
    const drained = pending.drain();
    expect(drained).toHaveLength(102);
    expect(drained[0]).toBe("start");
    expect(new Uint8Array(drained[1] as ArrayBuffer)[0]).toBe(20);
    expect(drained.at(-1)).toBe("end");
    expect(pending.drain()).toEqual([]);
  });

  it("are refused when there is too much text", () => {
    const many = new PendingMessages();
    const taken = Array.from({ length: 40 }, () => many.push("x")).filter(Boolean);
    expect(taken).toHaveLength(32);
    const long = new PendingMessages();
    const text = "x".repeat(60 * 1024);
    expect([long.push(text), long.push(text), long.push(text)]).toEqual([true, true, false]);
  });
});

describe("the way to an orchestrator", () => {
  const scripted = (answers: (url: string) => Response | "hang" | Error) => {
    const clock = new FakeClock();
    const dials: { url: string; atMs: number }[] = [];
    const failures: string[] = [];
    let leaseEpoch = 0;
    const link = new OrchestratorLink({
      urls: ["http://one.test", "http://two.test"],
      secret: "s",
      clock,
      fetch: (input) => {
        const url = new URL(String(input)).host;
        dials.push({ url, atMs: clock.nowMs() });
        const answer = answers(url);
        if (answer === "hang") return new Promise(() => {});
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
      },
      lease: (): LeaseMessage => ({
        type: "lease",
        sessionId: "s",
        leaseEpoch: ++leaseEpoch,
        record: null,
        resumeTtlMs: 300_000,
        start: "by-client",
        way: { kind: "socket" },
      }),
      onFailure: (url) => failures.push(url),
    });
    return { clock, dials, failures, link };
  };
  const socket = () => {
    const [client, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
    server.accept();
    return new Response(null, { status: 101, webSocket: client });
  };
  const never = () => new AbortController().signal;

  it("takes the other one at once when the first refuses", async () => {
    let refusedHost: string | undefined;
    const { link, dials } = scripted((url) => {
      refusedHost ??= url;
      return url === refusedHost ? new Response("no", { status: 503 }) : socket();
    });
    await link.open(() => {}, never());
    expect(dials.map((dial) => dial.atMs)).toEqual([0, 0]);
    expect(new Set(dials.map((dial) => dial.url)).size).toBe(2);
  });

  it("leaves one that does not answer after three seconds", async () => {
    let first = true;
    const { link, dials, clock, failures } = scripted(() => {
      const answer = first ? "hang" : socket();
      first = false;
      return answer;
    });
    const opened = link.open(() => {}, never());
    await clock.advanceAsync(3_000, 100);
    await opened;
    expect(dials.map((dial) => dial.atMs)).toEqual([0, 3_000]);
    expect(failures).toHaveLength(1);
  });

  it("waits longer each time and gives up within ten seconds, no timer left", async () => {
    const { link, dials, clock } = scripted(() => new Error("refused"));
    const opened = link.open(() => {}, never());
    const outcome = expect(opened).rejects.toMatchObject({ code: "unavailable" });
    await clock.advanceAsync(12_000, 50);
    await outcome;
    const rounds = dials.filter((_, n) => n % 2 === 0).map((dial) => dial.atMs);
    expect(rounds.length).toBeGreaterThan(6);
    expect(rounds.at(-1)).toBeLessThanOrEqual(10_000);
    const waits = rounds.slice(1).map((atMs, n) => atMs - (rounds[n] ?? 0));
    expect(waits.at(0)).toBeLessThanOrEqual(150);
    expect(Math.max(...waits)).toBeLessThanOrEqual(1_650);
    expect(clock.pendingTimers).toBe(0);
  });

  it("stops at once when told, with nothing left behind", async () => {
    const { link, clock } = scripted(() => "hang");
    const stop = new AbortController();
    const opened = link.open(() => {}, stop.signal);
    const outcome = expect(opened).rejects.toThrow("the relay is over");
    stop.abort(new Error("the relay is over"));
    await outcome;
    expect(clock.pendingTimers).toBe(0);
  });

  it("counts a socket that lives shortly as the same trouble", async () => {
    const { link, dials, clock } = scripted(socket);
    let given = 0;
    const reopen = async () => {
      for (;;) {
        await link.open(() => {}, never());
        given += 1;
      }
    };
    const outcome = expect(reopen()).rejects.toMatchObject({ code: "unavailable" });
    await clock.advanceAsync(12_000, 50);
    await outcome;
    expect(given).toBe(dials.length);
    expect(given).toBeLessThan(20);
  });

  it("starts with a fresh budget after a socket that lasted", async () => {
    const { link, dials, clock } = scripted(socket);
    for (let call = 0; call < 5; call++) {
      await link.open(() => {}, never());
      clock.advance(9_000);
    }
    expect(dials.map((dial) => dial.atMs)).toEqual([0, 9_000, 18_000, 27_000, 36_000]);
  });
});
