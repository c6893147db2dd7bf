import { ModelState } from "@antiphon/protocol/worker";
import { SeededRandom } from "@antiphon/runtime/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { languageDistance, languagesOf, type RouteRequest, rankWorkers } from "./router.ts";
import { asrModel, ttsModel } from "./testing/beats.ts";
import type { WorkerView } from "./worker-registry.ts";

const worker = (workerId: string, init: Partial<WorkerView> = {}): WorkerView => ({
  workerId,
  address: "http://127.0.0.1:1",
  models: [ttsModel(), asrModel()],
  draining: false,
  suspect: false,
  load: 0,
  ...init,
});

const rank = (view: WorkerView[], request: RouteRequest, seed = 1) => {
  const random = new SeededRandom(seed);
  const ranking = rankWorkers(view, request, () => random.next());
  return ranking.kind === "none"
    ? ranking.reason
    : ranking.workers.map(
        ({ worker, model, voice }) => `${worker.workerId} ${model.model} ${voice}`,
      );
};

const german = ttsModel({
  model: "piper",
  voices: ["eva"],
  defaultVoice: "eva",
  languages: ["de"],
  isDefault: false,
});

describe("a request", () => {
  it("that names nothing gets the default model and its voice", () => {
    expect(rank([worker("a", { models: [german, ttsModel()] })], { kind: "tts" })).toEqual([
      "a flite slt",
    ]);
  });

  it("that names a voice gets the workers that have it", () => {
    const view = [worker("a"), worker("b", { models: [german] })];
    expect(rank(view, { kind: "tts", voice: "eva" })).toEqual(["b piper eva"]);
    expect(rank(view, { kind: "tts", voice: "nobody" })).toBe("unknown-voice");
  });

  it("that names a language gets the closest, and never another language", () => {
    const british = ttsModel({ model: "rp", languages: ["en-GB"] });
    const view = [worker("a"), worker("b", { models: [british] })];
    expect(rank(view, { kind: "tts", language: "en-GB" })).toEqual(["b rp slt", "a flite slt"]);
    expect(rank(view, { kind: "tts", language: "de" })).toBe("unknown-language");
  });

  it("finds nobody in an empty pool, or one without the kind", () => {
    expect(rank([], { kind: "tts" })).toBe("no-workers");
    expect(rank([worker("a", { models: [asrModel()] })], { kind: "tts" })).toBe("no-workers");
    expect(rank([worker("a")], { kind: "tts", model: "gpt" })).toBe("unknown-model");
  });

  it("may wait when whoever could is loading, draining, suspect or excluded", () => {
    const loading = ttsModel({ state: ModelState.LOADING });
    for (const view of [
      [worker("a", { models: [loading] })],
      [worker("a", { draining: true })],
      [worker("a", { suspect: true })],
    ]) {
      expect(rank(view, { kind: "tts" })).toBe("not-ready");
    }
    expect(rank([worker("a")], { kind: "tts", excluding: new Set(["a"]) })).toBe("not-ready");
  });

  it("gets a free slot before a full one, the quicker of the two drawn first", () => {
    const full = worker("full", { models: [ttsModel({ busy: 4, firstAudioLatencyMs: 1 })] });
    const slow = worker("slow", { models: [ttsModel({ firstAudioLatencyMs: 400 })] });
    const quick = worker("quick", { models: [ttsModel({ firstAudioLatencyMs: 50 })] });
    const firsts = Array.from({ length: 200 }, (_, seed) =>
      String(rank([full, slow, quick], { kind: "tts" }, seed)[0]),
    );
    const share = (id: string) => firsts.filter((first) => first.startsWith(id)).length / 200;
    expect(share("full")).toBe(0);
    // Both draws fall on the slow one a quarter of the time: that is what spreads a burst.
    expect(share("slow")).toBeGreaterThan(0.15);
    expect(share("quick")).toBeGreaterThan(0.65);
  });
});

describe("whatever the pool", () => {
  const model = fc.record({
    model: fc.constantFrom("flite", "piper"),
    state: fc.constantFrom(...([1, 2, 3, 4] as const)),
    voices: fc.subarray(["slt", "rms", "eva"]),
    languages: fc.subarray(["en", "en-US", "de"]),
    slots: fc.nat({ max: 3 }),
    busy: fc.nat({ max: 4 }),
    firstAudioLatencyMs: fc.nat({ max: 900 }),
    isDefault: fc.boolean(),
  });
  const view = fc
    .array(
      fc.record({
        models: fc.array(fc.tuple(model, fc.boolean()), { maxLength: 3 }),
        draining: fc.boolean(),
        suspect: fc.boolean(),
        load: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      { maxLength: 8 },
    )
    .map((workers) =>
      workers.map(({ models, ...rest }, index) =>
        worker(`w${index}`, {
          ...rest,
          models: models.map(([init, speaks]) => (speaks ? ttsModel(init) : asrModel(init))),
        }),
      ),
    );
  const request = fc.record({
    kind: fc.constantFrom("tts" as const, "asr" as const),
    voice: fc.option(fc.constantFrom("slt", "eva"), { nil: undefined }),
    language: fc.option(fc.constantFrom("en", "en-GB", "de-AT"), { nil: undefined }),
    excluding: fc.subarray(["w0", "w1"]).map((ids) => new Set(ids)),
  });

  it("each worker that can serve is ranked exactly once, no other ever, and the same draw gives the same order", () => {
    fc.assert(
      fc.property(view, request, fc.nat(), (workers, asked, seed) => {
        const random = () => {
          const source = new SeededRandom(seed);
          return () => source.next();
        };
        const ranking = rankWorkers(workers, asked, random());
        const ids = ranking.kind === "none" ? [] : ranking.workers.map((r) => r.worker.workerId);
        const able = workers
          .filter((w) => !w.draining && !w.suspect && !asked.excluding.has(w.workerId))
          .filter((w) =>
            w.models.some(
              (m) =>
                m.kind === (asked.kind === "tts" ? 1 : 2) &&
                m.state === ModelState.READY &&
                (asked.voice === undefined || m.voices.includes(asked.voice)) &&
                (asked.language === undefined ||
                  m.languages.some((l) => l.slice(0, 2) === asked.language?.slice(0, 2))),
            ),
          )
          .map((w) => w.workerId);
        expect([...ids].sort()).toEqual([...able].sort());
        expect(rankWorkers(workers, asked, random())).toEqual(ranking);
      }),
    );
  });
});

describe("languages", () => {
  it.each([
    ["en", "en", 0],
    ["EN-us", "en-US", 0],
    ["en", "en-US", 1],
    ["en-GB", "en", 1],
    ["en-GB", "en-US", 2],
    ["de", "en", undefined],
    ["e", "en", undefined],
  ])("%s and %s are %s apart", (asked, offered, distance) => {
    expect(languageDistance(asked, offered)).toBe(distance);
  });

  it("of a pool are those of models that are ready", () => {
    const view = [
      worker("a"),
      worker("b", { models: [asrModel({ languages: ["de"] }), german] }),
      worker("c", { models: [asrModel({ languages: ["fr"], state: ModelState.LOADING })] }),
    ];
    expect(languagesOf(view, "asr")).toEqual(["de", "en"]);
  });
});
