/** The page in a real Chromium: a call against the whole system, and the page's own behaviour against a scripted edge. */
import type { ServerMessage, ServerMessageOf } from "@antiphon/protocol";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { buildPage } from "../../apps/edge/web/build.ts";
import { recordingPath, recordingsMissing } from "../support/recordings.ts";
import { type Stack, startStack } from "../support/stack.ts";
import {
  AUDIBLE_PEAK,
  chromiumMissing,
  launchChromium,
  openPage,
  outputBlocks,
  speak,
  stateIs,
  waitForSilence,
} from "./browser-page.ts";
import { ScriptedEdge, staircase, stairOf } from "./scripted-edge.ts";

describe.skipIf(chromiumMissing || recordingsMissing)("a call with the whole system", () => {
  let stack: Stack;
  let browser: Browser | undefined;

  beforeAll(async () => {
    stack = await startStack();
  }, 120_000);
  afterEach(async () => {
    await browser?.close();
    browser = undefined;
  });
  afterAll(() => stack?.stop());

  it("shows what was said, answers aloud, and falls silent when the person speaks over it", async () => {
    browser = await launchChromium();
    const { page, complaints } = await openPage(browser, stack.url, { microphone: "played" });
    await page.getByTestId("talk").click();
    await stateIs(page, "listening");

    await speak(page, recordingPath("lamp-48k.wav"));
    await stateIs(page, "speaking");
    const over = await speak(page, recordingPath("jfk.wav"));
    const said = page.locator(".entry-person .words").first();
    await expect.poll(() => said.textContent()).toMatch(/living room/i);

    const silentFromMs = await waitForSilence(page, over.startedAtMs, 300);
    const blocks = await outputBlocks(page);
    const sounding = blocks.filter(
      ({ peak, receivedAtMs }) => peak >= AUDIBLE_PEAK && receivedAtMs < silentFromMs,
    );
    expect(sounding.length, "blocks in which the answer was heard").toBeGreaterThan(10);

    const cut = page.locator('.entry-reply[data-interrupted="true"]').first();
    await cut.waitFor();
    expect(await cut.locator('[data-mark="cut"]').count()).toBeGreaterThan(0);

    const latency = page.getByTestId("latency");
    await latency.waitFor();
    expect(await latency.textContent()).toMatch(/Noticing you are done\d+ ms/);
    expect(Number(await latency.getAttribute("data-total-ms"))).toBeGreaterThan(0);

    await page.getByTestId("talk").click();
    await stateIs(page, "idle");
    expect(complaints).toEqual([]);
  });

  it("answers what was typed, without a microphone, and stops at Escape", async () => {
    browser = await launchChromium();
    const { page, complaints } = await openPage(browser, stack.url, { microphone: "refused" });
    await page
      .getByTestId("text-input")
      .fill("The lamp by the window was lit every evening when the fishermen came home from sea.");
    await page.getByTestId("text-input").press("Enter");
    await stateIs(page, "speaking");
    await page.getByTestId("reply-captions").locator('[data-mark="now"]').waitFor();
    const pressedAtMs = await page.evaluate(() => performance.now());
    await page.keyboard.press("Escape");
    await waitForSilence(page, pressedAtMs, 500);
    await page.getByTestId("reply-captions").locator('[data-mark="cut"]').first().waitFor();
    expect(complaints).toEqual([]);
  });

  it("answers when the button is let go, and not before", async () => {
    browser = await launchChromium();
    const { page, complaints } = await openPage(browser, stack.url, { microphone: "played" });
    await page.getByText("Push to talk").click();
    await page.getByTestId("talk").click();
    await stateIs(page, "waiting");
    await page.keyboard.down("Space");
    const { startedAtMs, durationMs } = await speak(page, recordingPath("lamp-48k.wav"));
    // The clip ends in a second and a half of silence: hands-free would answer into it.
    await page.waitForFunction((endMs) => performance.now() > endMs, startedAtMs + durationMs);
    expect(await page.locator(".entry-reply").count()).toBe(0);
    await page.keyboard.up("Space");
    await stateIs(page, "speaking");
    expect(await page.getByTestId("user-captions").textContent()).toMatch(/living room/i);
    await stateIs(page, "waiting");
    expect(complaints).toEqual([]);
  });

  it("hears the browser's own capture device", async () => {
    const clip = recordingPath("lamp-48k.wav");
    browser = await launchChromium([
      "--use-fake-ui-for-media-stream",
      "--use-fake-device-for-media-stream",
      `--use-file-for-fake-audio-capture=${clip}%noloop`,
    ]);
    const { page } = await openPage(browser, stack.url, { microphone: "device" });
    await page.getByTestId("talk").click();
    await expect.poll(() => page.getByTestId("level").getAttribute("value")).not.toBe("0");
    await expect
      .poll(() => page.locator(".entry-person .words").first().textContent(), { timeout: 20_000 })
      .toMatch(/living/i);
  });
});

