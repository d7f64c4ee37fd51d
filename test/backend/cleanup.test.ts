import { mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { DatabaseReady, Initialization, MigrationSource } from "../../layers/index.ts"
import { rivalWriter } from "../../layers/testing.ts"
import { CurrentUser } from "../../src/backend/Api.ts"
import { AuditTrail } from "../../src/backend/AuditTrail.ts"
import { databaseConfig } from "../../src/backend/Backend.ts"
import { Cleanup } from "../../src/backend/Cleanup.ts"
import { ContentStore } from "../../src/backend/ContentStore.ts"
import { ConversationFiles } from "../../src/backend/ConversationFiles.ts"
import { Settings } from "../../src/backend/Settings.ts"
import * as conversationFiles from "../../src/conversationFiles.ts"
import { independently, platform, rowsOf, temporaryFolder } from "../support/database.ts"
import { contentsIn, incomingIn, type SomeSettings, settingsOn } from "../support/service.ts"

/** The service without its server, on the test's clock; `removed` gives each path that was removed, when it was. */
const cleaning = Effect.fnUntraced(function* (folder: string, settings: SomeSettings = {}) {
  const removed = yield* Queue.unbounded<string>()
  const watched = Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => ({
      ...fs,
      remove: (path: string, options?: FileSystem.RemoveOptions) =>
        Effect.zipLeft(fs.remove(path, options), Queue.offer(removed, path))
    }))
  ).pipe(Layer.provide(platform))
  const context = yield* Layer.build(
    Cleanup.layer.pipe(
      Layer.provideMerge(ConversationFiles.layer),
      Layer.provideMerge(AuditTrail.layer),
      Layer.provideMerge(ContentStore.layer),
      Layer.provide(DatabaseReady.pipeline),
      Layer.provide(MigrationSource.layer(conversationFiles.migrations)),
      Layer.provide(Layer.provideMerge(Initialization.layer, databaseConfig)),
      Layer.provide(Layer.succeed(Settings, settingsOn(folder, { cleanupInterval: Duration.minutes(1), ...settings }))),
      Layer.provide(Layer.mergeAll(platform, watched))
    )
  )
  const files = Context.get(context, ConversationFiles)
  const store = Context.get(context, ContentStore)
  const as = Effect.provideService(CurrentUser, { name: "alice", isAdministrator: false })
  const upload = (sessionId: string, content: string) =>
    store.receive(Stream.make(new TextEncoder().encode(content))).pipe(
      Effect.flatMap((received) =>
        files.add(sessionId, { received, name: "a.txt", mimeType: "text/plain", messageId: undefined, metadata: {} })
      ),
      Effect.scoped,
      // Of what arrived, which was kept by then.
      Effect.zipLeft(Queue.take(removed)),
      as
    )
  return { ...files, as, upload, removed, lastSweep: Context.get(context, Cleanup).lastSweep }
})

const fileRows = (folder: string) => rowsOf(join(folder, "app.db"), "SELECT file_id FROM conversation_files")

const setDue = (folder: string, at: string) =>
  independently(join(folder, "app.db"), (connection) =>
    connection.prepare("UPDATE file_cleanup_queue SET scheduled_deletion_time = ?").run(at)
  )

