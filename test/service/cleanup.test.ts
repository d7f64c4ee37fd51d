import { randomUUID } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as TestServices from "effect/TestServices"
import { rivalWriter } from "../../layers/testing.ts"
import { CurrentUser } from "../../src/service/Api.ts"
import { filesOn } from "../../src/service/Backend.ts"
import { Cleanup } from "../../src/service/Cleanup.ts"
import { ContentStore } from "../../src/service/ContentStore.ts"
import { ConversationFiles } from "../../src/service/ConversationFiles.ts"
import { Deletions } from "../../src/service/Deletions.ts"
import { Sessions } from "../../src/service/Sessions.ts"
import { Settings } from "../../src/service/Settings.ts"
import { sqliteEngine } from "../../src/service/SqliteEngine.ts"
import { StartTimeline } from "../../src/service/StartTimeline.ts"
import { nothingSwept } from "../../src/service/Sweeper.ts"
import { independently, platform, rowsOf, temporaryFolder } from "../support/database.ts"
import { contentsIn, incomingIn, onlySqlite, type SomeSettings, settingsOn } from "../support/service.ts"

/**
 * The service without its server, on the test's clock. `removed` returns each path that was deleted or moved to, when
 * it was.
 */
const cleaning = Effect.fnUntraced(function* (folder: string, settings: SomeSettings = {}) {
  const removed = yield* Queue.unbounded<string>()
  const watched = Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => ({
      ...fs,
      remove: (path: string, options?: FileSystem.RemoveOptions) =>
        Effect.zipLeft(fs.remove(path, options), Queue.offer(removed, path)),
      rename: (from: string, to: string) => Effect.zipLeft(fs.rename(from, to), Queue.offer(removed, to))
    }))
  ).pipe(Layer.provide(platform))
  const context = yield* Layer.build(
    filesOn(sqliteEngine).pipe(
      Layer.provide(sqliteEngine.database),
      Layer.provide(StartTimeline.layer),
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
      as
    )
  return {
    ...files,
    ...Context.get(context, Deletions),
    sessions: Context.get(context, Sessions),
    store,
    as,
    upload,
    removed,
    lastSweep: Context.get(context, Cleanup).lastSweep
  }
})

/** Waits until it is so: this work takes the disk's time, not the test clock's. */
const eventually = Effect.fnUntraced(function* <A, E, R>(look: Effect.Effect<A, E, R>, isSo: (found: A) => boolean) {
  for (;;) {
    const found = yield* look
    if (isSo(found)) return found
    yield* TestServices.provideLive(Effect.sleep("5 millis"))
  }
})

const fileRows = (folder: string) => rowsOf(join(folder, "app.db"), "SELECT file_id FROM conversation_files")

const setDue = (folder: string, at: string) =>
  independently(join(folder, "app.db"), (connection) =>
    connection.prepare("UPDATE file_cleanup_queue SET scheduled_deletion_time = ?").run(at)
  )

