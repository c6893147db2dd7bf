import { AntiphonError } from "@antiphon/protocol";
import { settle } from "@antiphon/runtime/testing";
import { describe, expect, it } from "vitest";
import type { AnswerRequest, LanguageModel } from "./ports.ts";
import { PreemptiveAnswer, type PreparedAnswer } from "./preemptive-answer.ts";

/** A model that writes what it is told to, when it is told to. */
function drafting() {
  const outcomes: string[] = [];
  const asked: Array<{ request: AnswerRequest; signal: AbortSignal; over: boolean; read: number }> =
    [];
  let gate = Promise.withResolvers<void>();
  const script: Array<string | Error> = [];
  const llm: LanguageModel = {
    responder: { kind: "llm" },
    notice: undefined,
    async *answer(request, signal) {
      const call = { request, signal, over: false, read: 0 };
      asked.push(call);
      signal.addEventListener("abort", () => gate.resolve());
      try {
        for (;;) {
          const token = script.shift();
          if (token instanceof Error) throw token;
          if (token === "<end>" || signal.aborted) return;
          if (token === undefined) {
            gate = Promise.withResolvers<void>();
            await gate.promise;
          } else {
            call.read++;
            yield token;
          }
        }
      } finally {
        call.over = true;
      }
    },
  };
  const preemptive = new PreemptiveAnswer({ llm, onOutcome: (outcome) => outcomes.push(outcome) });
  const write = async (...tokens: Array<string | Error>) => {
    script.push(...tokens);
    gate.resolve();
    await settle();
  };
  return { preemptive, asked, outcomes, write };
}

const asking = (text: string): AnswerRequest => ({
  instructions: "Be brief.",
  language: "en",
  history: [
    { role: "assistant", text: "Good day." },
    { role: "user", text },
  ],
});
const turn = (number = 1, spokenMs = 1_000) => ({ number, spokenMs });

/** Reads on in the background, as a reply does. */
function reading(answer: PreparedAnswer | undefined) {
  const heard = { texts: [] as string[], end: undefined as unknown };
  const read = async () => {
    for await (const text of answer?.tokens() ?? []) heard.texts.push(text);
  };
  read().then(
    () => {
      heard.end = "done";
    },
    (reason: unknown) => {
      heard.end = reason;
    },
  );
  return heard;
}

