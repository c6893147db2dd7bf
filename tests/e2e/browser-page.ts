/** A real Chromium with a microphone that tests speak into. Owns the browser; knows the page's hooks, not its stories. */
import { existsSync, readFileSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const executablePath = [
  process.env["ANTIPHON_CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].find((path) => path !== undefined && existsSync(path));

/** Use with `skipIf`. */
export const chromiumMissing = executablePath === undefined;

if (chromiumMissing) {
  console.warn("SKIPPED: tests of the page need Chromium (set ANTIPHON_CHROMIUM to its path)");
}

export async function launchChromium(flags: string[] = []): Promise<Browser> {
  return await chromium.launch({
    executablePath: executablePath ?? "",
    args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", ...flags],
  });
}

export interface OpenedPage {
  page: Page;
  /** What the browser itself complained of: errors, refusals of the policy. */
  complaints: string[];
}

/** `microphone`: "played" takes what `speak` plays, "refused" says no, "device" is the browser's own. */
export async function openPage(
  browser: Browser,
  url: string,
  options: { microphone: "played" | "refused" | "device" } & BrowserContextOptions,
): Promise<OpenedPage> {
  const { microphone, ...contextOptions } = options;
  const context = await browser.newContext(contextOptions);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  if (microphone === "played") await page.addInitScript(PLAYED_MICROPHONE);
  if (microphone === "refused") await page.addInitScript(REFUSED_MICROPHONE);
  await page.goto(url);
  return { page, complaints };
}

/** Plays a WAV file into the page's microphone. Resolves with its start and length on the page's clock, at once. */
export async function speak(
  page: Page,
  path: string,
): Promise<{ startedAtMs: number; durationMs: number }> {
  const base64 = readFileSync(path).toString("base64");
  return await page.evaluate((clip) => window.speakIntoMicrophone(clip), base64);
}

declare global {
  interface Window {
    speakIntoMicrophone(wavBase64: string): Promise<{ startedAtMs: number; durationMs: number }>;
    readonly antiphonProbe: { blocks(): OutputBlock[] };
  }
}

export interface OutputBlock {
  peak: number;
  positionSamples: number;
  contextTimeMs: number;
  receivedAtMs: number;
}

/** The page's own measurements of its loudspeaker. */
export function outputBlocks(page: Page): Promise<OutputBlock[]> {
  return page.evaluate(() => window.antiphonProbe.blocks());
}

/** The indicator's state, as machines read it. */
export async function stateIs(page: Page, name: string): Promise<void> {
  await page.locator(`[data-testid="state"][data-state="${name}"]`).waitFor({ timeout: 15_000 });
}

/** Waits until, at some time after the given one, nothing was audible for so long. Resolves with when that began. */
export async function waitForSilence(
  page: Page,
  afterMs: number,
  silentMs: number,
): Promise<number> {
  const handle = await page.waitForFunction(
    ({ afterMs, silentMs, audible }) => {
      let since: number | undefined;
      for (const { peak, receivedAtMs } of window.antiphonProbe.blocks()) {
        if (receivedAtMs < afterMs) continue;
        if (peak >= audible) since = undefined;
        else since ??= receivedAtMs;
        if (since !== undefined && receivedAtMs - since >= silentMs) return since;
      }
      return undefined;
    },
    { afterMs, silentMs, audible: AUDIBLE_PEAK },
    { timeout: 10_000 },
  );
  return (await handle.jsonValue()) ?? 0;
}

/** −45 dBFS: from here on people hear something. */
export const AUDIBLE_PEAK = 10 ** (-45 / 20);

/** Silence keeps flowing between clips, as from a real microphone. */
const PLAYED_MICROPHONE = `(() => {
  let context, destination;
  const ready = () => {
    if (context !== undefined) return;
    context = new AudioContext({ sampleRate: 48000 });
    destination = context.createMediaStreamDestination();
    destination.channelCount = 1;
    const silence = context.createConstantSource();
    silence.offset.value = 0;
    silence.connect(destination);
    silence.start();
  };
  navigator.mediaDevices.getUserMedia = async () => {
    ready();
    return destination.stream.clone();
  };
  window.speakIntoMicrophone = async (base64) => {
    ready();
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    const buffer = await context.decodeAudioData(bytes.buffer);
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(destination);
    source.start();
    return { startedAtMs: performance.now(), durationMs: buffer.duration * 1000 };
  };
})()`;

const REFUSED_MICROPHONE = `navigator.mediaDevices.getUserMedia = async () => {
  throw new DOMException("Permission denied", "NotAllowedError");
}`;
