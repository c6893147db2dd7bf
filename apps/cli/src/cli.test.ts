import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { readWav, writeWav } from "@antiphon/audio";
import { AntiphonError } from "@antiphon/protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runCli } from "./cli.ts";
import type { Terminal } from "./command.ts";
import { type FakeServer, type FakeServerOptions, startFakeServer } from "./testing/fake-server.ts";
import { fastClock } from "./testing/fast-clock.ts";

const clock = fastClock(10);
let folder: string;
let server: FakeServer | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "antiphon-cli-"));
});

afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(folder, { recursive: true });
});

async function serve(options: Partial<FakeServerOptions> = {}): Promise<FakeServer> {
  server = await startFakeServer({ clock, ...options });
  return server;
}

interface RunOptions {
  stdin?: string;
  /** A person's keyboard. */
  typed?: Readable;
  /** Filled while it runs. */
  printed?: { stdout: string; stderr: string };
  signal?: AbortSignal;
}

async function run(argv: string[], given: RunOptions = {}) {
  const printed = given.printed ?? { stdout: "", stderr: "" };
  const terminal: Terminal = {
    stdout: (text) => {
      printed.stdout += text;
    },
    stderr: (text) => {
      printed.stderr += text;
    },
    stdoutIsLive: false,
    stderrIsLive: false,
    stdinIsLive: given.typed !== undefined,
    stdin: given.typed ?? Readable.from(given.stdin === undefined ? [] : [given.stdin]),
  };
  const code = await runCli({
    argv: server === undefined ? argv : [...argv, "--url", server.url],
    apiKey: undefined,
    clock,
    terminal,
    signal: given.signal ?? new AbortController().signal,
  });
  return { code, ...printed };
}

/** A 16 kHz file: each pair is milliseconds and loudness. */
function speechFile(...parts: [ms: number, amplitude: number][]): string {
  const samples = parts.flatMap(([ms, amplitude]) => new Array<number>(ms * 16).fill(amplitude));
  const path = join(folder, "question.wav");
  writeFileSync(path, writeWav(Int16Array.from(samples), 16_000));
  return path;
}

function listenTo(path: string) {
  const { samples, sampleRateHz } = readWav(readFileSync(path));
  expect(sampleRateHz).toBe(48_000);
  // The fade at the end of a sound is less than a frame; a machine under load adds one for each underrun.
  const sounding = samples.filter((sample) => sample !== 0).length;
  return {
    samples,
    soundingFrames: Math.floor(sounding / 960),
    first: samples.findIndex((sample) => sample !== 0),
  };
}

