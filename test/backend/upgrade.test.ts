import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Migrations } from "../../layers/index.ts"
import { files } from "../../src/conversationFiles.ts"
import { independently, rowsOf, start, startConversationFiles, temporaryFile } from "../support/database.ts"

describe("the upgrade of an earlier system's database", () => {
  it.scoped("gives each session to whoever uploaded first, also where no time was kept", () =>
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

  it.scoped("takes out of the queue what nobody asked for, and queues no upload any more", () =>
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
})
