import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Backchannels } from "./backchannels.ts";
import { BargeIn, type BargeInAction } from "./barge-in.ts";
import type { InterruptionSettings } from "./interruption-settings.ts";
import { SESSION_DEFAULTS } from "./testing/session-defaults.ts";

const WINDOW = 1_536;

/** Somebody speaks over a reply; the recogniser answers a flush with what the story says by then. */
class Overheard {
  readonly told: string[] = [];
  readonly bargeIn: BargeIn;
  #sample = 0;
  #hears: (speechMs: number) => string | undefined = () => undefined;
  #spokenMs = 0;
  #confidence = 0.8;
  #echoMatch = 0;

  constructor(settings: Partial<InterruptionSettings> = {}, words: string[] = []) {
    this.bargeIn = new BargeIn(
      { ...SESSION_DEFAULTS.interruption, ...settings },
      new Backchannels("en"),
    );
    this.quiet(200);
    this.bargeIn.begin({ words: () => words });
  }

  /** What the recogniser says of so much speech; undefined: it does not answer. */
  hearing(hears: (speechMs: number) => string | undefined): this {
    this.#hears = hears;
    return this;
  }

  unsure(confidence = 0.5): this {
    this.#confidence = confidence;
    return this;
  }

  /** What is heard sounds like what is played. */
  alike(echoMatch: number): this {
    this.#echoMatch = echoMatch;
    return this;
  }

  speech(ms: number, probability = 0.9): this {
    return this.#windows(ms, probability, true);
  }

  quiet(ms: number): this {
    return this.#windows(ms, 0.05, false);
  }

  /** Since the sound began, in ms of input, rounded up to windows. */
  #windows(ms: number, probability: number, spoken: boolean): this {
    for (let done = 0; done < ms; done += 32) {
      this.#sample += WINDOW;
      if (spoken) this.#spokenMs += 32;
      const echoMatch = this.#echoMatch;
      this.#take(this.bargeIn.window({ endSample: this.#sample, probability, echoMatch }));
    }
    return this;
  }

  #take(action: BargeInAction | undefined): void {
    if (action === undefined) return;
    if (action.kind !== "flush") {
      this.told.push(`${action.kind}: ${action.reason}`);
      return;
    }
    const text = this.#hears(this.#spokenMs);
    if (text !== undefined)
      this.#take(
        this.bargeIn.heard({ text, endSample: this.#sample, confidence: this.#confidence }),
      );
  }
}