describe("the cleanup", () => {
  it.scoped("deletes for good what was deleted as long ago as it could be restored, and not a turn before", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { as, remove, removed, upload } = yield* cleaning(folder, { retention: Duration.minutes(10) })
      const kept = yield* upload("s1", "kept")
      const deleted = yield* upload("s1", "deleted")
      yield* as(remove(deleted.fileId))
      yield* TestClock.adjust("9 minutes")
      assert.strictEqual((yield* fileRows(folder)).length, 2)
      yield* TestClock.adjust("1 minutes")
      assert.include(yield* Queue.take(removed), deleted.sha256)
      assert.deepStrictEqual(yield* fileRows(folder), [{ file_id: kept.fileId }])
      assert.deepStrictEqual(contentsIn(folder), [kept.sha256])
      const trail = yield* rowsOf(
        join(folder, "app.db"),
        "SELECT action, actor, details FROM audit_log ORDER BY event_id DESC LIMIT 1"
      )
      assert.deepStrictEqual(trail, [
        { action: "delete", actor: "cleanup", details: '{"permanently":true,"reason":"user_request"}' }
      ])
    })
  )

  it.scoped("lets go of what was restored, and of what another session uses", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { as, remove, removed, restore, upload } = yield* cleaning(folder, { retention: Duration.minutes(10) })
      const restored = yield* upload("s1", "restored")
      yield* as(remove(restored.fileId))
      yield* as(restore(restored.fileId))
      const shared = yield* upload("s1", "shared")
      const over = yield* upload("s1", "over")
      yield* independently(join(folder, "app.db"), (connection) => {
        connection.exec("UPDATE file_cleanup_queue SET scheduled_deletion_time = '1970-01-01 00:05:00'")
        connection
          .prepare("INSERT INTO session_file_associations (session_id, file_id) VALUES ('s2', ?)")
          .run(shared.fileId)
        connection.prepare("DELETE FROM file_cleanup_queue WHERE file_id = ?").run(restored.fileId)
      })
      yield* TestClock.adjust("5 minutes")
      assert.include(yield* Queue.take(removed), over.sha256)
      assert.sameDeepMembers([...(yield* fileRows(folder))], [{ file_id: restored.fileId }, { file_id: shared.fileId }])
    })
  )

  it.scoped("goes on until nothing is due, a hundred at a time", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { removed, upload } = yield* cleaning(folder)
      yield* upload("s1", "the same")
      // One content, so that one removal tells that all of them are over.
      yield* independently(join(folder, "app.db"), (connection) =>
        connection.exec(`
          INSERT INTO conversation_files (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash)
          WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 204)
          SELECT 'file ' || x, session_id, 'a', x, file_path, file_size, file_hash FROM conversation_files, n;
          INSERT INTO session_file_associations (session_id, file_id)
          SELECT session_id, file_id FROM conversation_files WHERE file_id LIKE 'file %'`)
      )
      yield* setDue(folder, "1970-01-01 00:00:00")
      yield* TestClock.adjust("1 minutes")
      yield* Queue.take(removed)
      assert.deepStrictEqual(yield* fileRows(folder), [])
      assert.deepStrictEqual(contentsIn(folder), [])
    })
  )

  it.scoped("tries again at its next turn where the database was busy", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { removed, upload } = yield* cleaning(folder)
      const file = yield* upload("s1", "due")
      yield* setDue(folder, "1970-01-01 00:00:00")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* rivalWriter(join(folder, "app.db"))
          yield* TestClock.adjust("90 seconds")
          assert.strictEqual((yield* fileRows(folder)).length, 1)
        })
      )
      yield* TestClock.adjust("2 minutes")
      assert.include(yield* Queue.take(removed), file.sha256)
    })
  )
})

describe("the sweep", () => {
  it.scoped(
    "discards at the start what no row wants and what never became a content, tells what is missing, and again a day later",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const missing = yield* Effect.scoped(
          Effect.gen(function* () {
            const { upload } = yield* cleaning(folder)
            return yield* upload("s1", "missing")
          })
        )
        const orphan = (hash: string) => {
          mkdirSync(join(folder, "files", hash.slice(0, 2)), { recursive: true })
          writeFileSync(join(folder, "files", hash.slice(0, 2), hash), "orphan")
        }
        orphan("ab".repeat(32))
        writeFileSync(join(folder, "files", "incoming", "old"), "half")
        utimesSync(join(folder, "files", "incoming", "old"), 0, 0)
        writeFileSync(join(folder, "files", "incoming", "young"), "half")
        const path = join(folder, "files", missing.sha256.slice(0, 2), missing.sha256)
        rmSync(path)

        yield* TestClock.setTime(Date.now())
        const { lastSweep, removed } = yield* cleaning(folder, { cleanupInterval: Duration.days(30) })
        assert.deepStrictEqual(contentsIn(folder), [])
        assert.deepStrictEqual(incomingIn(folder), ["young"])
        assert.deepStrictEqual(yield* lastSweep, { discarded: 1, missing: [missing.sha256] })
        yield* Queue.takeAll(removed)

        orphan("cd".repeat(32))
        yield* TestClock.adjust("1 days")
        assert.include(yield* Queue.take(removed), "young")
        assert.include(yield* Queue.take(removed), "cd".repeat(32))
      })
  )
})
