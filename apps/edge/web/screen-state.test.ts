import type { ServerMessage } from "@antiphon/protocol";
import { describe, expect, it } from "vitest";
import { aboutWords } from "./about-words.ts";
import { decisionRow } from "./decision-row.ts";
import { indicatorOf } from "./indicator.ts";
import { waterfallOf } from "./latency-stages.ts";
import type { ScreenEvent } from "./screen-event.ts";
import { FIRST_SCREEN, nextScreen, type ScreenState } from "./screen-state.ts";
import { callTrouble, microphoneTrouble, passingTrouble } from "./trouble.ts";

const after = (events: ScreenEvent[], from: ScreenState = FIRST_SCREEN): ScreenState =>
  events.reduce(nextScreen, from);
const server = (message: ServerMessage): ScreenEvent => ({ type: "server", message });
const state = (part: Partial<Extract<ServerMessage, { type: "state" }>> = {}): ScreenEvent =>
  server({
    type: "state",
    state: "listening",
    thinking: false,
    held: false,
    userSpeaking: false,
    ...part,
  });
const transcript = (turn: number, text: string, final: boolean): ScreenEvent =>
  server({ type: "transcript", turn, text, final });
const reply = (part: Partial<Extract<ServerMessage, { type: "reply" }>> = {}): ScreenEvent =>
  server({
    type: "reply",
    replyId: "r1",
    epoch: 1,
    turn: 1,
    text: "It stands on the table.",
    done: false,
    interrupted: false,
    ...part,
  });
const ready = (part: Partial<Extract<ServerMessage, { type: "ready" }>> = {}): ScreenEvent =>
  server({
    type: "ready",
    protocol: 1,
    sessionId: "s1",
    leaseEpoch: 1,
    voice: "slt",
    inputLanguages: ["en"],
    responder: { kind: "built-in" },
    ...part,
  });

const decided = (
  decision: "pause" | "resume" | "stop",
  reason: Extract<ServerMessage, { type: "interruption" }>["reason"],
  text = "",
): ScreenEvent =>
  server({
    type: "interruption",
    replyId: "r1",
    epoch: 1,
    decision,
    reason,
    speechMs: 412.4,
    speechProbability: 0.934,
    echoMatch: 0.1,
    text,
    inputSamples: 48_000 * 75.25,
    decisionMs: 3.2,
  });

/** A call with a microphone, hands-free, listening. */
const LISTENING: ScreenEvent[] = [
  { type: "call", phase: "connecting" },
  { type: "microphone", status: "on" },
  ready(),
  { type: "call", phase: "live" },
  state(),
];
/** The reply sounds. */
const SPEAKING: ScreenEvent[] = [...LISTENING, reply(), state({ state: "speaking" })];
/** Somebody spoke over it. */
const HELD: ScreenEvent[] = [
  ...SPEAKING,
  server({ type: "hold", replyId: "r1", pauseSeq: 1 }),
  state({ state: "speaking", held: true, userSpeaking: true }),
  decided("pause", "speech"),
];
const RESUMED: ScreenEvent[] = [
  server({ type: "release", replyId: "r1", resumeSeq: 1 }),
  state({ state: "speaking", userSpeaking: true }),
  decided("resume", "backchannel", "mm-hm"),
];
const STOPPED: ScreenEvent[] = [
  server({ type: "clear", epoch: 2 }),
  state({ state: "barged-in", userSpeaking: true }),
  decided("stop", "words", "wait"),
];
const CUT = reply({ text: "It stands", done: true, interrupted: true });
const texts = (screen: ScreenState): string[] => screen.entries.map((entry) => entry.text);
const indicated = (events: ScreenEvent[]): string => indicatorOf(after(events)).name;

