/** What a running program learns and may not do once others have changed its database. */
import { renameSync } from "node:fs"
import { dirname } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { DatabaseReady, HistoryError, Migrations, WriteError } from "../layers/index.ts"
import {
  independently,
  notesFiles,
  openConnection,
  pictureOf,
  rivalProcess,
  rowsOf,
  start,
  starting,
  type TestOptions,
  temporaryFile
} from "./support/database.ts"

/** A running program with its own database. */
const serving = Effect.fnUntraced(function* (options: TestOptions = {}) {
  const file = yield* temporaryFile
  const context = yield* Layer.build(starting(file, options))
  const sql = Context.get(context, SqlClient.SqlClient)
  return {
    ...Context.get(context, DatabaseReady),
    file,
    sql,
    insert: sql`INSERT INTO notes (body) VALUES ('mine')`,
    mine: Effect.map(rowsOf(file, "SELECT body FROM notes WHERE body = 'mine'"), ({ length }) => length)
  }
})

/** The next release; `floor` says which older ones may still run. */
const next = (text: string, floor = "") => Migrations.fromRecord({ ...notesFiles, "003_next.sql": `${floor}\n${text}` })

const compatible = "-- database-ready: compatible_from = 002"
const rename = "ALTER TABLE tags RENAME TO labels;"

/** The refusal of a write, as far as it says why. */
const refused = <A, E, R>(write: Effect.Effect<A, E, R>) =>
  Effect.map(
    Effect.flip(write),
    (error): ReadonlyArray<unknown> =>
      error instanceof WriteError ? [error._tag, error.reason, error.retryable] : [error]
  )

