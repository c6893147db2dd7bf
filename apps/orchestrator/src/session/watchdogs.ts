/** What must not go on for ever in a session: a reply that no longer sounds, a turn that does not end. Pure: is shown how things stand, says what has to end and why, and performs nothing. */
import { AntiphonError } from "@antiphon/protocol";
import { AwakeTime } from "./awake-time.ts";

/** The reply that sounds, as it stands now. */
export interface WatchedReply {
  epoch: number;
  /** PAUSE: nothing is to sound. */
  held: boolean;
  /** Nothing more will be made of it. */
  sourceEnded: boolean;
  /** Made and not yet released. */
  waitingFrames: number;
  releasedSamples: number;
  /** What the client says of its player; undefined where it says nothing of it. */
  player: { positionSamples: number; reportedAtMs: number } | undefined;
}

export interface WatchdogAlarm {
  /** The reply ends as interrupted, with what was heard of it; the turn ends where it stands, with the words that it has. */
  action: "end-reply" | "end-turn";
  /** For operators. */
  counter:
    | "watchdogSilentReply"
    | "watchdogStuckPlayer"
    | "watchdogEndlessSpeech"
    | "watchdogLongTurn";
  /** For the person; undefined where it has been said. */
  error: AntiphonError | undefined;
}

/**
 * Time in which the process stood still does not count. What each alarm asks for is to be done before the next tick. Belongs to one session.
 */
export class Watchdogs {
  readonly #awake = new AwakeTime();
  readonly #reply = new ReplyWatch();
  readonly #turn = new TurnWatch();

  /** The open turn says this so far. */
  heard(text: string): void {
    this.#turn.heard(text);
  }

  /** Every 20 ms. `turnOpen`: something was said, or is being said, in a turn that only silence can end. */
  tick(
    nowMs: number,
    seen: { reply: WatchedReply | undefined; turnOpen: boolean },
  ): WatchdogAlarm[] {
    const sinceMs = this.#awake.tick(nowMs);
    const alarms = [
      this.#reply.tick(nowMs, sinceMs, seen.reply),
      this.#turn.tick(sinceMs, seen.turnOpen),
    ];
    return alarms.filter((alarm) => alarm !== undefined);
  }
}

class ReplyWatch {
  #epoch = -1;
  #releasedSamples = 0;
  #positionSamples = 0;
  #silentMs = 0;
  #stuckMs = 0;

  tick(nowMs: number, sinceMs: number, reply: WatchedReply | undefined): WatchdogAlarm | undefined {
    if (reply === undefined || reply.held || reply.epoch !== this.#epoch) {
      this.#epoch = reply?.epoch ?? -1;
      this.#releasedSamples = reply?.releasedSamples ?? 0;
      this.#positionSamples = reply?.player?.positionSamples ?? 0;
      this.#silentMs = 0;
      this.#stuckMs = 0;
      return undefined;
    }
    this.#listen(sinceMs, reply);
    this.#look(nowMs, sinceMs, reply);
    if (this.#silentMs >= SILENT_REPLY_MS_MAX) return this.#alarm(SILENT_REPLY);
    if (this.#stuckMs >= STUCK_PLAYER_MS_MAX) return this.#alarm(STUCK_PLAYER);
    return undefined;
  }

  /** Is anything released? What is made and not released waits for its time, or for the client. */
  #listen(sinceMs: number, reply: WatchedReply): void {
    const silent = reply.releasedSamples === this.#releasedSamples;
    this.#releasedSamples = reply.releasedSamples;
    const owed = !reply.sourceEnded && reply.waitingFrames === 0;
    this.#silentMs = silent && owed ? this.#silentMs + sinceMs : 0;
  }

  /** Does the player get on? One that says nothing at all is the pacer's business. */
  #look(nowMs: number, sinceMs: number, { player, releasedSamples }: WatchedReply): void {
    const stands = player?.positionSamples === this.#positionSamples;
    this.#positionSamples = player?.positionSamples ?? 0;
    if (player === undefined || !stands || player.positionSamples >= releasedSamples) {
      this.#stuckMs = 0;
    } else if (nowMs - player.reportedAtMs <= REPORT_AGE_MS_MAX) this.#stuckMs += sinceMs;
  }

  #alarm(words: Words): WatchdogAlarm {
    this.#silentMs = 0;
    this.#stuckMs = 0;
    return { action: "end-reply", counter: words.counter, error: errorOf(words) };
  }
}

class TurnWatch {
  #text = "";
  #openMs = 0;
  #wordlessMs = 0;
  #told = false;

  heard(text: string): void {
    if (text === this.#text) return;
    this.#text = text;
    this.#wordlessMs = 0;
  }

  tick(sinceMs: number, open: boolean): WatchdogAlarm | undefined {
    if (!open) {
      this.#reset();
      return undefined;
    }
    this.#openMs += sinceMs;
    this.#wordlessMs += sinceMs;
    if (this.#wordlessMs >= WORDLESS_SPEECH_MS_MAX) {
      this.#reset();
      // Said once a session: a television is not told twice.
      const error = this.#told ? undefined : errorOf(ENDLESS_SPEECH);
      this.#told = true;
      return { action: "end-turn", counter: ENDLESS_SPEECH.counter, error };
    }
    if (this.#openMs < TURN_MS_MAX) return undefined;
    this.#reset();
    return { action: "end-turn", counter: LONG_TURN.counter, error: errorOf(LONG_TURN) };
  }

  #reset(): void {
    this.#text = "";
    this.#openMs = 0;
    this.#wordlessMs = 0;
  }
}

interface Words {
  counter: WatchdogAlarm["counter"];
  code: "deadline_exceeded" | "failed_precondition";
  message: string;
}

function errorOf({ code, message }: Words): AntiphonError {
  return new AntiphonError(code, message);
}

const SILENT_REPLY: Words = {
  counter: "watchdogSilentReply",
  code: "deadline_exceeded",
  message: "The voice stopped in mid-sentence and did not go on.",
};
const STUCK_PLAYER: Words = {
  counter: "watchdogStuckPlayer",
  code: "failed_precondition",
  message: "Your player does not play what it was sent; is its audio output suspended?",
};
const ENDLESS_SPEECH: Words = {
  counter: "watchdogEndlessSpeech",
  code: "deadline_exceeded",
  message: "There is sound in which no new word was understood for 30 s; its end is not awaited.",
};
const LONG_TURN: Words = {
  counter: "watchdogLongTurn",
  code: "deadline_exceeded",
  message: "Two minutes were spoken without a pause; the answer is to what was said so far.",
};

/**
 * A language model may pause for 8 s, and a sentence is made in 4 s by the slowest voice that is worth listening to. Both have deadlines of
 * their own, which say better what went wrong, and go first.
 */
const SILENT_REPLY_MS_MAX = 12_000;
/** Another output device, or the system's own announcement, holds a player for one to three seconds. */
const STUCK_PLAYER_MS_MAX = 5_000;
/** Clients report every 100 ms; after several that are missing nothing is known of the player. */
const REPORT_AGE_MS_MAX = 500;
/** Two segments of 15 s, decoded whole: a recogniser that finds no new word in them will not find one in the next. */
const WORDLESS_SPEECH_MS_MAX = 30_000;
/** A story told in one breath after another is over by then; a voice on the radio never is. */
const TURN_MS_MAX = 120_000;
