/** Holds what is remembered against what was played: texts of replies, captions, the history that a model or a successor sees. Demands, and changes nothing. */
import type { ClientMessageOf, ServerMessageOf } from "@antiphon/protocol";
import type { AnswerRequest, SessionSnapshot } from "../../apps/orchestrator/src/session/ports.ts";
import type { Ear } from "./ear.ts";
import {
  type BookedReply,
  isBeginOf,
  type ReplyBook,
  sentSamples,
  wordsUntil,
} from "./reply-book.ts";
import type { Verdict } from "./verdict.ts";
import { wordsOf } from "./voice-ledger.ts";

export interface HeardWatchOptions {
  verdict: Verdict;
  book: ReplyBook;
  ear: Ear;
  reported: boolean;
  /** Nothing fails in this run. */
  faultless: boolean;
  /** Of the session before this one. */
  history: ReadonlyArray<{ role: string; text: string }>;
  /** A model may be asked before the turn is over: it sees words then that are no turn yet. */
  preemptive: boolean;
  /** How far a listener's reports may be behind, in ms. */
  reportLagMs(): number;
  /** The client's thread stood still a moment ago: its reports are late. */
  clientStalled(): boolean;
  sessionOver(): boolean;
}

export class HeardWatch {
  readonly #options: HeardWatchOptions;
  /** Each turn and reply in the order of the history. */
  readonly #users: string[] = [];
  readonly #assistants: string[] = [];
  /** Of the person's own, which are numbered. */
  #lastWord = 0;
  readonly #understood = new Set<number>();
  #gone = false;
  /** The client's answer to a clear has arrived. */
  readonly #answeredClears = new Set<number>();

  constructor(options: HeardWatchOptions) {
    this.#options = options;
    for (const { role, text } of options.history) {
      if (role === "user") this.#users.push(text);
      else this.#assistants.push(text);
    }
  }

  captioned(message: ServerMessageOf<"caption">): void {
    const reply = this.#options.book.ofId(message.replyId);
    if (reply === undefined) return;
    const words = reply.captions.get(message.utterance) ?? [];
    reply.captions.set(message.utterance, [...words, ...message.words]);
  }