describe("while a reply sounds", () => {
  it("five windows of speech pause it, fewer do not", () => {
    expect(new Overheard().speech(128).quiet(500).told).toEqual([]);
    expect(new Overheard().speech(160).told).toEqual(["pause: speech"]);
  });

  it("words stop it before they have lasted long", () => {
    const story = new Overheard().hearing((ms) => (ms < 300 ? "Wait." : "Wait, I"));
    expect(story.speech(400).told).toEqual(["pause: speech", "stop: words"]);
  });

  it("one pass over half a word does not stop it", () => {
    const story = new Overheard().hearing((ms) => (ms < 300 ? "You." : "Yeah."));
    expect(story.speech(350).quiet(600).told).toEqual(["pause: speech", "resume: backchannel"]);
  });

  it("a short word stops it when the sound is over", () => {
    const story = new Overheard().hearing((ms) => (ms < 300 ? "" : "Bye."));
    expect(story.speech(350).quiet(600).told).toEqual(["pause: speech", "stop: words"]);
  });

  it("a short sound that the recogniser only guesses at does not stop it", () => {
    const story = new Overheard().unsure().hearing((ms) => (ms < 300 ? "" : "You that?"));
    expect(story.speech(350).quiet(600).told).toEqual(["pause: speech", "resume: no-words"]);
    expect(story.bargeIn.dismisses("You that?")).toBe(true);
  });

  it("a backchannel lets it go on as soon as it is understood, in mid-sound", () => {
    const story = new Overheard().hearing(() => "Yeah.");
    expect(story.speech(256).told).toEqual(["pause: speech", "resume: backchannel"]);
    expect(story.speech(100).quiet(1_000).told).toHaveLength(2);
  });

  it("what follows a backchannel in the same breath stops it without another pause", () => {
    const story = new Overheard().hearing((ms) => (ms < 300 ? "Okay." : "Okay, but what about"));
    expect(story.speech(600).told).toEqual(["pause: speech", "resume: backchannel", "stop: words"]);
  });

  it("words in every pass are believed, however unsure each is", () => {
    const story = () => new Overheard().unsure();
    expect(
      story()
        .hearing((ms) => `Zed${ms}`)
        .speech(500)
        .told.at(-1),
    ).toBe("stop: words");
    const humming = story().hearing((ms) => (ms < 300 ? "" : "And?"));
    expect(humming.speech(500).quiet(600).told.at(-1)).toBe("resume: no-words");
  });

  it("another guess at the sound that was a backchannel does not stop it, nor do its turn's last words", () => {
    const story = new Overheard().hearing((ms) => (ms < 300 ? "Yeah." : "You have."));
    expect(story.speech(500).quiet(600).told).toEqual(["pause: speech", "resume: backchannel"]);
    expect(story.bargeIn.dismisses("You have.")).toBe(true);
  });

  it("words beside a backchannel stop it where the recogniser is sure of them", () => {
    const said = (ms: number) => (ms < 300 ? "Okay." : "Okay, sure.");
    expect(new Overheard().hearing(said).speech(600).told.at(-1)).toBe("stop: words");
    const guessed = new Overheard().unsure(0.66).hearing(said).speech(600).quiet(600);
    expect(guessed.told).toEqual(["pause: speech", "resume: backchannel"]);
  });

  it("words that go on for longer than any hum stop it, whatever they began as", () => {
    const story = new Overheard().hearing((ms) => (ms < 300 ? "Um." : "I'm leaving."));
    expect(story.speech(800).told).toEqual(["pause: speech", "resume: backchannel"]);
    expect(story.speech(400).told.at(-1)).toBe("stop: words");
  });

  it("a cough lets it go on when it is over", () => {
    const story = new Overheard().hearing(() => "");
    expect(story.speech(200).quiet(100).told).toEqual(["pause: speech", "resume: no-words"]);
  });

  it("speech that lasts stops it in any language, also when nobody understands it", () => {
    expect(
      new Overheard()
        .hearing(() => "")
        .speech(800)
        .told.at(-1),
    ).toBe("stop: sustained-speech");
    expect(new Overheard().speech(800).told.at(-1)).toBe("stop: sustained-speech");
  });

  it("no number of backchannels stops it", () => {
    const story = new Overheard().hearing((ms) => "yeah ".repeat(Math.ceil(ms / 200)));
    expect(story.speech(2_000).quiet(500).told).toEqual(["pause: speech", "resume: backchannel"]);
  });

  it("its own last words, come back from the loudspeaker, do not stop it", () => {
    const reply = ["the", "train", "leaves", "at", "noon"];
    const story = new Overheard({}, reply).hearing(() => "train leaves at");
    expect(story.speech(900).quiet(300).told).toEqual(["pause: speech", "resume: echo"]);
  });

  it("its own words half misheard do not stop it while they sound like what is played", () => {
    const story = () =>
      new Overheard({}, ["the", "train", "leaves", "at", "noon"]).hearing(() => "rain leaves at");
    expect(story().alike(0.6).speech(600).told).toEqual(["pause: speech", "resume: echo"]);
    expect(story().speech(600).told).toEqual(["pause: speech", "stop: words"]);
  });

  it("goes on after the timeout where nothing is understood of what was said", () => {
    const story = new Overheard({ falseInterruptionTimeoutMs: 600 });
    expect(story.speech(300).quiet(500).told).toEqual(["pause: speech"]);
    expect(story.quiet(128).told).toEqual(["pause: speech", "resume: timeout"]);
  });

  it("goes on after it where what follows is neither quiet nor speech", () => {
    const story = new Overheard({ falseInterruptionTimeoutMs: 600 }).speech(200).quiet(64);
    for (let flicker = 0; flicker < 20; flicker++) story.speech(64).quiet(64);
    expect(story.told).toEqual(["pause: speech", "resume: timeout"]);
  });

  it("a second sound pauses it again", () => {
    const story = new Overheard().hearing(() => "");
    story.speech(200).quiet(600).speech(200).quiet(600);
    expect(story.told).toEqual([
      "pause: speech",
      "resume: no-words",
      "pause: speech",
      "resume: no-words",
    ]);
  });

  it("speech that began before it is no interruption of it", () => {
    const story = new Overheard();
    story.bargeIn.end();
    story.speech(200);
    story.bargeIn.begin({ words: () => [] });
    expect(story.speech(2_000).told).toEqual([]);
  });

  it("a turn that began before it is a turn, however short and unsure", () => {
    const story = new Overheard();
    story.bargeIn.end();
    story.speech(320);
    story.bargeIn.begin({ words: () => [] });
    story.quiet(320);
    expect(story.bargeIn.dismisses("Stop.", 10_000)).toBe(false);
    expect(story.bargeIn.dismisses("Stop.")).toBe(true);
  });

  it("as many words are needed as the settings say", () => {
    const story = new Overheard({ minWords: 2 }).hearing(() => "Stop.");
    expect(story.speech(400).quiet(300).told).not.toContain("stop: words");
    expect(story.bargeIn.dismisses("Stop.")).toBe(true);
    expect(story.bargeIn.dismisses("Stop it.")).toBe(false);
  });

  it("a pause that came to nothing ends it where resuming is off", () => {
    const story = new Overheard({ resumeFalseInterruption: false }).hearing(() => "");
    expect(story.speech(200).quiet(900).told).toEqual(["pause: speech", "stop: timeout"]);
  });
});

