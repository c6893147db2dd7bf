/** Recorded people talk to the whole system through the CLI, and what comes back is listened to. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CliEvent, eventsOf, runCli } from "../support/cli.ts";
import {
  type Recording,
  recordingPath,
  recordings,
  recordingsMissing,
} from "../support/recordings.ts";
import { type Stack, startStack } from "../support/stack.ts";
import { foldWords, wordErrorRate } from "../support/word-error-rate.ts";

const clips = recordings().filter((clip) => clip.scored === true);

describe.skipIf(recordingsMissing)("people on recordings", () => {
  let stack: Stack;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "antiphon-talk-"));
    stack = await startStack();
  });
  afterAll(async () => {
    await stack?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function talk(
    clip: Recording,
    ...flags: string[]
  ): Promise<{ events: CliEvent[]; heard: string }> {
    const out = join(folder, `${flags.length}-${clip.file}`);
    const talked = await runCli(
      [
        "talk",
        "--in",
        recordingPath(clip.file),
        "--out",
        out,
        "--json",
        "--url",
        stack.url,
        ...flags,
      ],
      180_000,
    );
    expect(talked.code, `talk ${clip.file}: ${talked.stderr}`).toBe(0);
    const listened = await runCli(["transcribe", out, "--url", stack.url]);
    expect(listened.code, `transcribe the answer to ${clip.file}: ${listened.stderr}`).toBe(0);
    return { events: eventsOf(talked.stdout), heard: listened.stdout.trim() };
  }

  it("with one turn each are understood, and the answer that sounds is the answer that was given", async () => {
    const understood = { errors: 0, words: 0 };
    const spoken = { errors: 0, words: 0 };
    await twoAtATime(clips, async (clip) => {
      const { events, heard } = await talk(clip, "--one-turn");
      const said = finals(events).join(" ");
      const replies = events.filter((event) => event.type === "reply");
      expect(replies, clip.file).toHaveLength(1);
      expect(replies[0]?.interrupted, clip.file).toBe(false);
      console.log(`${clip.file}: "${said}" → "${heard}"`);
      const own = add(understood, wordErrorRate(clip.transcript ?? "", said));
      add(spoken, wordErrorRate(replies[0]?.text ?? "", heard));
      expect(own.errors / own.words, `${clip.file}: ${said}`).toBeLessThanOrEqual(0.25);
      expect(
        events.some((event) => (event.firstAudioLatencyMs ?? 0) > 0),
        clip.file,
      ).toBe(true);
    });
    console.log(
      `understood: word error rate ${rate(understood)}; answers as heard: ${rate(spoken)}`,
    );
    expect(understood.errors / understood.words).toBeLessThanOrEqual(0.1);
    expect(spoken.errors / spoken.words).toBeLessThanOrEqual(0.15);
  }, 400_000);

  it("who pause and go on lose no reply: each turn has its own, the last is heard to its end", async () => {
    const endings = { errors: 0, words: 0 };
    await twoAtATime(clips, async (clip) => {
      const { events, heard } = await talk(clip);
      const replies = events.filter((event) => event.type === "reply");
      const turns = finals(events);
      expect(turns.length, clip.file).toBeGreaterThan(0);
      expect(replies.length, clip.file).toBeGreaterThanOrEqual(turns.length);
      const last = replies.at(-1);
      expect(last?.interrupted, clip.file).toBe(false);
      expect(last?.text, clip.file).toContain(turns.at(-1));
      // Nothing is cut at either end: what was heard is all that was played, interrupted replies included.
      const played = replies.map((reply) => reply.text ?? "").join(" ");
      const { errors, words } = wordErrorRate(played, heard);
      expect(
        errors / words,
        `${clip.file}: played "${played}", heard "${heard}"`,
      ).toBeLessThanOrEqual(0.35);
      // The last reply was heard whole: as many words at the end of what was heard are its words.
      const lastText = last?.text ?? "";
      const ending = foldWords(heard).slice(-foldWords(lastText).length).join(" ");
      const end = add(endings, wordErrorRate(lastText, ending));
      expect(
        end.errors / end.words,
        `${clip.file}: "${lastText}" as "${ending}"`,
      ).toBeLessThanOrEqual(0.5);
    });
    // A cut end loses words in each clip; one word misheard as three counts five times in one of them.
    expect(endings.errors / endings.words).toBeLessThanOrEqual(0.2);
  }, 400_000);
});

/** Two callers at once: the system is there for many, and the clips take as long as they take. */
async function twoAtATime<T>(all: readonly T[], each: (one: T) => Promise<void>): Promise<void> {
  const left = [...all];
  const caller = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await each(next);
  };
  await Promise.all([caller(), caller()]);
}

function finals(events: readonly CliEvent[]): string[] {
  return events
    .filter((event) => event.type === "transcript" && event.final === true)
    .map((event) => event.text ?? "");
}

function add(
  sum: { errors: number; words: number },
  each: { errors: number; words: number },
): { errors: number; words: number } {
  sum.errors += each.errors;
  sum.words += each.words;
  return each;
}

function rate({ errors, words }: { errors: number; words: number }): string {
  return `${(errors / words).toFixed(3)} (${errors} of ${words})`;
}