  transcribed({ final, text }: ServerMessageOf<"transcript">): void {
    if (!final || text === "") return;
    this.#users.push(text);
    for (const [, said] of text.matchAll(/\bp(\d+)/gu)) {
      const word = Number(said);
      this.#options.verdict.demand(
        word > this.#lastWord,
        "turns",
        () => `the person's word p${word} comes after p${this.#lastWord}`,
      );
      this.#lastWord = word;
      this.#understood.add(word);
    }
  }

  /** Nothing failed, and all was said that will be: each word is in some turn. */
  allSaid(words: readonly number[]): void {
    const lost = words.filter((word) => !this.#understood.has(word));
    this.#options.verdict.demand(
      lost.length === 0,
      "turns",
      () => `of what the person said, ${lost.map((word) => `p${word}`).join(" ")} is in no turn`,
    );
  }

  /** The session took a typed turn. */
  typed(text: string): void {
    this.#users.push(text);
  }

  /** A report leaves the listener: nobody may claim more than sounded, and a program knows it to the sample. */
  claimed(message: ClientMessageOf<"playback">): void {
    const { verdict, ear, reportLagMs, clientStalled } = this.#options;
    if (message.replyId === null || !ear.trusts(message.epoch)) return;
    const played = ear.played(message.epoch);
    const lag = played - message.positionSamples;
    verdict.demand(
      lag >= 0,
      "history",
      () =>
        `${message.positionSamples} samples of ${message.replyId} are reported, ${played} sounded`,
    );
    verdict.demand(
      lag <= reportLagMs() * 48 || clientStalled(),
      "history",
      () => `the report of ${message.replyId} is ${lag} samples behind`,
    );
  }

  /** A report has reached the server. */
  reported(message: ClientMessageOf<"playback">): void {
    const { book, ear } = this.#options;
    if (message.empty && message.replyId === null) this.#answeredClears.add(message.epoch);
    const reply = book.ofEpoch(message.epoch);
    if (reply === undefined || reply.replyId !== message.replyId || reply.done) return;
    if (message.positionSamples > ear.played(message.epoch)) ear.distrust(message.epoch);
    const known = Math.min(message.positionSamples, sentSamples(reply));
    reply.reportedSamples = Math.max(reply.reportedSamples, known);
  }

  /** `text` is said to have been heard of it. */
  ended(reply: BookedReply, text: string): void {
    const { verdict, reported, sessionOver } = this.#options;
    if (text !== "") this.#assistants.push(text);
    const heard = wordsOf(text);
    const sent = wordsUntil(reply, sentSamples(reply));
    const begun = wordsUntil(reply, Number.POSITIVE_INFINITY);
    const guessed = this.#isGuessed(reply) ? GUESSED_WORDS : 0;
    verdict.demand(
      isBeginOf(heard, begun) && heard.length <= sent.length + guessed,
      "history",
      () =>
        `${reply.replyId} is remembered as ${JSON.stringify(text)}, and ${JSON.stringify(sent.join(" "))} was sent`,
    );
    this.#captions(reply);
    verdict.demand(
      reply.interrupted || sent.length === begun.length,
      "history",
      () => `${reply.replyId} was cut short in mid-utterance, and is not said to be`,
    );
    // Where nobody stopped it, its voice was lost: what there was of it was played to its end.
    const stopped = reply.interrupted && (reply.stoppedMs !== undefined || sessionOver());
    if (!stopped) this.#wholly(reply, heard, sent);
    else if (reported) this.#exactly(reply, heard);
    else if (this.#options.faultless) this.#roughly(reply, heard);
  }

  asked(request: AnswerRequest): void {
    this.#options.verdict.demand(
      request.history.at(-1)?.role === "user",
      "history",
      "a model is asked to answer its own words",
    );
    this.#agrees(request.history, "the model sees", this.#options.preemptive);
  }

  written(snapshot: SessionSnapshot, settled: boolean): void {
    if (this.#gone) this.#fromRecord(snapshot);
    if (settled || this.#gone) this.#agrees(snapshot.history, "the record holds");
  }

  /** The client is lost: what becomes of the last reply is told to the record alone. */
  gone(): void {
    this.#gone = true;
  }

  #fromRecord({ history }: SessionSnapshot): void {
    const reply = this.#options.book.replies.find((each) => !each.done);
    if (reply === undefined) return;
    const of = history.filter((entry) => entry.role === "assistant").map((entry) => entry.text);
    const before = this.#assistants.join(" ");
    reply.done = true;
    reply.interrupted = true;
    this.ended(reply, of.join(" ").slice(before.length).trim());
  }

  /** Played as far as it came: all that was sent is remembered. */
  #wholly(reply: BookedReply, heard: string[], sent: string[]): void {
    this.#options.verdict.demand(
      heard.length === sent.length || this.#isGuessed(reply),
      "history",
      () =>
        `${reply.replyId} came to its end, and of ${sent.length} words ${heard.length} are remembered`,
    );
  }

  /** Stopped: the words up to the last report, and that is what sounded where the listener answered. */
  #exactly(reply: BookedReply, heard: string[]): void {
    const { verdict, ear, reportLagMs, clientStalled } = this.#options;
    const known = wordsUntil(reply, reply.reportedSamples);
    const off = Math.abs(heard.length - known.length);
    verdict.demand(
      off <= (this.#isGuessed(reply) ? GUESSED_WORDS : 0),
      "history",
      () =>
        `${reply.replyId} is remembered as ${JSON.stringify(heard.join(" "))}; up to sample ${reply.reportedSamples} it said ${JSON.stringify(known.join(" "))}`,
    );
    if (!this.#answeredClears.has(reply.epoch + 1) || !ear.trusts(reply.epoch)) return;
    const behind = ear.played(reply.epoch) - reply.reportedSamples;
    verdict.demand(
      behind <= reportLagMs() * 48 || clientStalled(),
      "history",
      () =>
        `${ear.played(reply.epoch)} samples of ${reply.replyId} sounded, ${reply.reportedSamples} count as heard`,
    );
  }

  /** Nobody reports: the paced clock stands for the listener, wrong by what a network and a player are late by. */
  #roughly(reply: BookedReply, heard: string[]): void {
    const { verdict, ear } = this.#options;
    if (!this.#answeredClears.has(reply.epoch + 1) || !ear.trusts(reply.epoch)) return;
    const played = ear.played(reply.epoch);
    const guessed = this.#isGuessed(reply) ? GUESSED_WORDS : 0;
    const least = wordsUntil(reply, played - UNREPORTED_SAMPLES_MAX).length - guessed;
    const most = wordsUntil(reply, played + UNREPORTED_SAMPLES_MAX).length + guessed;
    verdict.demand(
      heard.length >= least && heard.length <= most,
      "history",
      () =>
        `${played} samples of ${reply.replyId} sounded, and ${heard.length} words are remembered: ${least} to ${most} would do`,
    );
  }

  /** Some of it had no timings when it was cut. */
  #isGuessed(reply: BookedReply): boolean {
    return reply.utterances.some(
      ({ number, spoken }) => spoken.words.length > 0 && !reply.captions.has(number),
    );
  }

  #captions(reply: BookedReply): void {
    for (const { number, spoken, startSample } of reply.utterances) {
      const words = reply.captions.get(number);
      if (words === undefined) continue;
      this.#options.verdict.demand(
        words.length === spoken.words.length &&
          words.every((word, index) => {
            const truth = spoken.words[index];
            return (
              truth?.text === word.text && startSample + truth.startSample === word.startSample
            );
          }),
        "history",
        () => `the captions of ${reply.replyId}.${number} are not where its words are`,
      );
    }
  }

  #agrees(
    history: ReadonlyArray<{ role: string; text: string }>,
    who: string,
    tentative = false,
  ): void {
    const { verdict } = this.#options;
    verdict.demand(
      history.every((entry, index) => entry.role !== history[index + 1]?.role),
      "history",
      `${who} two entries of one side in a row`,
    );
    for (const [role, texts] of [
      ["user", this.#users],
      ["assistant", this.#assistants],
    ] as const) {
      const entries = history.filter((entry) => entry.role === role).map((entry) => entry.text);
      const seen = entries.join(" ");
      const said = texts.join(" ");
      verdict.demand(
        seen === said || (tentative && role === "user" && seen.startsWith(said)),
        "history",
        () => `${who} ${JSON.stringify(seen)} of the ${role}'s, not ${JSON.stringify(said)}`,
      );
    }
  }
}

/** A quarter of a second: what a player collects before it begins, a device's block, and a network that wavers by 40 ms. */
const UNREPORTED_SAMPLES_MAX = 12_000;
/** A voice without timings is estimated by its letters. */
const GUESSED_WORDS = 2;