describe("the indicator", () => {
  it.each<[string, ScreenEvent[]]>([
    ["idle", []],
    [
      "asking",
      [
        { type: "call", phase: "connecting" },
        { type: "microphone", status: "asking" },
      ],
    ],
    [
      "connecting",
      [
        { type: "call", phase: "connecting" },
        { type: "microphone", status: "on" },
      ],
    ],
    ["listening", LISTENING],
    ["hearing", [...LISTENING, state({ userSpeaking: true })]],
    ["thinking", [...LISTENING, state({ thinking: true })]],
    ["speaking", [...LISTENING, state({ state: "speaking" })]],
    ["held", [...LISTENING, state({ state: "speaking", held: true, userSpeaking: true })]],
    ["interrupted", [...LISTENING, state({ state: "barged-in", userSpeaking: true })]],
    ["resumed", [...HELD, ...RESUMED]],
    ["speaking", [...HELD, ...RESUMED, { type: "verdict-over" }]],
    ["speaking", [...HELD, ...RESUMED, reply({ done: true }), state({ state: "speaking" })]],
    ["held", [...HELD, ...RESUMED, state({ state: "speaking", held: true })]],
    ["interrupted", [...HELD, ...STOPPED]],
    ["interrupted", [...HELD, ...STOPPED, CUT, state({ userSpeaking: true })]],
    ["hearing", [...HELD, ...STOPPED, state({ userSpeaking: true }), { type: "verdict-over" }]],
    ["thinking", [...HELD, ...STOPPED, state({ thinking: true })]],
    ["listening", [...SPEAKING, decided("stop", "requested"), state()]],
    ["muted", [...LISTENING, { type: "muted", muted: true }]],
    ["waiting", [{ type: "mode", mode: "push-to-talk" }, ...LISTENING]],
    [
      "listening",
      [{ type: "mode", mode: "push-to-talk" }, ...LISTENING, { type: "held-down", down: true }],
    ],
    ["typing", [...LISTENING, { type: "microphone", status: "off" }]],
    ["reconnecting", [...LISTENING, { type: "call", phase: "reconnecting" }]],
    ["reconnecting", [...LISTENING, server({ type: "upstream", status: "lost" })]],
    ["trouble", [{ type: "trouble", trouble: microphoneTrouble("refused") }]],
  ])("says %s", (name, events) => {
    expect(indicated(events)).toBe(name);
  });

  it("says in plain words why the reply went on, or did not", () => {
    expect(indicatorOf(after(HELD)).label).toBe("Paused – I heard you");
    expect(indicatorOf(after([...HELD, ...RESUMED])).hint).toBe("“mm-hm” means go on.");
    expect(indicatorOf(after([...HELD, ...STOPPED])).hint).toBe("You said “wait”.");
  });

  it("goes on with the call while a passing trouble is shown", () => {
    const error = { code: "unavailable" as const, message: "The language model does not answer." };
    const screen = after([...LISTENING, { type: "trouble", trouble: passingTrouble(error) }]);
    expect(indicatorOf(screen).name).toBe("listening");
    expect(screen.trouble?.text).toBe(error.message);
  });
});

