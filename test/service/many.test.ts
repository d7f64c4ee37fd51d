/** Users with many files: their numbers are exact, and what takes long lets others have their turn in between. */
import { assert, describe, it } from "@effect/vitest"
import type Sqlite from "better-sqlite3"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CurrentUser } from "../../src/service/Api.ts"
import { filesOn } from "../../src/service/Backend.ts"
import { CleanupList } from "../../src/service/CleanupList.ts"
import { ConversationFiles } from "../../src/service/ConversationFiles.ts"
import { Deletions } from "../../src/service/Deletions.ts"
import { Discarding } from "../../src/service/Discarding.ts"
import { inTurns, othersTurn, othersTurnIfDue, ownTurn, runInSlices, someInTurns } from "../../src/service/inTurns.ts"
import { SessionList } from "../../src/service/SessionList.ts"
import { Settings } from "../../src/service/Settings.ts"
import { sqliteEngine } from "../../src/service/SqliteEngine.ts"
import { StartTimeline } from "../../src/service/StartTimeline.ts"
import { Sweeper } from "../../src/service/Sweeper.ts"
import { independently, platform, rowsOf, temporaryFolder } from "../support/database.ts"
import { settingsOn } from "../support/service.ts"

/** One session with 9,000 files, 3,000 with one each, and 2,500 of another user that are due earlier. */
const fillBy = (connection: Sqlite.Database) => {
  connection.exec(`
    WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 14499)
    INSERT INTO conversation_files
      (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash, uploaded_at, is_deleted)
    SELECT 'f' || n, CASE WHEN n < 9000 THEN 'large' WHEN n < 12000 THEN 'small' || n ELSE 'bobs' END, 'name ' || n,
      's' || n, 'p', n % 500, 'h' || (n % 500), '2026-01-01 00:00:00', n % 3 = 0 FROM n;
    INSERT INTO session_owners (session_id, owner)
    SELECT session_id, iif(session_id = 'bobs', 'bob', 'alice') FROM session_summaries;
    INSERT INTO file_cleanup_queue (file_id, session_id, scheduled_deletion_time, cleanup_reason)
    SELECT file_id, session_id, strftime('%Y-%m-%d %H:%M:%f', 'now', '+1 day'), 'user_request' FROM conversation_files
    WHERE session_id = 'bobs';
    INSERT INTO file_cleanup_queue (file_id, session_id, scheduled_deletion_time, cleanup_reason)
    SELECT file_id, session_id, strftime('%Y-%m-%d %H:%M:%f', 'now', '+2 days'), 'user_request' FROM conversation_files
    WHERE file_id IN ('f0', 'f3', 'f6');
    INSERT INTO file_cleanup_queue (file_id, session_id, scheduled_deletion_time, cleanup_reason)
    SELECT file_id, session_id, strftime('%Y-%m-%d %H:%M:%f', 'now', '+8 days'), 'user_request' FROM conversation_files
    WHERE file_id IN ('f6', 'f9');
    INSERT INTO file_expiries (file_id, expires_at, set_by)
    VALUES ('f1', strftime('%Y-%m-%d %H:%M:%f', 'now', '+3 days'), 'alice')`)
}

/** The service without its server. */
const many = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const settings = Layer.succeed(Settings, settingsOn(folder))
  const layer = filesOn(sqliteEngine).pipe(
    Layer.provide(sqliteEngine.database),
    Layer.provide(StartTimeline.layer),
    Layer.provide(settings),
    Layer.provide(platform)
  )
  yield* Effect.scoped(Layer.build(layer))
  yield* independently(settingsOn(folder).databaseFile, fillBy)
  const context = yield* Layer.build(layer)
  const as = (name: string) => Effect.provideService(CurrentUser, { name, isAdministrator: name === "root" })
  return { context, as, file: settingsOn(folder).databaseFile }
})

/** How often the event loop turned while something ran. */
const turnsOf = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const counter = { turns: 0, goesOn: true }
      const turn = () => {
        counter.turns += 1
        if (counter.goesOn) setImmediate(turn)
      }
      setImmediate(turn)
      return counter
    }),
    (counter) => Effect.map(work, () => counter.turns),
    (counter) =>
      Effect.sync(() => {
        counter.goesOn = false
      })
  )

