/** One session in its object's SQLite: the row, resume tokens, spent tickets, the record. Owns the SQL; decides nothing about calls. */
import { RESUME_TOKEN_GRACE_MS } from "@antiphon/protocol";
import type { SessionRecord } from "@antiphon/protocol/record";

/** `new`: no client yet. `ended`: kept for a while to be read. */
export type StoredState = "new" | "connected" | "disconnected" | "ended";

export interface SessionRow {
  owner: string;
  state: StoredState;
  createdAtMs: number;
  /** What `state` says ends here. */
  expiresAtMs: number;
  leaseEpoch: number;
}

/**
 * The tables exist from `create` to `erase`; before and after, `load` says undefined and nothing else may be called.
 * All calls are synchronous, so each is atomic: an object runs one at a time.
 */
export class SessionStore {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  #present: boolean;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#present = this.#exists("schema");
    if (this.#present) this.#migrate();
  }

  load(): SessionRow | undefined {
    if (!this.#present) return undefined;
    const [row] = this.#sql
      .exec<Record<keyof SessionRow, string | number>>(
        `SELECT owner, state, created_at_ms AS createdAtMs, expires_at_ms AS expiresAtMs,
                lease_epoch AS leaseEpoch FROM session`,
      )
      .toArray();
    return row as SessionRow | undefined;
  }

  create(session: { owner: string; resumeHash: string; nowMs: number; expiresAtMs: number }): void {
    this.#sql.exec("CREATE TABLE schema (version INTEGER NOT NULL)");
    this.#sql.exec("INSERT INTO schema (version) VALUES (0)");
    this.#migrate();
    this.#sql.exec(
      `INSERT INTO session (id, owner, state, created_at_ms, expires_at_ms, lease_epoch)
       VALUES (1, ?, 'new', ?, ?, 0)`,
      session.owner,
      session.nowMs,
      session.expiresAtMs,
    );
    this.#sql.exec("INSERT INTO resume_token (hash) VALUES (?)", session.resumeHash);
    this.#present = true;
  }

  setState(state: StoredState, expiresAtMs: number): void {
    this.#sql.exec("UPDATE session SET state = ?, expires_at_ms = ?", state, expiresAtMs);
  }

  /** Grants the session anew: whoever holds an older epoch is fenced off. */
  nextLeaseEpoch(): number {
    return this.#sql
      .exec<{ epoch: number }>(
        `UPDATE session SET epoch_counter = epoch_counter + 1, lease_epoch = epoch_counter + 1
         RETURNING lease_epoch AS epoch`,
      )
      .one().epoch;
  }

  /** Hashes of the tokens taken now: the newest, and those it replaced less than the grace ago. */
  resumeHashes(nowMs: number): string[] {
    return this.#sql
      .exec<{ hash: string }>(
        "SELECT hash FROM resume_token WHERE until_ms IS NULL OR until_ms > ?",
        nowMs,
      )
      .toArray()
      .map((row) => row.hash);
  }