describe.skipIf(chromiumMissing)("the page", () => {
  let browser: Browser;
  let edge: ScriptedEdge;

  beforeAll(async () => {
    await buildPage();
    browser = await launchChromium();
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    await edge.stop();
  });
  afterAll(() => browser?.close());

  async function opened(microphone: "played" | "refused" = "played") {
    edge = await ScriptedEdge.start();
    return await openPage(browser, edge.url, { microphone });
  }
  const heard = () => edge.heard.map(({ type }) => type).filter((type) => type !== "playback");

  it("says what to do when the microphone is refused, and begins no session", async () => {
    const { page } = await opened("refused");
    await page.getByTestId("talk").click();
    await stateIs(page, "trouble");
    expect(await page.getByTestId("error").textContent()).toMatch(/microphone is blocked/i);
    expect(heard()).toEqual([]);
  });

  it("offers to try again when the server is away, and then goes on", async () => {
    const { page } = await opened();
    edge.away = true;
    await page.getByTestId("talk").click();
    await stateIs(page, "trouble");
    expect(await page.getByTestId("error").textContent()).toMatch(/server is away/i);
    edge.away = false;
    await page.getByTestId("retry").click();
    await stateIs(page, "listening");
    expect(await page.getByTestId("error").isVisible()).toBe(false);
  });

  it("sends what is said only while the button is held, and then commits it", async () => {
    const { page } = await opened();
    await page.getByText("Push to talk").click();
    await page.getByTestId("talk").click();
    await stateIs(page, "waiting");
    expect(edge.microphoneFrames).toBe(0);
    await page.keyboard.down("Space");
    await expect.poll(() => edge.microphoneFrames).toBeGreaterThan(10);
    await page.keyboard.up("Space");
    await expect.poll(heard).toContain("input_commit");
    const frames = edge.microphoneFrames;
    await page.getByTestId("ptt").hover();
    await page.mouse.down();
    await expect.poll(() => edge.microphoneFrames).toBeGreaterThan(frames);
    await page.mouse.up();
    await expect.poll(() => heard().filter((type) => type === "input_commit")).toHaveLength(2);
    expect(edge.heard[0]).toEqual({
      type: "session_start",
      options: { endpointing: "manual" },
    });
    const turn = ["unmute", "mute", "input_commit"];
    expect(heard()).toEqual(["session_start", "mute", ...turn, ...turn]);
  });

  it("tells the server when it is muted, and sends nothing meanwhile", async () => {
    const { page } = await opened();
    await page.getByTestId("talk").click();
    await stateIs(page, "listening");
    await expect.poll(() => edge.microphoneFrames).toBeGreaterThan(5);
    await page.getByTestId("mute").click();
    await stateIs(page, "muted");
    await expect.poll(heard).toContain("mute");
    const frames = edge.microphoneFrames;
    await page.getByTestId("mute").click();
    await expect.poll(heard).toEqual(["session_start", "mute", "unmute"]);
    await expect.poll(() => edge.microphoneFrames).toBeGreaterThan(frames);
  });

  it("picks the call up where the listener was when the line was cut", async () => {
    const { page } = await opened();
    await page.getByTestId("talk").click();
    await stateIs(page, "listening");
    edge.send(REPLY);
    edge.state({ state: "speaking" });
    edge.voice(1, 500);
    await expect.poll(async () => (await outputBlocks(page)).at(-1)?.peak).toBeGreaterThan(0.1);
    edge.cut();
    await stateIs(page, "reconnecting");
    await stateIs(page, "listening");
    expect(heard()).toEqual(["session_start", "session_start", "resume"]);
    const resume = edge.heard.find((message) => message.type === "resume");
    expect(resume).toMatchObject({ replyId: "r1" });
    expect(resume?.type === "resume" && resume.positionSamples).toBeGreaterThan(0);
  });

  it("reports playback and answers a clear as empty", async () => {
    const { page } = await opened();
    await page.getByTestId("talk").click();
    await stateIs(page, "listening");
    edge.send(REPLY);
    const voice = edge.voice(1, 500);
    await expect
      .poll(() => edge.heard.filter(({ type }) => type === "playback").length)
      .toBeGreaterThan(4);
    voice.stop();
    edge.send({ type: "clear", epoch: 2 });
    const empty = { type: "playback", epoch: 2, replyId: null, positionSamples: 0, empty: true };
    await expect.poll(() => edge.heard.at(-1)).toEqual(empty);
    const clearedAtMs = await page.evaluate(() => performance.now());
    await waitForSilence(page, clearedAtMs, 200);
  });

  describe("when somebody speaks over a reply", () => {
    async function spokenOver() {
      const { page, complaints } = await opened();
      await page.getByTestId("talk").click();
      await stateIs(page, "listening");
      edge.send(STORY, CAPTION);
      edge.state({ state: "speaking" });
      const voice = edge.voice(1, 400, staircase);
      await page.locator('[data-mark="now"]', { hasText: "window" }).waitFor();
      const buttonAt = await page.getByTestId("talk").boundingBox();
      const pausedAtMs = await page.evaluate(() => performance.now());
      edge.send({ type: "hold", replyId: "r1", pauseSeq: 1 });
      voice.setHeld(true);
      edge.state({ state: "speaking", held: true, userSpeaking: true });
      edge.send(decided("pause", "speech", ""));
      await stateIs(page, "held");
      const silentFromMs = await waitForSilence(page, pausedAtMs, 400);
      return { page, complaints, voice, buttonAt, silentFromMs };
    }
    const now = (page: Page) => page.locator('[data-mark="now"]').allTextContents();
    const cut = (page: Page) => page.locator('[data-mark="cut"]').allTextContents();

    it("holds the voice and the caption where they are, and goes on from there", async () => {
      const { page, complaints, voice, buttonAt, silentFromMs } = await spokenOver();
      const heldAt = await now(page);
      expect(heldAt).toHaveLength(1);
      expect(await page.locator(".state-label").textContent()).toBe("Paused – I heard you");
      expect(await page.locator(".entry-reply .aside").textContent()).toBe("paused: I heard you");
      await waitForSilence(page, silentFromMs + 400, 200);
      expect(await now(page)).toEqual(heldAt);

      const releasedAtMs = await page.evaluate(() => performance.now());
      edge.send({ type: "release", replyId: "r1", resumeSeq: 1 });
      voice.setHeld(false);
      edge.state({ state: "speaking" });
      edge.send(decided("resume", "backchannel", "mm-hm"));
      await stateIs(page, "resumed");
      expect(await page.locator(".state-hint").textContent()).toBe("“mm-hm” means go on.");
      await page.locator('[data-mark="now"]', { hasText: "evening" }).waitFor();
      await stateIs(page, "speaking");

      const blocks = (await outputBlocks(page)).filter(({ peak }) => peak >= AUDIBLE_PEAK);
      const before = blocks.filter(({ receivedAtMs }) => receivedAtMs <= silentFromMs);
      const after = blocks.filter(({ receivedAtMs }) => receivedAtMs > releasedAtMs);
      expect(before.length + after.length, "nothing was heard while held").toBe(blocks.length);
      // The last block before the pause and the first after it are ramps: their neighbours are whole, three or four frames apart.
      const lastStair = stairOf(before.at(-2)?.peak ?? 0);
      const nextStair = stairOf(after[1]?.peak ?? 0);
      expect(nextStair - lastStair).toBeGreaterThanOrEqual(1);
      expect(nextStair - lastStair).toBeLessThanOrEqual(5);
      // Each sample once: the position moves by no more than was played.
      const positions = blocks.map(({ positionSamples }) => positionSamples);
      const steps = positions.slice(1).map((at, index) => at - (positions[index] ?? 0));
      expect(Math.min(...steps)).toBeGreaterThan(0);
      expect(Math.max(...steps)).toBeLessThanOrEqual(BLOCK_SAMPLES_MAX);

      expect(await page.getByTestId("talk").boundingBox(), "nothing jumped").toEqual(buttonAt);
      expect(complaints).toEqual([]);
    });

    it("shows which words were heard when it is stopped, and which were not", async () => {
      const { page, complaints, voice, buttonAt } = await spokenOver();
      edge.send({ type: "transcript", turn: 2, final: false, text: "wait" });
      await page.locator('[data-remark="over"]', { hasText: "you: “wait”" }).waitFor();
      voice.stop();
      edge.send({ type: "clear", epoch: 2 });
      edge.state({ state: "barged-in", userSpeaking: true });
      edge.send(decided("stop", "words", "wait"));
      const heardText = "The lamp by the window";
      edge.send({ ...STORY, text: heardText, done: true, interrupted: true });
      edge.state({ userSpeaking: true });
      await stateIs(page, "interrupted");
      expect(await page.locator(".state-hint").textContent()).toBe("You said “wait”.");
      expect((await cut(page)).join(" ")).toBe("was lit every evening.");
      const heardWords = await page.locator('.entry-reply [data-mark="heard"]').allTextContents();
      expect(heardWords.join(" ")).toBe(heardText);
      const aside = page.locator(".entry-reply .aside");
      expect(await aside.textContent()).toBe("interrupted: you said “wait”");
      expect(await page.getByTestId("user-captions").textContent()).toBe("wait");
      await stateIs(page, "hearing");

      expect(await page.getByTestId("talk").boundingBox(), "nothing jumped").toEqual(buttonAt);

      const decisions = page.getByTestId("decisions");
      await decisions.locator("summary").click();
      const rows = await decisions.locator("li").allTextContents();
      expect(rows).toHaveLength(2);
      expect(rows[0]).toMatch(/Interrupted: you said “wait”.*speech 412 ms · probability 0\.93/);
      expect(await page.getByTestId("talk").isVisible()).toBe(true);
      expect(complaints).toEqual([]);
    });

    it("keeps no trace of a hum but a remark at the reply that went on", async () => {
      const { page, voice } = await spokenOver();
      edge.send({ type: "transcript", turn: 2, final: false, text: "mm-hm" });
      await page.locator('[data-remark="over"]', { hasText: "mm-hm" }).waitFor();
      expect(await page.locator(".entry").count()).toBe(1);
      edge.send({ type: "release", replyId: "r1", resumeSeq: 1 });
      voice.setHeld(false);
      edge.state({ state: "speaking" });
      edge.send(decided("resume", "backchannel", "mm-hm"));
      edge.send({ type: "transcript", turn: 2, final: true, text: "" });
      await page.locator('[data-remark="resume"]').waitFor();
      expect(await page.locator(".entry").count()).toBe(1);
      expect(await page.locator(".entry-reply .aside").textContent()).toBe(
        "went on: “mm-hm” means go on",
      );
      expect(await page.getByTestId("reply-captions").textContent()).toBe(STORY.text);
    });
  });

  it("says that the call moved when it is taken over, and takes it back", async () => {
    const { page } = await opened();
    await page.getByTestId("talk").click();
    await stateIs(page, "listening");
    edge.close(4409);
    await stateIs(page, "trouble");
    expect(await page.getByTestId("error").textContent()).toMatch(/call moved/i);
    await page.getByTestId("retry").click();
    await stateIs(page, "listening");
    await expect.poll(() => edge.microphoneFrames).toBeGreaterThan(10);
  });

  it("says who answers and what it understands", async () => {
    const { page } = await opened();
    await page.getByTestId("talk").click();
    await page.getByTestId("about").waitFor();
    expect(await page.getByTestId("about").textContent()).toBe(
      "Understands English · Answers by llama3.2 · Voice slt",
    );
  });

  it("runs under the edge's own policy without a complaint", async () => {
    const { page, complaints } = await opened();
    await page.getByTestId("talk").click();
    await stateIs(page, "listening");
    edge.voice(1, 20);
    await expect
      .poll(async () => (await outputBlocks(page)).some(({ peak }) => peak > 0.1))
      .toBe(true);
    expect(complaints).toEqual([]);
  });
});

const REPLY = {
  type: "reply",
  replyId: "r1",
  epoch: 1,
  turn: 1,
  text: "A long hum.",
  done: false,
  interrupted: false,
} as const;

const STORY = { ...REPLY, text: "The lamp by the window was lit every evening." } as const;

/** Half a second a word. */
const CAPTION: ServerMessage = {
  type: "caption",
  replyId: "r1",
  epoch: 1,
  utterance: 0,
  words: STORY.text.split(" ").map((text, index) => ({
    text,
    startSample: index * 24_000,
    endSample: index * 24_000 + 20_000,
    measured: true,
  })),
};

function decided(
  decision: "pause" | "resume" | "stop",
  reason: ServerMessageOf<"interruption">["reason"],
  text: string,
): ServerMessage {
  return {
    type: "interruption",
    replyId: "r1",
    epoch: 1,
    decision,
    reason,
    speechMs: 412,
    speechProbability: 0.93,
    echoMatch: 0.08,
    text,
    inputSamples: 200_000,
    decisionMs: 2,
  };
}

/** A block ends with a render quantum of 128 samples. */
const BLOCK_SAMPLES_MAX = 960 + 128;