const events = (stdout: string) =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe("talk", () => {
  it("takes turns, waits for the last answer, and records what was heard on the call's own time", async () => {
    const { conversations } = await serve({ heard: ["one"], replyFrames: 30 });
    const out = join(folder, "answer.wav");
    const question = speechFile([200, 5_000], [100, 0]);
    const { code, stdout } = await run(["talk", "--in", question, "--out", out, "--json"]);
    expect(code).toBe(0);
    expect(events(stdout)).toEqual([
      { type: "transcript", final: false, text: "something", turn: 1 },
      { type: "transcript", final: true, text: "one", turn: 1 },
      { type: "metrics", turn: 1, endOfSpeechToFirstAudioMs: 612.4, firstAudioLatencyMs: 80 },
      { type: "reply", text: "You said one.", interrupted: false, turn: 1 },
    ]);
    const heard = listenTo(out);
    expect(heard.soundingFrames).toBeGreaterThanOrEqual(30);
    expect(heard.soundingFrames).toBeLessThan(35);
    // 200 ms of speech and the half second that ends a turn come before the answer.
    expect(heard.first).toBeGreaterThanOrEqual(0.7 * 48_000);
    const [conversation] = conversations;
    expect(conversation?.options).toEqual({ endpointing: "auto" });
    // The microphone went on after the 300 ms of the file: two seconds and more.
    expect(conversation?.microphoneFrames).toBeGreaterThan(100);
  });

  it("goes on speaking over an answer, and shows what was heard of it", async () => {
    await serve({ heard: ["one", "two"], replyFrames: 100 });
    const out = join(folder, "answer.wav");
    const question = speechFile([200, 5_000], [1_300, 0], [200, 5_000]);
    const { code, stdout } = await run(["talk", "--in", question, "--out", out]);
    expect(code).toBe(0);
    const lines = stdout.trim().split("\n");
    expect(lines.filter((line) => !line.startsWith(" "))).toEqual([
      "you: one",
      "antiphon: You said —",
      "you: two",
      "antiphon: You said two.",
    ]);
    expect(lines).toContain("  (answered after 612 ms: voice 80)");
    const { soundingFrames } = listenTo(out);
    expect(soundingFrames).toBeGreaterThan(100);
    expect(soundingFrames).toBeLessThan(180);
  });

  it("ends by itself when only noise was heard", async () => {
    await serve({ heard: [""] });
    const out = join(folder, "answer.wav");
    const { code, stdout } = await run(["talk", "--in", speechFile([100, 5_000]), "--out", out]);
    expect(code).toBe(0);
    expect(stdout).toBe("");
    expect(listenTo(out).first).toBe(-1);
  });

  it("makes the whole file one turn when told to", async () => {
    const { conversations } = await serve({ heard: ["all of it"], replyFrames: 20 });
    const out = join(folder, "answer.wav");
    const question = speechFile([100, 5_000], [700, 0], [100, 5_000]);
    const argv = ["talk", "--in", question, "--out", out, "--one-turn", "--voice", "bell"];
    const { code, stdout } = await run(argv);
    expect(code).toBe(0);
    expect(stdout).toContain("you: all of it\n");
    expect(stdout).toContain("antiphon: You said all of it.\n");
    expect(conversations[0]?.options).toEqual({ endpointing: "manual", voice: "bell" });
    expect(conversations[0]?.microphoneFrames).toBe(45);
    expect(listenTo(out).soundingFrames).toBeGreaterThanOrEqual(20);
  });

  it("ends with why when the server is away at the end of a recording that is one turn", async () => {
    const { conversations } = await serve();
    const out = join(folder, "answer.wav");
    const argv = ["talk", "--in", speechFile([5_000, 5_000]), "--out", out, "--one-turn"];
    const running = run(argv);
    await vi.waitFor(() => expect(conversations[0]?.microphoneFrames).toBeGreaterThan(5));
    conversations[0]?.upstream("lost");
    const { code, stderr } = await running;
    expect(code).toBe(1);
    expect(stderr).toContain("The server is away for a moment, so this did not reach it.");
  });

  it("leaves a whole recording behind when it is interrupted", async () => {
    await serve({ heard: ["one"], replyFrames: 2_000 });
    const out = join(folder, "answer.wav");
    const ctrlC = new AbortController();
    clock.setTimer(1_500, () => ctrlC.abort(new Error("interrupted")));
    const argv = ["talk", "--in", speechFile([200, 5_000]), "--out", out];
    const { code } = await run(argv, { signal: ctrlC.signal });
    expect(code).toBe(130);
    expect(listenTo(out).samples.length).toBeGreaterThan(960);
  });
});

describe("say", () => {
  it("records the speech from its first sample to its last", async () => {
    const { conversations } = await serve({ replyFrames: 25 });
    const out = join(folder, "speech.wav");
    const { code } = await run(["say", "Good morning", "--speed", "1.2", "--out", out]);
    expect(code).toBe(0);
    const heard = listenTo(out);
    expect(heard.soundingFrames).toBeGreaterThanOrEqual(25);
    expect(heard.soundingFrames).toBeLessThan(30);
    expect(heard.first).toBeLessThan(960);
    expect(conversations[0]?.options).toEqual({ speed: 1.2 });
    expect(conversations[0]?.received).toContainEqual({ type: "say", text: "Good morning" });
  });
});

describe("transcribe", () => {
  it("sends the whole file without loss and prints the bare text", async () => {
    const { conversations } = await serve({ heard: ["one two", "three"] });
    const path = speechFile([1_000, 5_000], [6_000, 0], [1_010, 5_000]);
    const { code, stdout, stderr } = await run(["transcribe", path, "--language", "en"]);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "one two three\n", stderr: "" });
    expect(conversations[0]?.microphoneFrames).toBe(401);
    expect(conversations[0]?.options).toEqual({
      respond: false,
      inputClock: "samples",
      language: "en",
      playback: "none",
    });
  });

  it("prints an empty line for a recording without words", async () => {
    await serve();
    expect(await run(["transcribe", speechFile([500, 0])])).toMatchObject({
      code: 0,
      stdout: "\n",
    });
  });
});