describe("the plain detector", () => {
  const plain = { mode: "vad", minDurationMs: 500, falseInterruptionTimeoutMs: 500 } as const;

  it("stops after half a second of speech, whatever was said", () => {
    const story = new Overheard(plain).hearing(() => "Yeah.");
    expect(story.speech(480).told).toEqual(["pause: speech"]);
    expect(story.speech(64).told).toEqual(["pause: speech", "stop: sustained-speech"]);
  });

  it("counts no click after a sound as speech", () => {
    const story = new Overheard(plain).speech(200).quiet(320).speech(32).quiet(256);
    expect(story.told).toEqual(["pause: speech", "resume: timeout"]);
  });

  it("lets it go on half a second after a shorter sound", () => {
    const story = new Overheard(plain).speech(300).quiet(448);
    expect(story.told).toEqual(["pause: speech"]);
    expect(story.quiet(96).told).toEqual(["pause: speech", "resume: timeout"]);
  });
});

it("every pause is followed by a resume or a stop, and nothing follows a stop", () => {
  const sound = fc.record({
    speechMs: fc.integer({ min: 0, max: 1_500 }),
    quietMs: fc.integer({ min: 0, max: 1_500 }),
    text: fc.constantFrom(undefined, "", "Yeah.", "Stop.", "What about the train?"),
  });
  fc.assert(
    fc.property(fc.array(sound, { maxLength: 8 }), (sounds) => {
      const story = new Overheard();
      for (const { speechMs, quietMs, text } of sounds) {
        story
          .hearing(() => text)
          .speech(speechMs)
          .quiet(quietMs);
      }
      story.quiet(2_000);
      const kinds = story.told.map((each) => each.split(":")[0]);
      kinds.forEach((kind, index) => {
        const before = kinds[index - 1];
        if (kind === "pause") expect(["resume", undefined]).toContain(before);
        if (kind === "resume") expect(before).toBe("pause");
        if (kind === "stop") expect(index).toBe(kinds.length - 1);
      });
      expect(kinds.at(-1)).not.toBe("pause");
    }),
  );
});
