/** The session's tables: databases of every age come up to date, and epochs are granted once. */
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { SessionStore } from "../src/session-store.ts";
import { createSession, stubOf } from "./edge.ts";

/** A session's database as version 1 left it: not to be brought up to date. */
const VERSION_1 = [
  "CREATE TABLE schema (version INTEGER NOT NULL)",
  "INSERT INTO schema (version) VALUES (1)",
  `CREATE TABLE session (
     id INTEGER PRIMARY KEY CHECK (id = 1), owner TEXT NOT NULL, state TEXT NOT NULL,
     created_at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL, lease_epoch INTEGER NOT NULL
   )`,
  "CREATE TABLE resume_token (hash TEXT NOT NULL UNIQUE, until_ms INTEGER)",
  "CREATE TABLE spent_ticket (id TEXT PRIMARY KEY, expires_at_ms INTEGER NOT NULL)",
  `CREATE TABLE record (
     id INTEGER PRIMARY KEY CHECK (id = 1), lease_epoch INTEGER NOT NULL,
     version INTEGER NOT NULL, json TEXT NOT NULL
   )`,
  "INSERT INTO session VALUES (1, 'owner', 'disconnected', 1000, 2000, 7)",
  "INSERT INTO resume_token VALUES ('hash', NULL)",
  `INSERT INTO record VALUES (1, 7, 3, '{"turnNumber":2}')`,
];

const schemaOf = (storage: DurableObjectStorage) => [
  ...storage.sql.exec("SELECT version FROM schema").toArray(),
  ...storage.sql
    .exec(
      `SELECT t.name AS of, c.name, c.type, c."notnull", c.dflt_value
       FROM sqlite_master t JOIN pragma_table_info(t.name) c
       WHERE t.type = 'table' AND t.name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY t.name, c.cid`,
    )
    .toArray(),
];

describe("a session's database of an older version", () => {
  it("is brought up to date when its object wakes, and nothing in it is lost", async () => {
    const { sessionId } = await createSession();
    await runInDurableObject(stubOf(sessionId), async (_, state) => {
      const { storage } = state;
      const newest = schemaOf(storage);
      expect(newest).toContainEqual(expect.objectContaining({ of: "mint", name: "spent_sid" }));
      await storage.deleteAll();
      for (const statement of VERSION_1) storage.sql.exec(statement);
      const store = new SessionStore(storage);
      expect(schemaOf(storage)).toEqual(newest);
      expect(store.load()).toEqual({
        owner: "owner",
        state: "disconnected",
        createdAtMs: 1_000,
        expiresAtMs: 2_000,
        leaseEpoch: 7,
      });
      expect(store.resumeHashes(0)).toEqual(["hash"]);
      expect(store.recordJson()).toBe('{"turnNumber":2}');
      expect(storage.sql.exec("SELECT epoch_counter, transport FROM session").one()).toEqual({
        epoch_counter: 7,
        transport: "websocket",
      });
      expect(store.nextLeaseEpoch()).toBe(8);
    });
  });
});

describe("a lease epoch", () => {
  it("is granted above every one that was ever prepared", async () => {
    const { sessionId } = await createSession();
    await runInDurableObject(stubOf(sessionId), (_, { storage }) => {
      const store = new SessionStore(storage);
      expect(store.nextLeaseEpoch()).toBe(1);
      // A hand-over that was prepared and came to nothing.
      storage.sql.exec("UPDATE session SET epoch_counter = epoch_counter + 1");
      expect(store.nextLeaseEpoch()).toBe(3);
      expect(store.load()?.leaseEpoch).toBe(3);
    });
  });
});