describe("an answer that was begun before the turn was over", () => {
  it("is the reply's when the very same is asked: what was written at once, the rest as it comes", async () => {
    const { preemptive, asked, outcomes, write } = drafting();
    preemptive.prepare(asking("What time is it?"), turn());
    await write("It ", "is ");
    const heard = reading(preemptive.take(asking("What time is it?")));
    await settle();
    expect(heard).toEqual({ texts: ["It ", "is "], end: undefined });
    await write("noon.", "<end>");
    expect(heard).toEqual({ texts: ["It ", "is ", "noon."], end: "done" });
    expect([asked.length, outcomes]).toEqual([1, ["preemptiveUsed"]]);
  });

  it("is thrown away when something else is asked", async () => {
    const { preemptive, asked, outcomes, write } = drafting();
    preemptive.prepare(asking("Two tickets."), turn());
    await write("Sure.");
    expect(preemptive.take(asking("Two tickets. No, three."))).toBeUndefined();
    await settle();
    expect([asked[0]?.over, outcomes]).toEqual([true, ["preemptiveWasted"]]);
    expect(preemptive.take(asking("Two tickets."))).toBeUndefined();
  });

  it.each<[string, AnswerRequest]>([
    ["instructions", { ...asking("Go"), instructions: "" }],
    ["language", { ...asking("Go"), language: "de" }],
    ["a word of the history", { ...asking("Go"), history: asking("Go").history.slice(1) }],
    [
      "who said it",
      {
        ...asking("Go"),
        history: asking("Go").history.map((entry) => ({ ...entry, role: "user" as const })),
      },
    ],
  ])("is not the answer where %s differs", (_, request) => {
    const { preemptive } = drafting();
    preemptive.prepare(asking("Go"), turn());
    expect(preemptive.take(request)).toBeUndefined();
  });

  it("is begun once for the same words, and anew for others", async () => {
    const { preemptive, asked, outcomes } = drafting();
    preemptive.prepare(asking("Two"), turn());
    preemptive.prepare(asking("Two"), turn());
    preemptive.prepare(asking("Two tickets"), turn());
    await settle();
    expect(asked.map(({ over }) => over)).toEqual([true, false]);
    expect(outcomes).toEqual(["preemptiveWasted"]);
  });

  it("is begun three times a turn at most, and not after ten seconds of speech", async () => {
    const { preemptive, asked } = drafting();
    for (let pause = 1; pause <= 5; pause++) preemptive.prepare(asking(`${pause}`), turn(1));
    expect(asked).toHaveLength(3);
    preemptive.prepare(asking("long"), turn(2, 10_001));
    expect(asked).toHaveLength(3);
    preemptive.prepare(asking("short"), turn(2));
    expect(asked).toHaveLength(4);
  });

  it("is read no further than a minute of speech ahead", async () => {
    const { preemptive, asked, write } = drafting();
    preemptive.prepare(asking("Tell me all"), turn());
    await write(...Array.from({ length: 500 }, () => "0123456789"), "<end>");
    for (let round = 0; round < 50; round++) await settle();
    expect(asked[0]?.read).toBe(100);
    const heard = reading(preemptive.take(asking("Tell me all")));
    for (let round = 0; round < 200; round++) await settle();
    expect([heard.texts.length, heard.end]).toEqual([500, "done"]);
  });
});

describe("a model that fails", () => {
  const lost = new AntiphonError("unavailable", "lost");

  it("is told where its answer is taken, after what it had written", async () => {
    const { preemptive, write } = drafting();
    preemptive.prepare(asking("Go"), turn());
    await write("One ", lost);
    const heard = reading(preemptive.take(asking("Go")));
    await settle();
    expect(heard).toEqual({ texts: ["One "], end: lost });
  });

  it("before its first word has begun no answer: it is asked again when the turn is over", async () => {
    const { preemptive, outcomes, write } = drafting();
    preemptive.prepare(asking("Go"), turn());
    await write(new AntiphonError("overloaded", "Too many requests."));
    expect(preemptive.take(asking("Go"))).toBeUndefined();
    expect(outcomes).toEqual(["preemptiveWasted"]);
  });

  it("is nobody's business where its answer is not", async () => {
    const { preemptive, outcomes, write } = drafting();
    preemptive.prepare(asking("Go"), turn());
    await write(lost);
    preemptive.discard();
    expect(outcomes).toEqual(["preemptiveWasted"]);
  });
});

describe("whoever took an answer", () => {
  it("ends the model by aborting, also before reading", async () => {
    const { preemptive, asked } = drafting();
    preemptive.prepare(asking("Go"), turn());
    const taken = preemptive.take(asking("Go"));
    taken?.abort();
    const heard = reading(taken);
    await settle();
    expect([asked[0]?.over, heard.texts, heard.end]).toEqual([true, [], "done"]);
  });

  it("ends it by reading no further", async () => {
    const { preemptive, asked, write } = drafting();
    preemptive.prepare(asking("Go"), turn());
    await write("One ", "two ");
    for await (const _ of preemptive.take(asking("Go"))?.tokens() ?? []) break;
    await settle();
    expect(asked[0]?.over).toBe(true);
  });

  it("keeps it when everything else is thrown away", async () => {
    const { preemptive, asked } = drafting();
    preemptive.prepare(asking("Go"), turn());
    preemptive.take(asking("Go"));
    preemptive.discard();
    expect(asked[0]?.signal.aborted).toBe(false);
  });
});
