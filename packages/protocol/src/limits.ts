/** Every size, rate and deadline that two processes must agree on. Owns numbers, no behaviour. */

/** Version of the session socket protocol; the subprotocol is `antiphon.v1`. */
export const PROTOCOL_VERSION = 1;
export const SOCKET_SUBPROTOCOL = "antiphon.v1";
/** A ticket travels as a second offered subprotocol with this prefix; it is never echoed. */
export const TICKET_SUBPROTOCOL_PREFIX = "ticket.";

/** Audio between any two of our processes: 48 kHz, mono, signed 16-bit little-endian, 20 ms a frame. */
export const SAMPLE_RATE_HZ = 48_000;
export const FRAME_MS = 20;
export const FRAME_SAMPLES = (SAMPLE_RATE_HZ * FRAME_MS) / 1000;
export const FRAME_BYTES = FRAME_SAMPLES * 2;

/** One text a person or program sends (`text`, `say`, a synthesis chunk), in UTF-8 bytes. */
export const TEXT_BYTES_MAX = 8 * 1024;
/** Instructions are written by the operator's program, not spoken: they may be longer than a turn. */
export const INSTRUCTIONS_BYTES_MAX = 32 * 1024;
/** One WebSocket message. A second of our PCM is 96 kB: nothing honest comes near. */
export const SOCKET_MESSAGE_BYTES_MAX = 64 * 1024;
/** One RPC message, after decompression. connect-es would allow 4 GiB. */
export const RPC_MESSAGE_BYTES_MAX = 256 * 1024;
/**
 * One session record as JSON: the longest history that is kept (120,000 characters, three bytes each at worst), instructions (twice:
 * as they hold, and among the client's own options), the reply under way, punctuation. A lease carries it, so an orchestrator's socket takes as much and 1 KiB more; the object's row would hold 2 MB.
 */
export const RECORD_BYTES_MAX = 512 * 1024;
/** Session, utterance, segment and worker ids. */
export const ID_BYTES_MAX = 128;

/** A ticket opens one socket, once, and only soon after it was asked for. */
export const TICKET_TTL_SECONDS = 30;
/** How long the resume token before the newest is still taken: covers an answer lost on its way. */
export const RESUME_TOKEN_GRACE_MS = 30_000;

/** Audio sent ahead of playout: all that can still be heard after a STOP that never arrives. */
export const LEAD_MS = 200;
/** Beyond the lead, how much unacknowledged audio may be on its way: two playback reports and a slow network. */
export const CREDIT_EXTRA_MS = 300;
/** Clients that report playback do so this often. */
export const PLAYBACK_REPORT_INTERVAL_MS = 100;
/** No report for this long while audio is unacknowledged: nothing more is sent. */
export const CREDIT_HOLD_MS = 2_000;
/** No report for this long: the reader is gone, close 4429. */
export const CREDIT_CLOSE_MS = 10_000;

/** The orchestrator acknowledges input this often, counted in audio or in time, whichever is first. */
export const INPUT_ACK_INTERVAL_MS = 1_000;
/** Input not yet taken by the detector; beyond it the oldest audio is dropped, and said. */
export const INPUT_BACKLOG_MS_MAX = 2_000;

/** Audio held in the orchestrator ahead of the pacer. */
export const LOOK_AHEAD_MS = 1_500;

/** A worker says on each open stream that it lives. */
export const PROGRESS_INTERVAL_MS = 100;
/** No frame and no progress for this long: the process is lost (TCP would not tell). */
export const PROGRESS_TIMEOUT_MS = 300;
export const BEAT_INTERVAL_MS = 200;
/** Three beats missed: nothing new goes there. */
export const WORKER_SUSPECT_MS = 600;
export const WORKER_GONE_MS = 3_000;

/** A session record is written at most this often; the newest state wins. */
export const RECORD_INTERVAL_MS_MIN = 500;

/** A holder of a session that has had no beat answered for so long counts as gone: the directory waits as long after its own restart. */
export const LEASE_TTL_MS = 3_000;
/** Orchestrators beat to the directory this often; a stopped process closes no socket, so silence must tell. */
export const DIRECTORY_BEAT_MS = 1_000;
/** Two beats missed and half a second for a busy machine. */
export const DIRECTORY_DEAD_MS = 2_500;
/** An orchestrator whose own loop stood still for longer asks before it speaks on. Less than the death above, so that it asks in time. */
export const LOOP_STALL_MS = 2_000;
/** A drained session waits at most so long for a quiet moment to be handed over in. */
export const HANDOVER_MS_MAX = 15_000;
/** A successor that has an unheard rest waits so long for the client's `resume`: one round trip of a slow network. */
export const RESUME_WAIT_MS = 300;

/** A LiveKit token joins one room, and only soon after it was asked for. */
export const LIVEKIT_TOKEN_TTL_SECONDS = 60;
/** Topic of the data packets that carry the session's messages. */
export const LIVEKIT_TOPIC = "antiphon.v1";
/** LiveKit takes 15 KiB a reliable packet, its own header included; the rest is margin. */
export const LIVEKIT_PACKET_BYTES_MAX = 14 * 1024;
/** Over LiveKit the page says this often how far its ear is behind what was sent. */
export const PLAYOUT_REPORT_INTERVAL_MS = 1_000;
/** Over LiveKit the client is told this often where the reply is: frames do not say it there. */
export const POSITION_INTERVAL_MS = 200;