describe("what the person says", () => {
  it("grows in place until it is final", () => {
    const screen = after([
      transcript(1, "Where", false),
      transcript(1, "Where does", false),
      transcript(1, "Where does it stand?", true),
    ]);
    expect(screen.entries).toEqual([
      {
        kind: "person",
        id: "own-0",
        turn: 1,
        text: "Where does it stand?",
        final: true,
        typed: false,
      },
    ]);
  });

  it("disappears when it turns out to be nothing", () => {
    expect(after([transcript(1, "Hm", false), transcript(1, "", true)]).entries).toEqual([]);
  });

  it("disappears when the reply goes on over it", () => {
    const screen = after([
      reply(),
      transcript(2, "mm-hm", false),
      server({ type: "release", replyId: "r1", resumeSeq: 1 }),
    ]);
    expect(texts(screen)).toEqual(["It stands on the table."]);
  });

  it("gets no place of its own over a reply, while it may be nothing", () => {
    const screen = after([...HELD, transcript(2, "mm", false), transcript(2, "mm-hm", false)]);
    expect(texts(screen)).toEqual(["It stands on the table."]);
    expect(screen.entries[0]).toMatchObject({ spokenOver: { turn: 2, text: "mm-hm" } });
  });

  it("leaves a remark at the reply that went on over it, and nothing else", () => {
    const screen = after([
      ...HELD,
      transcript(2, "mm-hm", false),
      ...RESUMED,
      transcript(2, "mm-hm", false),
      transcript(2, "", true),
    ]);
    expect(screen.entries).toHaveLength(1);
    expect(screen.entries[0]).toMatchObject({
      text: "It stands on the table.",
      done: false,
      spokenOver: undefined,
      interruption: { decision: "resume", reason: "backchannel", text: "mm-hm" },
    });
  });

  it("is a turn as soon as it stops the reply", () => {
    const screen = after([...HELD, transcript(2, "wait", false), ...STOPPED]);
    expect(screen.entries[1]).toMatchObject({ kind: "person", text: "wait", final: false });
    const later = after([transcript(2, "wait, the other one", false), CUT], screen);
    expect(texts(later)).toEqual(["It stands on the table.", "wait, the other one"]);
    expect(later.entries[0]).toMatchObject({ spokenOver: undefined, heardText: "It stands" });
  });

  it("is a turn when the reply ends under it", () => {
    const over = after([...HELD, transcript(2, "and", false), reply({ done: true }), state()]);
    expect(texts(over)).toEqual(["It stands on the table.", "and"]);
  });

  it("stands for itself over a reply that never ended", () => {
    const screen = after([
      ...SPEAKING,
      transcript(2, "Hello?", true),
      state({ state: "speaking" }),
      transcript(3, "Are you", false),
    ]);
    expect(texts(screen)).toEqual(["It stands on the table.", "Hello?", "Are you"]);
  });

  it("is shown once when the server repeats what was typed", () => {
    const screen = after([{ type: "typed", text: "Hello" }, transcript(1, "Hello", true)]);
    expect(screen.entries).toHaveLength(1);
    expect(screen.entries[0]).toMatchObject({ typed: true, turn: 1 });
  });

  it("is shown again when the same is said in a later turn", () => {
    const screen = after([transcript(1, "Yes", true), transcript(2, "Yes", true)]);
    expect(texts(screen)).toEqual(["Yes", "Yes"]);
  });
});

describe("a reply", () => {
  it("keeps what was written when it is cut, and says what was heard", () => {
    const screen = after([reply(), reply({ text: "It stands", done: true, interrupted: true })]);
    expect(screen.entries[0]).toMatchObject({
      text: "It stands on the table.",
      heardText: "It stands",
      interrupted: true,
    });
  });

  it("leaves nothing when it was dropped before it sounded", () => {
    const dropped = reply({ text: "", done: true, interrupted: true });
    expect(after([reply(), dropped]).entries).toEqual([]);
    // In mid-word it is another matter: something was heard, if no word of it.
    expect(texts(after([...HELD, ...STOPPED, dropped]))).toEqual(["It stands on the table."]);
  });

  it("leaves nothing when nothing was written", () => {
    expect(after([reply({ text: "" }), reply({ text: "", done: true })]).entries).toEqual([]);
  });

  it("takes each utterance's captions once, in order", () => {
    const word = (text: string, startSample: number) => ({
      text,
      startSample,
      endSample: startSample + 100,
      measured: true,
    });
    const caption = (utterance: number, words: ReturnType<typeof word>[]) =>
      server({ type: "caption", replyId: "r1", epoch: 1, utterance, words });
    const screen = after([
      reply(),
      caption(1, [word("table.", 900)]),
      caption(0, [word("It", 0)]),
      caption(0, [word("It", 0), word("stands", 100)]),
    ]);
    const [entry] = screen.entries;
    expect(entry?.kind === "reply" && entry.words.map((spoken) => spoken.text)).toEqual([
      "It",
      "stands",
      "table.",
    ]);
  });

  it("is named with the time it took", () => {
    const metrics = { type: "metrics", turn: 1, replyId: "r1", endOfSpeechToFirstAudioMs: 812 };
    const screen = after([reply(), server(metrics as ServerMessage)]);
    expect(screen.entries[0]).toMatchObject({ answeredInMs: 812 });
    expect(screen.latency?.endOfSpeechToFirstAudioMs).toBe(812);
  });
});