describe("a user with many files", () => {
  it.scopedLive("has exact numbers, whatever others have, and long work lets the event loop turn", () =>
    Effect.gen(function* () {
      const { as, context } = yield* many
      const files = Context.get(context, ConversationFiles)
      const sessions = Context.get(context, SessionList)

      const distinct = (500 * 499) / 2
      const alice = yield* as("alice")(files.statistics)
      assert.deepStrictEqual(alice, {
        files: 8000,
        deletedFiles: 4000,
        sessions: 3001,
        bytes: 24 * distinct,
        storedBytes: distinct,
        // One of its files is due later too, and that counts.
        pendingCleanups: 3
      })
      assert.deepInclude(yield* as("bob")(files.statistics), { pendingCleanups: 2500 })
      assert.deepInclude(yield* as("root")(files.statistics), { pendingCleanups: 2503, storedBytes: distinct })

      const several = <A, E, R>(work: Effect.Effect<A, E, R>) =>
        Effect.all(
          Array.from({ length: 5 }, () => work),
          { concurrency: "unbounded" }
        )
      const search = as("alice")(files.search({ limit: 10, name: "nothing" }))
      // Ten looks at a thousand files each.
      assert.isAtLeast(yield* turnsOf(several(search)), 50)
      const listed = as("alice")(sessions.page({ limit: 10, name: "nothing" }))
      // Seven looks at five hundred sessions each.
      assert.isAtLeast(yield* turnsOf(several(listed)), 35)
      assert.isAtLeast(yield* turnsOf(several(as("alice")(files.statistics))), 5 * 15)
      // A hundred are looked at under each lock, and others may have it in between.
      const hashes = Array.from({ length: 1000 }, (_, n) => `h${n}`)
      const { forUnwanted } = Context.get(context, Discarding)
      assert.isAtLeast(yield* turnsOf(forUnwanted(hashes, () => Effect.void)), 10)
      const { sweep } = Context.get(context, Sweeper)
      assert.isAtLeast(yield* turnsOf(sweep), 15)
    })
  )
})

describe("a session that has ended, with thousands of files that are not deleted with it", () => {
  it.scopedLive("is looked at in steps, by lists and by the cleanup, which reach what is behind it", () =>
    Effect.gen(function* () {
      const { as, context, file } = yield* many
      const { page } = Context.get(context, CleanupList)
      const { cleanDue } = Context.get(context, Deletions)
      yield* independently(file, (connection) => {
        connection.exec(`
          DELETE FROM file_expiries;
          DELETE FROM file_cleanup_queue;
          INSERT INTO file_expiries (file_id) SELECT file_id FROM conversation_files
          WHERE session_id = 'large' AND is_deleted = 0;
          INSERT INTO ended_sessions (session_id, ended_at, expires_at)
          VALUES ('large', '2026-01-01', '2026-01-02 00:00:00'), ('small9001', '2026-01-01', '2026-01-03 00:00:00')`)
      })
      const first = yield* as("alice")(page({ limit: 50 }))
      assert.deepStrictEqual(first.cleanups, [])
      const second = yield* as("alice")(page({ limit: 50, after: first.next ?? "" }))
      assert.deepStrictEqual(
        second.cleanups.map(({ fileId, reason }) => [fileId, reason]),
        [["f9001", "session_ended"]]
      )
      assert.isNull(second.next)
      let steps = 1
      while (yield* cleanDue) steps += 1
      assert.isAtLeast(steps, 2)
      const deleted = yield* rowsOf(file, "SELECT is_deleted FROM conversation_files WHERE file_id = 'f9001'")
      assert.deepStrictEqual(deleted, [{ is_deleted: 1 }])
    })
  )
})

describe("those who wait for the turn of others", () => {
  it.live("go on one by one, each in a turn of its own, the first to come first", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      const turns = yield* turnsOf(
        Effect.forEach(
          [1, 2, 3, 4],
          (n) =>
            Effect.zipRight(
              othersTurn,
              Effect.sync(() => seen.push(n))
            ),
          {
            concurrency: "unbounded"
          }
        )
      )
      assert.deepStrictEqual(seen, [1, 2, 3, 4])
      assert.isAtLeast(turns, 4)
    })
  )

  it.live("come in time, although each piece of work in one turn is short", () =>
    Effect.gen(function* () {
      let millis = 0
      const clock = Object.assign(Clock.make(), { unsafeCurrentTimeNanos: () => BigInt(millis) * 1_000_000n })
      const twoMillis = function* () {
        millis += 2
        yield undefined
      }
      const work = Effect.zipRight(
        othersTurnIfDue,
        Effect.suspend(() => runInSlices(twoMillis()))
      )
      yield* othersTurn
      const few = yield* turnsOf(Effect.withClock(Effect.repeatN(work, 1), clock))
      yield* othersTurn
      const many = yield* turnsOf(Effect.withClock(Effect.repeatN(work, 11), clock))
      assert.deepStrictEqual([few, many], [0, 4])
      // Whole items, such as files that are deleted: some take much longer than others.
      const item = Effect.sync(() => {
        millis += 4
      })
      for (const each of [inTurns, someInTurns]) {
        yield* othersTurn
        const turns = yield* turnsOf(
          Effect.withClock(
            each([1, 2, 3, 4, 5, 6], () => item),
            clock
          )
        )
        assert.strictEqual(turns, 3)
      }
    })
  )

  it.live("do not wait for one who went away", () =>
    Effect.gen(function* () {
      const won = yield* Effect.raceFirst(Effect.as(othersTurn, "waited"), Effect.succeed("went away"))
      assert.strictEqual(won, "went away")
      yield* othersTurn
    })
  )

  it.live("begin at once where nobody else does", () =>
    Effect.gen(function* () {
      yield* othersTurn
      assert.strictEqual(yield* turnsOf(ownTurn), 0)
      assert.isAtLeast(yield* turnsOf(Effect.zipRight(ownTurn, ownTurn)), 1)
    })
  )
})
