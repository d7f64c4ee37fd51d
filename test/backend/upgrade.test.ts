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
})
