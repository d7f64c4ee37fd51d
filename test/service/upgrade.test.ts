import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Migrations } from "../../layers/index.ts"
import { files } from "../../src/service/migrations.ts"
import { independently, rowsOf, start, startConversationFiles, temporaryFile } from "../support/database.ts"

describe("the upgrade of an earlier system's database", () => {
  it.scoped("gives each session to the user who uploaded first, even if no time was stored", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const first = "001_create_conversation_files.sql"
      yield* start(file, { migrations: Migrations.fromRecord({ [first]: files[first] }) })
      yield* independently(file, (connection) => {
        const insert = connection.prepare(`INSERT INTO conversation_files
          (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash, uploaded_by, uploaded_at)
          VALUES (?, ?, 'a', ?, 'x', 1, 'none', ?, ?)`)
        insert.run("1", "s", "1", "ben", "2024-01-02 00:00:00")
        insert.run("2", "s", "2", "ada", "2024-01-01 00:00:00")
        insert.run("3", "timeless", "3", "ada", null)
        insert.run("4", "nobodys", "4", null, "2024-01-01 00:00:00")
      })
      yield* startConversationFiles(file)
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT session_id, owner FROM session_owners ORDER BY session_id"), [
        { session_id: "s", owner: "ada" },
        { session_id: "timeless", owner: "ada" }
      ])
    })
  )

  it.scoped("removes from the queue what nobody asked for, and queues no uploads any more", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const known = Object.entries(files).slice(0, 2)
      yield* start(file, { migrations: Migrations.fromRecord(Object.fromEntries(known)) })
      const upload = (id: string) =>
        independently(file, (connection) => {
          connection
            .prepare(`INSERT INTO conversation_files
              (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash)
              VALUES (?, 's', 'a', ?, 'x', 1, 'none')`)
            .run(id, id)
          connection.prepare("INSERT INTO session_file_associations (session_id, file_id) VALUES ('s', ?)").run(id)
        })
      yield* upload("1")
      yield* upload("2")
      yield* independently(file, (connection) =>
        connection.exec(`UPDATE file_cleanup_queue SET is_processed = 1 WHERE file_id = '2';
          INSERT INTO file_cleanup_queue (file_id, session_id, scheduled_deletion_time, cleanup_reason)
          VALUES ('1', 's', '2030-01-01 00:00:00', 'user_request')`)
      )
      yield* startConversationFiles(file)
      yield* upload("3")
      assert.deepStrictEqual(
        yield* rowsOf(file, "SELECT file_id, cleanup_reason, is_processed FROM file_cleanup_queue ORDER BY cleanup_id"),
        [
          { file_id: "2", cleanup_reason: "session_ended", is_processed: 1 },
          { file_id: "1", cleanup_reason: "user_request", is_processed: 0 }
        ]
      )
    })
  )

  for (const versions of [3, 4]) {
    it.scoped(`summarizes the sessions of a database at 00${versions}, and follows an older program`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const known = Migrations.fromRecord(Object.fromEntries(Object.entries(files).slice(0, versions)))
        yield* start(file, { migrations: known })
        yield* independently(file, (connection) => {
          const insert = connection.prepare(`INSERT INTO conversation_files
            (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash, uploaded_at, is_deleted)
            VALUES (?, ?, 'a', ?, 'x', ?, 'none', ?, ?)`)
          insert.run("1", "s", "1", 10, "2024-01-01 00:00:00", 0)
          insert.run("2", "s", "2", 5, "2024-01-03 00:00:00", 0)
          insert.run("3", "s", "3", 1, "2024-01-02 00:00:00", 1)
          insert.run("4", "nobodys", "4", 7, null, 0)
          connection.exec(`INSERT INTO session_owners (session_id, owner) VALUES ('s', 'ada'), ('empty', 'ada');
            INSERT INTO file_cleanup_queue (file_id, session_id, scheduled_deletion_time) VALUES ('3', 's', '2100-01-01');
            INSERT INTO file_expiries (file_id, expires_at) VALUES ('2', '2100-01-01');
            INSERT INTO ended_sessions (session_id, ended_at, expires_at) VALUES ('s', '2024-01-04', '2100-01-01')`)
        })
        yield* startConversationFiles(file)
        const summaries = rowsOf(
          file,
          "SELECT session_id, owner, files, bytes, deleted_files FROM session_summaries ORDER BY session_id"
        )
        assert.deepStrictEqual(yield* summaries, [
          { session_id: "empty", owner: "ada", files: 0, bytes: 0, deleted_files: 0 },
          { session_id: "nobodys", owner: null, files: 1, bytes: 7, deleted_files: 0 },
          { session_id: "s", owner: "ada", files: 2, bytes: 15, deleted_files: 1 }
        ])
        assert.deepStrictEqual(yield* rowsOf(file, "SELECT changed_at FROM session_summaries WHERE session_id = 's'"), [
          { changed_at: "2024-01-03 00:00:00" }
        ])
        const owners = rowsOf(
          file,
          `SELECT 'queue' AS of, file_id AS id, owner FROM file_cleanup_queue WHERE is_processed = 0
            UNION ALL SELECT 'expiry', file_id, owner FROM file_expiries
            UNION ALL SELECT 'end', session_id, owner FROM ended_sessions`
        )
        assert.deepStrictEqual(yield* owners, [
          { of: "queue", id: "3", owner: "ada" },
          { of: "expiry", id: "2", owner: "ada" },
          { of: "end", id: "s", owner: "ada" }
        ])

        // The older program starts on it, and writes as always.
        assert.strictEqual((yield* start(file, { migrations: known })).status, "ready")
        yield* independently(file, (connection) =>
          connection.exec(`PRAGMA foreign_keys = ON;
            UPDATE conversation_files SET is_deleted = 1 WHERE file_id = '1';
            UPDATE conversation_files SET is_deleted = 0, deleted_at = NULL WHERE file_id = '3';
            DELETE FROM conversation_files WHERE file_id = '2';
            UPDATE conversation_files SET session_id = 'new' WHERE file_id = '4';
            INSERT INTO session_owners (session_id, owner) VALUES ('new', 'ben');
            INSERT INTO file_expiries (file_id, expires_at) VALUES ('4', '2100-01-01');
            UPDATE session_owners SET owner = 'eve' WHERE session_id = 's';
            DELETE FROM session_owners WHERE session_id = 'empty'`)
        )
        assert.deepStrictEqual(yield* summaries, [
          { session_id: "new", owner: "ben", files: 1, bytes: 7, deleted_files: 0 },
          { session_id: "s", owner: "eve", files: 1, bytes: 1, deleted_files: 1 }
        ])
        assert.deepStrictEqual(yield* owners, [
          { of: "queue", id: "3", owner: "eve" },
          { of: "expiry", id: "4", owner: "ben" },
          { of: "end", id: "s", owner: "eve" }
        ])
        assert.strictEqual((yield* startConversationFiles(file)).status, "ready")
      })
    )
  }
})