describe("once a newer program has made an incompatible upgrade", () => {
  for (const [what, text] of [
    ["changes the schema", rename],
    ["changes rows alone", "UPDATE notes SET body = upper(body) WHERE body = 'first';"]
  ] as const) {
    it.scoped(`a write of an older one is refused and runs nothing, if the upgrade ${what}`, () =>
      Effect.gen(function* () {
        const { file, insert, mine, write } = yield* serving()
        yield* write(insert)
        yield* start(file, { migrations: next(text) })
        const begun = yield* Ref.make(false)
        const error = yield* Effect.flip(write(Effect.zipRight(Ref.set(begun, true), insert)))
        assert.instanceOf(error, SqlError)
        assert.instanceOf(error, WriteError)
        assert.deepStrictEqual([error._tag, error.reason, error.retryable], ["SqlError", "NewerDatabase", false])
        assert.instanceOf(error.cause, HistoryError)
        assert.include(error.message, "The database is newer than this program: it has 003_next")
        assert.include(error.message, file)
        assert.include(error.message, "Remedy: Start the newer program.")
        assert.isFalse(yield* Ref.get(begun))
        assert.strictEqual(yield* mine, 1)
      })
    )
  }

  it.scoped("it is refused too if versions are timestamps, which the file's header does not keep", () =>
    Effect.gen(function* () {
      const first = { "20260101120000_notes.sql": "CREATE TABLE notes (body TEXT)" }
      const { file, insert, mine, write } = yield* serving({ migrations: Migrations.fromRecord(first) })
      yield* write(insert)
      yield* start(file, {
        migrations: Migrations.fromRecord({ ...first, "20260201120000_more.sql": "INSERT INTO notes VALUES ('more')" })
      })
      assert.deepStrictEqual(yield* refused(write(insert)), ["SqlError", "NewerDatabase", false])
      assert.strictEqual(yield* mine, 1)
    })
  )

  it.scoped("it is refused if there was no history at all", () =>
    Effect.gen(function* () {
      const { file, sql, write } = yield* serving({ migrations: Migrations.fromRecord({}) })
      yield* write(sql`CREATE TABLE own (x)`)
      yield* independently(file, (connection) =>
        connection.exec(
          "CREATE TABLE schema_migrations (migration_id INTEGER PRIMARY KEY, version, description, applied_at, status, execution_time_ms)"
        )
      )
      yield* independently(file, (connection) =>
        connection.exec("INSERT INTO schema_migrations (version, status) VALUES ('001', 'completed')")
      )
      assert.deepStrictEqual(yield* refused(write(sql`INSERT INTO own VALUES (1)`)), [
        "SqlError",
        "NewerDatabase",
        false
      ])
    })
  )

  it.scoped("one that waited for the lock during the upgrade is refused too", () =>
    Effect.gen(function* () {
      const { file, insert, mine, write } = yield* serving()
      yield* write(insert)
      const newer = yield* openConnection(file)
      newer.exec(`BEGIN IMMEDIATE; ${rename}
        INSERT INTO schema_migrations (version, description, name, checksum) VALUES ('003', 'next', 'next', 'x');
        PRAGMA user_version = 3`)
      const waiting = yield* Effect.fork(refused(write(insert)))
      yield* TestClock.adjust("300 millis")
      assert.isTrue((yield* Fiber.poll(waiting))._tag === "None")
      newer.exec("COMMIT")
      yield* TestClock.adjust("200 millis")
      assert.deepStrictEqual(yield* Fiber.join(waiting), ["SqlError", "NewerDatabase", false])
      assert.strictEqual(yield* mine, 1)
    })
  )

  it.scopedLive("no write of old processes is committed after it, however they race", () =>
    Effect.gen(function* () {
      // Both are in this process: waiting inside SQLite would keep the upgrade from finishing.
      const { file, sql, write } = yield* serving({ pragmas: { busyTimeout: 0 } })
      // A later commit has another era than the one the upgrade has seen.
      const upgrade = "ALTER TABLE notes ADD COLUMN era TEXT DEFAULT 'after'; UPDATE notes SET era = 'before';"
      const outcomes = yield* Ref.make({ written: 0, refused: 0 })
      const writers = Effect.forEach(
        [1, 2, 3, 4],
        (n) =>
          Effect.iterate(0, {
            while: (refusals) => refusals < 3,
            body: (refusals) =>
              (n % 2 === 0 ? write : sql.withTransaction)(sql`INSERT INTO notes (body) VALUES ('raced')`).pipe(
                Effect.matchEffect({
                  onFailure: (error) =>
                    error instanceof WriteError && error.reason === "NewerDatabase"
                      ? Effect.as(
                          Ref.update(outcomes, (seen) => ({ ...seen, refused: seen.refused + 1 })),
                          refusals + 1
                        )
                      : Effect.succeed(
                          error instanceof WriteError && error.reason === "PermissionDenied" ? refusals + 1 : refusals
                        ),
                  onSuccess: () =>
                    Effect.as(
                      Ref.update(outcomes, (seen) => ({ ...seen, written: seen.written + 1 })),
                      refusals
                    )
                }),
                Effect.tap(() => Effect.sleep("1 millis"))
              )
          }),
        { concurrency: "unbounded" }
      )
      yield* Effect.zipWith(writers, Effect.delay(start(file, { migrations: next(upgrade) }), "300 millis"), () => {}, {
        concurrent: true
      })
      const { refused, written } = yield* Ref.get(outcomes)
      assert.isAbove(written, 0)
      assert.isAbove(refused, 0)
      assert.deepStrictEqual(
        yield* rowsOf(file, "SELECT era, count(*) AS notes FROM notes WHERE body = 'raced' GROUP BY era"),
        [{ era: "before", notes: written }]
      )
    })
  )

  it.scoped("`withTransaction` does not commit what it wrote, and reads as before", () =>
    Effect.gen(function* () {
      const { file, insert, mine, sql } = yield* serving()
      yield* start(file, { migrations: next(rename) })
      const reading = sql.withTransaction(sql`SELECT body FROM notes`)
      assert.deepStrictEqual(yield* reading, [{ body: "first" }])
      assert.deepStrictEqual(yield* refused(sql.withTransaction(insert)), ["SqlError", "NewerDatabase", false])
      assert.strictEqual(yield* mine, 0)
      assert.deepStrictEqual(yield* reading, [{ body: "first" }])
    })
  )

  it.scoped("a single statement is refused by SQLite as soon as health or a write has seen the upgrade", () =>
    Effect.gen(function* () {
      const { file, health, insert, mine, sql, write } = yield* serving()
      yield* start(file, { migrations: next(rename) })
      yield* insert
      assert.strictEqual((yield* Effect.flip(health)).reason, "NewerDatabase")
      assert.include(String((yield* Effect.flip(insert)).cause), "attempt to write a readonly database")
      assert.deepStrictEqual(yield* refused(write(insert)), ["SqlError", "NewerDatabase", false])
      assert.include(String((yield* Effect.flip(insert)).cause), "attempt to write a readonly database")
      assert.strictEqual((yield* sql`SELECT body FROM notes`).length, 2)
      assert.strictEqual(yield* mine, 1)
    })
  )

  it.scoped("everything can be written again once the newer migration is undone", () =>
    Effect.gen(function* () {
      const { file, health, insert, mine, write } = yield* serving()
      yield* start(file, { migrations: next(rename) })
      yield* refused(write(insert))
      yield* Effect.flip(health)
      yield* independently(file, (connection) =>
        connection.exec(`ALTER TABLE labels RENAME TO tags; DELETE FROM schema_migrations WHERE version = '003';
          PRAGMA user_version = 2`)
      )
      yield* write(insert)
      yield* health
      yield* insert
      assert.strictEqual(yield* mine, 2)
    })
  )

  it.scoped("a compatible one changes nothing: writes continue, and see the newer schema", () =>
    Effect.gen(function* () {
      const { file, insert, mine, sql, write } = yield* serving()
      yield* start(file, { migrations: next("ALTER TABLE notes ADD COLUMN extra TEXT DEFAULT 'x';", compatible) })
      yield* write(insert)
      yield* sql.withTransaction(insert)
      yield* insert
      assert.strictEqual(yield* mine, 3)
    })
  )
})

