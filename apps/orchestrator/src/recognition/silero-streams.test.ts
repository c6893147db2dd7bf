import { describe, expect, it } from "vitest";
import { type SileroBatch, type SileroOutput, SileroStreams } from "./silero-streams.ts";

describe("inputs of the detector", () => {
  it("are judged a window of 32 ms at a time, at their own positions", async () => {
    const streams = new SileroStreams();
    const graph = new CountingGraph();
    pushFrames(streams, 1, 0, 10);
    pushFrames(streams, 2, 9_600, 4);
    const judged = await streams.judge(graph.run);
    expect(judged.map(({ streamId, endSample }) => [streamId, endSample])).toEqual([
      [1, 1536],
      [2, 9600 + 1536],
      [1, 3072],
      [2, 9600 + 3072],
      [1, 4608],
      [1, 6144],
      [1, 7680],
      [1, 9216],
    ]);
    expect(graph.sizes).toEqual([2, 2, 1, 1, 1, 1]);
  });

  it("keep what is short of a window until more comes", async () => {
    const streams = new SileroStreams();
    const graph = new CountingGraph();
    pushFrames(streams, 1, 0, 1);
    expect(await streams.judge(graph.run)).toEqual([]);
    pushFrames(streams, 1, 960, 1);
    expect((await streams.judge(graph.run)).length).toBe(1);
  });

  it("are judged with the frame that completes a window, also where both end together", async () => {
    const streams = new SileroStreams();
    const graph = new CountingGraph();
    const judged: number[] = [];
    for (let frame = 0; frame < 8; frame++) {
      pushFrames(streams, 1, frame * 960, 1);
      judged.push((await streams.judge(graph.run)).length);
    }
    expect(judged).toEqual([0, 1, 0, 1, 1, 0, 1, 1]);
  });

  it("keep each its own state, whatever row it was in", async () => {
    const streams = new SileroStreams();
    const graph = new CountingGraph();
    pushFrames(streams, 1, 0, 4);
    await streams.judge(graph.run);
    pushFrames(streams, 2, 0, 4);
    pushFrames(streams, 1, 3_840, 4);
    const judged = await streams.judge(graph.run);
    // The graph's probability is the count of windows in the state that it was given.
    const of = (id: number) => judged.filter((each) => each.streamId === id);
    expect(of(1).map((each) => each.probability)).toEqual([2, 3, 4]);
    expect(of(2).map((each) => each.probability)).toEqual([0, 1]);
  });

  it("begin each window with the last 64 samples of the one before, and the first with zeros", async () => {
    const streams = new SileroStreams();
    const graph = new CountingGraph();
    const ramp = Int16Array.from({ length: 9_600 }, (_, index) => index * 3);
    for (let at = 0; at < ramp.length; at += 960) {
      streams.push(1, at, ramp.subarray(at, at + 960));
    }
    await streams.judge(graph.run);
    const [first, second] = graph.inputs;
    expect([...(first?.subarray(0, 64) ?? [])].every((sample) => sample === 0)).toBe(true);
    expect(second?.subarray(0, 64)).toEqual(first?.subarray(512));
    // A ramp at a third of the rate climbs three times as fast: 9 of 32,768 a sample. It is heard 12 samples late.
    expect(second?.[300]).toBeCloseTo(((512 + 300 - 64 - 12) * 9) / 32_768, 4);
  });

  it("start afresh where a frame does not follow the one before", async () => {
    const streams = new SileroStreams();
    const graph = new CountingGraph();
    pushFrames(streams, 1, 0, 4);
    await streams.judge(graph.run);
    pushFrames(streams, 1, 96_000, 2);
    expect(await streams.judge(graph.run)).toEqual([
      { streamId: 1, endSample: 96_000 + 1_536, probability: 0 },
    ]);
  });

  it("are forgotten when closed", async () => {
    const streams = new SileroStreams();
    pushFrames(streams, 1, 0, 4);
    streams.close(1);
    expect(streams.size).toBe(0);
    expect(await streams.judge(new CountingGraph().run)).toEqual([]);
  });

  it("run in batches of at most 128", async () => {
    const streams = new SileroStreams();
    const graph = new CountingGraph();
    for (let id = 0; id < 200; id++) pushFrames(streams, id, 0, 2);
    const judged = await streams.judge(graph.run);
    expect(graph.sizes).toEqual([128, 72]);
    expect(new Set(judged.map((each) => each.streamId)).size).toBe(200);
  });
});

/** Counts an input's windows in its state, and answers with that count. */
class CountingGraph {
  readonly sizes: number[] = [];
  readonly inputs: Float32Array[] = [];
  readonly run = async (batch: SileroBatch): Promise<SileroOutput> => {
    this.sizes.push(batch.size);
    this.inputs.push(batch.input.slice(0, 576));
    const probabilities = Float32Array.from(
      { length: batch.size },
      (_, row) => batch.state[row * 128] ?? 0,
    );
    // Both layers, every value: a row or a layer put in the wrong place would show.
    for (let row = 0; row < batch.size; row++) {
      const layers = [row * 128, (batch.size + row) * 128].map((from) =>
        batch.state.subarray(from, from + 128),
      );
      const counts = new Set(layers.flatMap((layer) => [...layer]));
      expect(counts.size).toBe(1);
    }
    return { probabilities, state: batch.state.map((value) => value + 1) };
  };
}

function pushFrames(streams: SileroStreams, id: number, startSample: number, count: number) {
  for (let index = 0; index < count; index++) {
    streams.push(id, startSample + index * 960, new Int16Array(960).fill(100));
  }
}
