/** The conversation as entries on the screen, and how each message changes them. Pure; what is highlighted when is `spoken-words.ts`. */
import type { Interruption } from "@antiphon/client";
import type { ServerMessageOf } from "@antiphon/protocol";

export type Entry = PersonEntry | ReplyEntry | NoteEntry;

/** A turn of the person's. */
export interface PersonEntry {
  kind: "person";
  id: string;
  /** Of the server's; undefined until it said so of a typed one. */
  turn: number | undefined;
  text: string;
  final: boolean;
  typed: boolean;
}

export interface ReplyEntry {
  kind: "reply";
  id: string;
  turn: number;
  /** All that was written, which is ahead of what is spoken. */
  text: string;
  words: readonly CaptionWord[];
  done: boolean;
  interrupted: boolean;
  /** At the end: the words that were played. */
  heardText: string | undefined;
  /** From the person's last speech to the first sound, where it was measured. */
  answeredInMs: number | undefined;
  /** What the person says over it, until it is known whether that is a turn or "mm-hm". */
  spokenOver: { turn: number; text: string } | undefined;
  /** The newest decision about it. */
  interruption: Interruption | undefined;
}

/** Something said once about the call itself. */
export interface NoteEntry {
  kind: "note";
  id: string;
  text: string;
}

export type CaptionWord = ServerMessageOf<"caption">["words"][number] & { utterance: number };

/** `overReply`: a reply sounds, so what is said may be no turn, and gets no place of its own before that is known. */
export function withTranscript(
  entries: readonly Entry[],
  message: ServerMessageOf<"transcript">,
  overReply: boolean,
): readonly Entry[] {
  const { turn, text, final } = message;
  const known = entries.findLast(
    (entry): entry is PersonEntry =>
      entry.kind === "person" &&
      (entry.turn === turn || (entry.turn === undefined && entry.text === text)),
  );
  if (text.trim() === "") return final ? withoutUnfinishedSpeech(entries) : entries;
  if (known !== undefined) return replaced(entries, known, { ...known, turn, text, final });
  const reply = overReply && !final ? soundingReply(entries) : undefined;
  if (reply !== undefined) {
    return replaced(entries, reply, { ...reply, spokenOver: { turn, text } });
  }
  const id = nextId(entries);
  const entry: PersonEntry = { kind: "person", id, turn, text, final, typed: false };
  return added(entries.map(withoutSpeechOver), entry);
}

/** What was said over a reply is a turn, or may be one: it stands for itself. */
export function withSpeechAsTurn(entries: readonly Entry[]): readonly Entry[] {
  const reply = entries.findLast((entry) => entry.kind === "reply" && entry.spokenOver);
  if (reply?.kind !== "reply" || reply.spokenOver === undefined) return entries;
  const { turn, text } = reply.spokenOver;
  return withTranscript(entries, { type: "transcript", turn, text, final: false }, false);
}

export function withTyped(entries: readonly Entry[], text: string): readonly Entry[] {
  const id = nextId(entries);
  return added(entries, { kind: "person", id, turn: undefined, text, final: true, typed: true });
}

export function withNote(entries: readonly Entry[], text: string): readonly Entry[] {
  return added(entries, { kind: "note", id: nextId(entries), text });
}

export function withReply(
  entries: readonly Entry[],
  message: ServerMessageOf<"reply">,
): readonly Entry[] {
  const { replyId, turn, text, done, interrupted } = message;
  const known = replyOf(entries, replyId);
  const before: ReplyEntry = known ?? {
    kind: "reply",
    id: replyId,
    turn,
    text: "",
    words: [],
    done: false,
    interrupted: false,
    heardText: undefined,
    answeredInMs: undefined,
    spokenOver: undefined,
    interruption: undefined,
  };
  const entry: ReplyEntry = {
    ...before,
    done,
    interrupted,
    // The end says what was heard; what was written stays to be seen, cut or not.
    text: done && before.text !== "" ? before.text : text,
    heardText: done ? text : undefined,
  };
  // Dropped before it sounded: nobody heard of it, so nobody is to read of it.
  const unheard = done && interrupted && text === "" && before.interruption === undefined;
  if (unheard || entry.text.trim() === "") return entries.filter((other) => other !== known);
  return known === undefined ? added(entries, entry) : replaced(entries, known, entry);
}

export function withCaption(
  entries: readonly Entry[],
  message: ServerMessageOf<"caption">,
): readonly Entry[] {
  const reply = replyOf(entries, message.replyId);
  if (reply === undefined) return entries;
  const { utterance } = message;
  const words = [
    ...reply.words.filter((word) => word.utterance !== utterance),
    ...message.words.map((word) => ({ ...word, utterance })),
  ].sort((a, b) => a.utterance - b.utterance || a.startSample - b.startSample);
  return replaced(entries, reply, { ...reply, words });
}

export function withInterruption(
  entries: readonly Entry[],
  interruption: Interruption,
): readonly Entry[] {
  const reply = replyOf(entries, interruption.replyId);
  if (reply === undefined) return entries;
  const decided = replaced(entries, reply, { ...reply, interruption });
  return interruption.decision === "stop" ? withSpeechAsTurn(decided) : decided;
}

export function withReplyLatency(
  entries: readonly Entry[],
  message: ServerMessageOf<"metrics">,
): readonly Entry[] {
  const reply = replyOf(entries, message.replyId);
  if (reply === undefined) return entries;
  return replaced(entries, reply, { ...reply, answeredInMs: message.endOfSpeechToFirstAudioMs });
}

/** What was only half understood when it stopped to matter is not left standing. */
export function withoutUnfinishedSpeech(entries: readonly Entry[]): readonly Entry[] {
  return entries.filter((entry) => entry.kind !== "person" || entry.final).map(withoutSpeechOver);
}

function withoutSpeechOver(entry: Entry): Entry {
  if (entry.kind !== "reply" || entry.spokenOver === undefined) return entry;
  return { ...entry, spokenOver: undefined };
}

/** The one that may be heard now. One that never ended, because its server died, is not the newest for long. */
function soundingReply(entries: readonly Entry[]): ReplyEntry | undefined {
  const newest = entries.findLast((entry) => entry.kind !== "note");
  if (newest?.kind !== "reply" || newest.done) return undefined;
  return newest.interruption?.decision === "stop" ? undefined : newest;
}

function replyOf(entries: readonly Entry[], replyId: string): ReplyEntry | undefined {
  return entries.findLast(
    (entry): entry is ReplyEntry => entry.kind === "reply" && entry.id === replyId,
  );
}

function replaced(entries: readonly Entry[], old: Entry, entry: Entry): readonly Entry[] {
  return entries.map((other) => (other === old ? entry : other));
}

function added(entries: readonly Entry[], entry: Entry): readonly Entry[] {
  return [...entries, entry].slice(-ENTRIES_MAX);
}

/** Reply ids are the server's; ours count on from the newest of ours. */
function nextId(entries: readonly Entry[]): string {
  const last = entries.findLast((entry) => entry.kind !== "reply");
  return `own-${last === undefined ? 0 : Number(last.id.slice("own-".length)) + 1}`;
}

/** An hour of talk; a page left open overnight does not grow for ever. */
const ENTRIES_MAX = 400;