describe.skipIf(onlySqlite("is on the disk"))("the cleanup", () => {
  it.scoped("deletes deleted files for good when their retention is over, and not a turn earlier", () =>
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
      assert.deepStrictEqual(yield* contentsIn(folder), [kept.sha256])
      const trail = yield* rowsOf(
        join(folder, "app.db"),
        "SELECT action, actor, details FROM audit_log ORDER BY event_id DESC LIMIT 1"
      )
      assert.deepStrictEqual(trail, [
        { action: "delete", actor: "cleanup", details: '{"permanently":true,"reason":"user_request"}' }
      ])
    })
  )

  it.scoped("deletes nothing that is kept for thousands of years, or for ever", () =>
    Effect.gen(function* () {
      for (const retention of [Duration.days(4_000_000), Duration.infinity]) {
        const folder = yield* temporaryFolder
        const { as, cleanDue, expire, remove, restore, sessions, upload } = yield* cleaning(folder, {
          retention,
          sessionRetention: retention,
          refusalRetention: retention,
          trashRetention: retention
        })
        const deleted = yield* upload("s1", "deleted")
        yield* as(remove(deleted.fileId))
        const expiring = yield* upload("s1", "expiring")
        yield* as(expire(expiring.fileId, new Date(8.64e15)))
        yield* upload("s2", "ending")
        yield* as(sessions.end("s2"))
        assert.isFalse(yield* cleanDue)
        assert.lengthOf(yield* fileRows(folder), 3)
        assert.isNull((yield* as(restore(deleted.fileId))).deletedAt)
      }
    })
  )

  it.scoped("deletes expired files so that they can be restored, and for good only when the retention is over", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { as, details, expire, removed, restore, upload } = yield* cleaning(folder, {
        retention: Duration.minutes(10)
      })
      const kept = yield* upload("s1", "kept")
      const cancelled = yield* upload("s1", "cancelled")
      const expiring = yield* upload("s1", "expiring")
      const changed = yield* as(expire(expiring.fileId, new Date(5 * 60_000)))
      assert.strictEqual(changed.expiresAt, "1970-01-01T00:05:00.000Z")
      yield* as(expire(cancelled.fileId, new Date(5 * 60_000)))
      assert.strictEqual((yield* as(expire(cancelled.fileId, null))).expiresAt, null)
      assert.strictEqual((yield* as(details(kept.fileId))).expiresAt, null)

      // A turn that is under way when the clock is moved does its work at the disk's pace, and the next comes a minute later.
      const deletion = eventually(
        Effect.zipRight(TestClock.adjust("1 minutes"), as(details(expiring.fileId))),
        ({ deletedAt }) => deletedAt !== null
      )
      yield* TestClock.adjust("4 minutes")
      const deleted = yield* deletion
      const retainedUntil = (yield* Clock.currentTimeMillis) + 10 * 60_000
      assert.strictEqual(deleted.expiresAt, new Date(retainedUntil).toISOString())
      const restored = yield* as(restore(expiring.fileId))
      assert.deepStrictEqual([restored.deletedAt, restored.expiresAt], [null, null])
      yield* TestClock.adjust("20 minutes")
      assert.strictEqual((yield* fileRows(folder)).length, 3)

      yield* as(expire(expiring.fileId, new Date((yield* Clock.currentTimeMillis) + 60_000)))
      yield* deletion
      yield* TestClock.adjust("9 minutes")
      assert.strictEqual((yield* fileRows(folder)).length, 3)
      yield* eventually(Effect.zipRight(TestClock.adjust("1 minutes"), fileRows(folder)), (rows) => rows.length === 2)
      assert.include(yield* Queue.take(removed), expiring.sha256)
      assert.sameDeepMembers([...(yield* fileRows(folder))], [{ file_id: kept.fileId }, { file_id: cancelled.fileId }])
    })
  )

  it.scoped("deletes the files of a session that somebody ended, and of no other", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { as, details, expire, removed, restore, sessions, upload } = yield* cleaning(folder, {
        retention: Duration.minutes(10),
        sessionRetention: Duration.minutes(5)
      })
      const goingOn = yield* upload("s1", "going on")
      const over = yield* upload("s2", "over")
      const excepted = yield* upload("s2", "excepted")
      const shared = yield* upload("s2", "shared")
      const reopened = yield* upload("s3", "reopened")
      yield* independently(join(folder, "app.db"), (connection) =>
        connection
          .prepare("INSERT INTO session_file_associations (session_id, file_id) VALUES ('s1', ?)")
          .run(shared.fileId)
      )
      yield* as(expire(excepted.fileId, null))
      const ended = yield* as(sessions.end("s2"))
      assert.deepStrictEqual([ended.owner, ended.expiresAt], ["alice", "1970-01-01T00:05:00.000Z"])
      assert.strictEqual((yield* as(details(over.fileId))).expiresAt, ended.expiresAt)
      assert.strictEqual((yield* Effect.flip(upload("s2", "more")))._tag, "SessionEnded")
      yield* as(sessions.end("s3"))
      yield* as(sessions.reopen("s3"))
      for (const { fileId } of [goingOn, excepted, shared, reopened]) {
        assert.strictEqual((yield* as(details(fileId))).expiresAt, null)
      }

      yield* TestClock.adjust("5 minutes")
      yield* eventually(as(details(over.fileId)), ({ deletedAt }) => deletedAt !== null)
      // If the time of its session is over, it is not deleted again at once.
      yield* as(restore(over.fileId))
      yield* TestClock.adjust("30 minutes")
      for (const { fileId } of [goingOn, over, excepted, shared, reopened]) {
        assert.isNull((yield* as(details(fileId))).deletedAt)
      }
      yield* Queue.takeAll(removed)
    })
  )

  it.scoped("removes the owner of an ended session when its last file is gone", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { as, destroySession, sessions, upload } = yield* cleaning(folder)
      yield* upload("s1", "one")
      yield* as(destroySession("s1"))
      assert.strictEqual((yield* as(sessions.state("s1"))).owner, "alice")
      assert.strictEqual((yield* as(sessions.end("s1"))).owner, null)
      yield* upload("s2", "two")
      yield* as(sessions.end("s2"))
      yield* as(destroySession("s2"))
      const state = yield* as(sessions.state("s2"))
      assert.deepStrictEqual([state.owner, state.endedAt], [null, null])
    })
  )

  it.scoped("deletes what an earlier system queued so that it can be restored first", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { as, details, upload } = yield* cleaning(folder, { retention: Duration.minutes(10) })
      const file = yield* upload("s1", "queued")
      yield* independently(join(folder, "app.db"), (connection) =>
        connection
          .prepare(`INSERT INTO file_cleanup_queue (file_id, session_id, scheduled_deletion_time, cleanup_reason)
            VALUES (?, 's1', '1970-01-01 00:00:00', 'space_limit')`)
          .run(file.fileId)
      )
      yield* TestClock.adjust("1 minutes")
      const deleted = yield* eventually(as(details(file.fileId)), ({ deletedAt }) => deletedAt !== null)
      assert.deepStrictEqual([deleted.deletedAt !== null, deleted.expiresAt], [true, "1970-01-01T00:11:00.000Z"])
    })
  )

  it.scoped("continues until nothing is due, a hundred at a time", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { upload } = yield* cleaning(folder)
      yield* upload("s1", "the same")
      // One content, so one deletion tells that all are done.
      yield* independently(join(folder, "app.db"), (connection) =>
        connection.exec(`
          INSERT INTO conversation_files (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash)
          WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 204)
          SELECT 'file ' || x, session_id, 'a', x, file_path, file_size, file_hash FROM conversation_files, n;
          UPDATE conversation_files SET is_deleted = 1;
          INSERT INTO file_cleanup_queue (file_id, session_id, scheduled_deletion_time)
          SELECT file_id, session_id, '1970-01-01 00:00:00' FROM conversation_files`)
      )
      // A pause after each hundred.
      yield* TestClock.adjust("1 minutes")
      yield* Effect.repeat(
        TestClock.adjust("10 millis").pipe(
          Effect.zipRight(TestServices.provideLive(Effect.sleep("5 millis"))),
          Effect.zipRight(contentsIn(folder))
        ),
        { until: ({ length }) => length === 0 }
      )
      assert.deepStrictEqual(yield* fileRows(folder), [])
      assert.deepStrictEqual(yield* contentsIn(folder), [])
    })
  )

  it.scoped("tries again at its next turn if the database was busy", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { as, remove, removed, upload } = yield* cleaning(folder)
      const file = yield* upload("s1", "due")
      yield* as(remove(file.fileId))
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

describe.skipIf(onlySqlite("is on the disk"))("the sweep", () => {
  it.scoped("moves unwanted contents to the trash at the start and again a day later, and reports missing ones", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const [missing, damaged] = yield* Effect.scoped(
        Effect.gen(function* () {
          const { upload } = yield* cleaning(folder)
          return [yield* upload("s1", "missing"), yield* upload("s1", "damaged")] as const
        })
      )
      const at = (hash: string) => join(folder, "files", hash.slice(0, 2), hash)
      const orphan = (hash: string) => {
        mkdirSync(join(folder, "files", hash.slice(0, 2)), { recursive: true })
        writeFileSync(at(hash), "orphan")
      }
      orphan("ab".repeat(32))
      const [old, young] = [randomUUID(), randomUUID()]
      writeFileSync(join(folder, "files", "incoming", old), "half")
      utimesSync(join(folder, "files", "incoming", old), 0, 0)
      writeFileSync(join(folder, "files", "incoming", young), "half")
      rmSync(at(missing.sha256))
      writeFileSync(at(damaged.sha256), "dam")

      const startedAt = Date.now()
      yield* TestClock.setTime(startedAt)
      const { lastSweep, removed } = yield* cleaning(folder, {
        cleanupInterval: Duration.days(30),
        trashRetention: Duration.days(3)
      })
      assert.deepStrictEqual(yield* contentsIn(folder), [damaged.sha256])
      assert.deepStrictEqual(incomingIn(folder), [young])
      assert.deepStrictEqual(yield* lastSweep, {
        ...nothingSwept,
        putAway: 1,
        abandoned: 1,
        contents: 2,
        missing: [missing.sha256],
        damaged: [damaged.sha256]
      })
      assert.deepStrictEqual(readdirSync(join(folder, "files", "trash")), ["ab".repeat(32)])
      yield* Queue.takeAll(removed)

      orphan("cd".repeat(32))
      yield* TestClock.adjust("1 days")
      assert.include(yield* Queue.take(removed), `trash/${"cd".repeat(32)}`)
      assert.include(yield* Queue.take(removed), young)
      // In the trash for three days, each counted from its own time.
      yield* Effect.repeat(
        Effect.zipRight(TestClock.adjust("1 days"), TestServices.provideLive(Effect.sleep("20 millis"))),
        { until: () => !existsSync(join(folder, "files", "trash", "ab".repeat(32))) }
      )
      assert.isAtLeast(yield* Clock.currentTimeMillis, startedAt + 3 * 86_400_000)
    })
  )
})