describe("chat", () => {
  it("answers line by line when it is fed from a file", async () => {
    const { conversations } = await serve();
    const { code, stdout } = await run(["chat"], { stdin: "hello\nbye\n" });
    expect(code).toBe(0);
    expect(stdout).toBe("You wrote hello.\nYou wrote bye.\n");
    expect(conversations[0]?.received.filter(({ type }) => type === "text")).toHaveLength(2);
  });

  it("tells a person whose line did not get through, and goes on", async () => {
    const { conversations } = await serve();
    const typed = new PassThrough();
    const printed = { stdout: "", stderr: "" };
    const running = run(["chat"], { typed, printed });
    typed.write("hello\n");
    await vi.waitFor(() => expect(printed.stdout).toContain("You wrote hello."));
    conversations[0]?.upstream("lost");
    await vi.waitFor(() => {
      typed.write("bye\n");
      expect(printed.stderr).toContain("did not reach it. Try again once it is back.\n");
    });
    conversations[0]?.upstream("restored");
    typed.end();
    expect((await running).code).toBe(0);
  });
});

describe("doctor and voices", () => {
  it("go the whole way of a call", async () => {
    await serve({ heard: ["everything is okay"] });
    const { code, stdout } = await run(["doctor"]);
    expect(stdout.split("\n").map((line) => line.split(":")[0])).toEqual([
      "✓ Node.js",
      "✓ server",
      "✓ session",
      "✓ conversation",
      "✓ speech",
      "✓ recognition",
      "",
    ]);
    expect(code).toBe(0);
    expect((await run(["voices"])).stdout).toContain("voice: tone\n");
  });

  it("say where it ends and what to do", async () => {
    await serve({ refusal: new AntiphonError("unauthenticated", "No key was given.") });
    const { code, stdout } = await run(["doctor"]);
    expect(code).toBe(1);
    expect(stdout.trim().split("\n").slice(-2)).toEqual([
      "✗ session: No key was given.",
      "  If the server asks for a key, give one with --api-key or ANTIPHON_API_KEY.",
    ]);
  });
});

describe("what goes wrong", () => {
  it("is explained with what to do next, and fails with 1", async () => {
    const away = await run(["voices", "--url", "http://127.0.0.1:1"]);
    expect(away.code).toBe(1);
    expect(away.stderr).toContain("Start the server with `npm start`");
    const noFile = await run(["transcribe", join(folder, "none.wav")]);
    expect(noFile).toMatchObject({ code: 1, stdout: "" });
    expect(noFile.stderr).toContain("There is no file");
    writeFileSync(join(folder, "text.wav"), "hello");
    expect((await run(["transcribe", join(folder, "text.wav")])).stderr).toContain("not a WAV");
    await serve({
      refusal: new AntiphonError("overloaded", "All workers are busy.", {
        details: { retryAfterMs: 1_500 },
      }),
    });
    const busy = await run(["transcribe", speechFile([100, 0])]);
    expect(busy.stderr).toBe("All workers are busy. Try again in 2 s.\n");
  });

  it("is one JSON line more for programs", async () => {
    await serve({ refusal: new AntiphonError("overloaded", "All workers are busy.") });
    const out = join(folder, "answer.wav");
    const { code, stdout } = await run([
      "talk",
      ...["--in", speechFile([100, 0]), "--out", out, "--json"],
    ]);
    expect(code).toBe(1);
    expect(events(stdout)).toEqual([
      { type: "error", code: "overloaded", message: "All workers are busy.", retryable: true },
    ]);
  });

  it("is the command line's own fault with 2", async () => {
    for (const argv of [
      [],
      ["sing"],
      ["talk", "--loud"],
      ["say"],
      ["say", "two", "texts", "--out", "x.wav"],
      ["say", "a", "--out", join(folder, "x.wav"), "--speed", "9"],
      ["voices", "--url", "localhost:8787"],
    ]) {
      expect((await run(argv)).code).toBe(2);
    }
  });

  it("is helped by --help", async () => {
    expect(await run(["--help"])).toMatchObject({ code: 0 });
    const { code, stdout } = await run(["talk", "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain("--one-turn");
  });
});
