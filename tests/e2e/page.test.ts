/** The page in a real Chromium: a call against the whole system, and the page's own behaviour against a scripted edge. */
import type { Browser } from "playwright-core";
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
import { ScriptedEdge } from "./scripted-edge.ts";

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
    const stop = edge.voice(1, 500);
    await expect
      .poll(() => edge.heard.filter(({ type }) => type === "playback").length)
      .toBeGreaterThan(4);
    stop();
    edge.send({ type: "clear", epoch: 2 });
    const empty = { type: "playback", epoch: 2, replyId: null, positionSamples: 0, empty: true };
    await expect.poll(() => edge.heard.at(-1)).toEqual(empty);
    const clearedAtMs = await page.evaluate(() => performance.now());
    await waitForSilence(page, clearedAtMs, 200);
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