  /** The others are taken for the grace, no longer: an answer lost on its way must not lock its client out. */
  addResumeHash(hash: string, nowMs: number): void {
    this.#sql.exec("DELETE FROM resume_token WHERE until_ms <= ?", nowMs);
    this.#sql.exec(
      "UPDATE resume_token SET until_ms = ? WHERE until_ms IS NULL",
      nowMs + RESUME_TOKEN_GRACE_MS,
    );
    this.#sql.exec("INSERT INTO resume_token (hash) VALUES (?)", hash);
    this.#sql.exec(
      "DELETE FROM resume_token WHERE rowid NOT IN (SELECT rowid FROM resume_token ORDER BY rowid DESC LIMIT ?)",
      RESUME_TOKENS_MAX,
    );
  }

  /** False: it was spent before. */
  spendTicket(ticketId: string, expiresAtMs: number, nowMs: number): boolean {
    this.#sql.exec("DELETE FROM spent_ticket WHERE expires_at_ms <= ?", nowMs);
    return (
      this.#sql.exec(
        "INSERT OR IGNORE INTO spent_ticket (id, expires_at_ms) VALUES (?, ?)",
        ticketId,
        expiresAtMs,
      ).rowsWritten > 0
    );
  }

  /** `json` is the record's own. Older epochs and versions are `stale`, and so is an epoch that was never granted. */
  putRecord(record: SessionRecord, json: string): "stored" | "repeated" | "stale" {
    const granted = this.load()?.leaseEpoch ?? 0;
    const [stored] = this.#sql
      .exec<{ epoch: number; version: number }>("SELECT lease_epoch AS epoch, version FROM record")
      .toArray();
    if (record.leaseEpoch !== granted) return "stale";
    if (stored?.epoch === record.leaseEpoch) {
      if (record.version === stored.version) return "repeated";
      if (record.version < stored.version) return "stale";
    }
    this.#sql.exec(
      `INSERT INTO record (id, lease_epoch, version, json) VALUES (1, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET
         lease_epoch = excluded.lease_epoch, version = excluded.version, json = excluded.json`,
      record.leaseEpoch,
      record.version,
      json,
    );
    return "stored";
  }

  recordJson(): string | null {
    const [row] = this.#sql.exec<{ json: string }>("SELECT json FROM record").toArray();
    return row?.json ?? null;
  }

  /** Leaves nothing behind, the alarm included. */
  async erase(): Promise<void> {
    this.#present = false;
    await this.#storage.deleteAlarm();
    await this.#storage.deleteAll();
  }

  #exists(table: string): boolean {
    const found = this.#sql.exec(
      "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?",
      table,
    );
    return found.toArray().length > 0;
  }

  #migrate(): void {
    const { version } = this.#sql.exec<{ version: number }>("SELECT version FROM schema").one();
    for (const statements of MIGRATIONS.slice(version)) {
      for (const statement of statements) this.#sql.exec(statement);
    }
    if (version < MIGRATIONS.length) {
      this.#sql.exec("UPDATE schema SET version = ?", MIGRATIONS.length);
    }
  }
}

/** A client that repeats itself within the grace adds one row each time; the oldest go first. */
const RESUME_TOKENS_MAX = 8;

/** Step n brings version n to n + 1. Append only: objects of every age are out there. */
const MIGRATIONS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE session (
       id INTEGER PRIMARY KEY CHECK (id = 1),
       owner TEXT NOT NULL,
       state TEXT NOT NULL,
       created_at_ms INTEGER NOT NULL,
       expires_at_ms INTEGER NOT NULL,
       lease_epoch INTEGER NOT NULL
     )`,
    `CREATE TABLE resume_token (hash TEXT NOT NULL UNIQUE, until_ms INTEGER)`,
    `CREATE TABLE spent_ticket (id TEXT PRIMARY KEY, expires_at_ms INTEGER NOT NULL)`,
    `CREATE TABLE record (
       id INTEGER PRIMARY KEY CHECK (id = 1),
       lease_epoch INTEGER NOT NULL,
       version INTEGER NOT NULL,
       json TEXT NOT NULL
     )`,
  ],
  [
    // No epoch was ever granted or prepared above it; `lease_epoch` is the one that may write and be heard.
    `ALTER TABLE session ADD COLUMN epoch_counter INTEGER NOT NULL DEFAULT 0`,
    `UPDATE session SET epoch_counter = lease_epoch`,
    `ALTER TABLE session ADD COLUMN transport TEXT NOT NULL DEFAULT 'websocket'`,
    `ALTER TABLE session ADD COLUMN room TEXT`,
    // Who holds the session, and to whom it is being handed over.
    `ALTER TABLE session ADD COLUMN orchestrator_id TEXT`,
    `ALTER TABLE session ADD COLUMN orchestrator_url TEXT`,
    `ALTER TABLE session ADD COLUMN pending_epoch INTEGER`,
    `ALTER TABLE session ADD COLUMN pending_orchestrator_id TEXT`,
    `ALTER TABLE session ADD COLUMN pending_url TEXT`,
    // LiveKit tokens that were given out; the participant's sid once one has joined by it.
    `CREATE TABLE mint (identity TEXT PRIMARY KEY, expires_at_ms INTEGER NOT NULL, spent_sid TEXT)`,
  ],
];
