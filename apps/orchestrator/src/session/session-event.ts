/** What happens to a session and what it must then do: the vocabulary of `session-state.ts`. No behaviour. */

/** What a reply is made from. */
export type ReplyRequest =
  /** The language model answers the conversation so far. */
  | { kind: "answer" }
  /** These words, no language model. */
  | { kind: "say"; text: string };

export type SessionEvent =
  | { kind: "session-started" }
  /** The person's turn is over, or a program wants something said. */
  | { kind: "reply-requested"; request: ReplyRequest }
  /** The person speaks. */
  | { kind: "speech-started" }
  /** The person may be interrupting: the reply is held until that is known. */
  | { kind: "reply-paused" }
  | { kind: "reply-resumed" }
  /** The person, or their program, wants silence. */
  | { kind: "interrupt-requested" }
  | { kind: "first-frame-released"; epoch: number }
  /** Its last sample was played, it failed, or it had nothing to say. */
  | { kind: "reply-ended"; epoch: number }
  /** The farthest buffer says that nothing older than this epoch is left in it. */
  | { kind: "buffers-empty"; epoch: number }
  | { kind: "barge-in-timed-out"; epoch: number }
  | { kind: "session-ended" };

export type SessionEffect =
  | ReplyEffect
  | { kind: "start-barge-in-timer"; epoch: number }
  | { kind: "tear-down" };

/** What becomes of replies. */
export type ReplyEffect =
  | { kind: "start-reply"; epoch: number; request: ReplyRequest }
  /** PAUSE: nothing more of it is played, nothing is discarded. */
  | { kind: "hold-reply" }
  /** RESUME, at the held sample. */
  | { kind: "release-reply" }
  /** Nothing of it was played: it leaves no trace. */
  | { kind: "drop-reply" }
  /** STOP: nothing older than `epoch` may be played any more, anywhere. */
  | { kind: "stop-reply"; epoch: number }
  /** The stopped reply's buffers are empty, or the reply has come to its end: what was heard of it is settled. */
  | { kind: "settle-reply" };