describe("decisions about speech over a reply", () => {
  it("are kept with what they were decided on, oldest first", () => {
    const { interruptions } = after([...HELD, ...RESUMED, ...STOPPED]);
    expect(interruptions.map(({ decision }) => decision)).toEqual(["pause", "resume", "stop"]);
    expect(interruptions.map(decisionRow)[2]).toEqual({
      at: "1:15.2",
      what: "Interrupted: you said “wait”",
      figures: ["speech 412 ms", "probability 0.93", "echo 0.10", "in 3 ms"],
    });
  });

  it("are not kept without end", () => {
    const many = Array.from({ length: 200 }, () => decided("pause", "speech"));
    expect(after(many).interruptions).toHaveLength(60);
  });

  it("are no news any more when the call ends", () => {
    const screen = after([...HELD, ...STOPPED, { type: "call", phase: "idle" }]);
    expect(screen.verdict).toBeUndefined();
    expect(screen.interruptions).toHaveLength(2);
  });
});

describe("the call", () => {
  it("shows a notice once, however often the server is ready", () => {
    const screen = after([ready({ notice: "Built in." }), ready({ notice: "Built in." })]);
    expect(texts(screen)).toEqual(["Built in."]);
  });

  it("keeps the conversation when it ends, but nothing half understood", () => {
    const screen = after([
      ...LISTENING,
      transcript(1, "Where?", true),
      reply({ done: true }),
      transcript(2, "And", false),
      { type: "call", phase: "idle" },
    ]);
    expect(texts(screen)).toEqual(["Where?", "It stands on the table."]);
    expect(screen.microphone).toBe("off");
  });

  it("forgets the trouble when it is live again", () => {
    const trouble = callTrouble({ code: "unavailable", message: "" });
    expect(after([{ type: "trouble", trouble }, ...LISTENING]).trouble).toBeUndefined();
  });

  it("offers to take a call back that was opened elsewhere", () => {
    expect(callTrouble({ code: "conflict", message: "" }).action).toBe("take-back");
  });
});

describe("the words about it", () => {
  it("say who answers and what is understood", () => {
    const about = {
      sessionId: "s",
      voice: "slt",
      inputLanguages: ["en", "de-AT", "no such tag"],
      responder: { kind: "llm" as const, model: "llama3.2" },
    };
    expect(aboutWords(about)).toBe(
      "Understands English, Austrian German, and no such tag · Answers by llama3.2 · Voice slt",
    );
  });
});

describe("the waterfall", () => {
  it("lays the stages end to end and shows what none accounts for", () => {
    const waterfall = waterfallOf({
      turn: 1,
      replyId: "r1",
      endOfSpeechToFirstAudioMs: 800,
      endpointingMs: 300,
      transcriptionMs: 100,
      llmFirstTokenMs: 200,
      firstAudioLatencyMs: 120,
    });
    expect(waterfall?.totalMs).toBe(800);
    expect(
      waterfall?.stages.map(({ name, startMs, durationMs }) => [name, startMs, durationMs]),
    ).toEqual([
      ["endpointing", 0, 300],
      ["transcription", 300, 100],
      ["llm", 400, 200],
      ["voice", 600, 120],
      ["rest", 720, 80],
    ]);
  });

  it("has the stages of a typed turn only", () => {
    const waterfall = waterfallOf({
      turn: 1,
      replyId: "r1",
      llmFirstTokenMs: 200,
      firstAudioLatencyMs: 120,
    });
    expect(waterfall).toMatchObject({ totalMs: 320, stages: [{ name: "llm" }, { name: "voice" }] });
  });

  it("is none when nothing was measured", () => {
    expect(waterfallOf({ turn: 1, replyId: "r1" })).toBeUndefined();
  });
});