describe("a write", () => {
  it.scoped("is refused if the file is not the one that was opened: nobody would find the write there", () =>
    Effect.gen(function* () {
      const { file, insert, mine, write } = yield* serving()
      renameSync(file, `${file}.away`)
      assert.include((yield* Effect.flip(write(insert))).message, "Restart the program.")
      assert.deepStrictEqual(yield* refused(write(insert)), ["SqlError", "Replaced", false])
      renameSync(`${file}.away`, file)
      yield* write(insert)
      assert.strictEqual(yield* mine, 1)
    })
  )

  it.scoped("that finds the disk full is a typed refusal in any transaction, and causes no other", () =>
    Effect.gen(function* () {
      const { mine, sql, write } = yield* serving()
      const large = sql`INSERT INTO notes (body) VALUES (hex(randomblob(100000)))`
      const [row] = yield* sql<{ readonly page_count: number }>`PRAGMA page_count`
      yield* sql.unsafe(`PRAGMA max_page_count = ${(row?.page_count ?? 0) + 2}`)
      const full = ["SqlError", "DiskFull", false]
      assert.deepStrictEqual(yield* refused(write(large)), full)
      assert.deepStrictEqual(yield* refused(sql.withTransaction(large)), full)
      assert.deepStrictEqual(yield* refused(write(write(large))), full)
      assert.deepStrictEqual(yield* refused(sql.withTransaction(sql.withTransaction(large))), full)
      assert.include((yield* Effect.flip(write(large))).message, "Free some space on that filesystem.")
      yield* write(sql`INSERT INTO notes (body) VALUES ('mine')`)
      assert.strictEqual(yield* mine, 1)
    })
  )

  it.scoped("passes on the program's own failures: a constraint is not a refusal of the database", () =>
    Effect.gen(function* () {
      const { sql, write } = yield* serving()
      const wrong = sql`INSERT INTO notes (body) VALUES (NULL)`
      for (const attempt of [write(wrong), sql.withTransaction(wrong), wrong]) {
        const error = yield* Effect.flip(attempt)
        assert.strictEqual(error._tag, "SqlError")
        assert.notInstanceOf(error, WriteError)
        assert.include(String(error.cause), "NOT NULL constraint failed")
      }
    })
  )

  it.scoped("whose commit fails leaves no transaction open, and is not a defect", () =>
    Effect.gen(function* () {
      const { sql, write } = yield* serving()
      const dangling = Effect.zipRight(
        sql`PRAGMA defer_foreign_keys = 1`,
        sql`INSERT INTO tags (note, tag) VALUES (4711, 'of nothing')`
      )
      for (const attempt of [write(dangling), sql.withTransaction(dangling)]) {
        const exit = yield* Effect.exit(attempt)
        assert.isTrue(Exit.isFailure(exit) && Cause.isFailure(exit.cause))
        assert.deepStrictEqual(yield* write(sql`SELECT count(*) AS tags FROM tags`), [{ tags: 0 }])
      }
    })
  )
})

describe("whether a write would be possible", () => {
  it.scopedLive("is known while others write: the holder of the lock is named, and this process blocks nobody", () =>
    Effect.gen(function* () {
      const { file, insert, sql, writable, write } = yield* serving()
      const before = yield* pictureOf(dirname(file))
      yield* writable
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      yield* write(Effect.zipRight(insert, writable))
      yield* sql.withTransaction(Effect.zipRight(insert, writable))
      const rival = yield* rivalProcess(file, "BEGIN IMMEDIATE")
      assert.deepStrictEqual(yield* refused(writable), ["SqlError", "Busy", true])
      const error = yield* Effect.flip(writable)
      assert.include(error.message, `the lock is held by process ${rival.pid} (node)`)
      assert.deepStrictEqual(
        error.holders.map(({ pid }) => pid),
        [rival.pid]
      )
    })
  )

  it.scoped("depends on the file and on the history, as a write does", () =>
    Effect.gen(function* () {
      const { file, writable } = yield* serving()
      renameSync(file, `${file}.away`)
      assert.deepStrictEqual(yield* refused(writable), ["SqlError", "Replaced", false])
      renameSync(`${file}.away`, file)
      yield* start(file, { migrations: next(rename) })
      assert.deepStrictEqual(yield* refused(writable), ["SqlError", "NewerDatabase", false])
    })
  )
})

describe("a growing WAL", () => {
  it.scopedLive("behind a reader is a warning with its size and its readers, until it is reset", () =>
    Effect.gen(function* () {
      const { file, health, sql, write } = yield* serving({ pragmas: { journalSizeLimit: 1024 * 1024 } })
      const grow = Effect.repeatN(write(sql`INSERT INTO notes (body) VALUES (hex(zeroblob(100000)))`), 59)
      yield* grow
      assert.deepStrictEqual((yield* health).warnings, [])
      const rival = yield* rivalProcess(file, "BEGIN; CREATE TEMP TABLE seen AS SELECT id FROM notes LIMIT 1")
      yield* grow
      const { walBytes, warnings } = yield* health
      assert.isAbove(walBytes, 8 * 1024 * 1024)
      assert.deepStrictEqual(warnings, [
        `The WAL ${file}-wal has grown over 8 MiB. It starts over when this reader has finished: process ${rival.pid} (node).`
      ])
      rival.kill("SIGKILL")
      yield* Effect.promise(() => new Promise((resolve) => rival.once("exit", resolve)))
      yield* sql`PRAGMA wal_checkpoint`
      yield* write(sql`INSERT INTO notes (body) VALUES ('last')`)
      assert.deepStrictEqual((yield* health).warnings, [])
    })
  )
})

describe("changes in health", () => {
  it.scoped("are reported once each: the current state, a newer schema, a newer program, a missing file", () =>
    Effect.gen(function* () {
      const { file, healthChanges } = yield* serving()
      const told = yield* Ref.make<ReadonlyArray<string>>([])
      yield* healthChanges.pipe(
        Stream.runForEach((found) =>
          Ref.update(told, (before) => [
            ...before,
            Either.match(found, {
              onLeft: ({ reason }) => reason,
              onRight: ({ schemaVersion }) => String(schemaVersion)
            })
          ])
        ),
        Effect.forkScoped
      )
      /** Time goes on. Each look also waits for the real disk, which tells how much is free. */
      const tells = (...all: ReadonlyArray<string>) =>
        TestClock.adjust("10 seconds").pipe(
          Effect.zipRight(Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))),
          Effect.zipRight(Ref.get(told)),
          Effect.repeat({ until: ({ length }) => length >= all.length }),
          Effect.map((found) => assert.deepStrictEqual(found, all))
        )
      yield* tells("002")
      yield* start(file, { migrations: next("CREATE TABLE more (x);", compatible) })
      yield* tells("002", "003")
      yield* independently(file, (connection) =>
        connection.exec("INSERT INTO schema_migrations (version, description) VALUES ('004', 'newest')")
      )
      yield* tells("002", "003", "NewerDatabase")
      renameSync(file, `${file}.away`)
      yield* tells("002", "003", "NewerDatabase", "Replaced")
    })
  )

  it.scopedLive("end a program that asks for it, with what was found", () =>
    Effect.gen(function* () {
      const { file, healthChanges } = yield* serving({ healthInterval: "20 millis" })
      const lost = Stream.runForEach(healthChanges, Either.match({ onLeft: Effect.fail, onRight: () => Effect.void }))
      const program = yield* Effect.fork(Effect.flip(Effect.raceFirst(Effect.never, lost)))
      yield* start(file, { migrations: next(rename) })
      assert.strictEqual((yield* Fiber.join(program)).reason, "NewerDatabase")
    })
  )
})
