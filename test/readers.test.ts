/** `DatabaseReady.read`: snapshots on connections of their own. */
import { readdirSync, renameSync, statSync } from "node:fs"
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { DatabaseReady, exitCode, exitCodeOf, isRefusal, ReadError, refusalLines, WriteError } from "../layers/index.ts"
import { independently, start, starting, type TestOptions, temporaryFile } from "./support/database.ts"

const serving = Effect.fnUntraced(function* (options: TestOptions = {}, filename?: string) {
  const file = filename ?? (yield* temporaryFile)
  const context = yield* Layer.build(starting(file, options))
  const sql = Context.get(context, SqlClient.SqlClient)
  const bodies = Effect.map(sql<{ body: string }>`SELECT body FROM notes ORDER BY id`, (rows) =>
    rows.map(({ body }) => body)
  )
  const add = (body: string) => sql`INSERT INTO notes (body) VALUES (${body})`
  return { ...Context.get(context, DatabaseReady), file, sql, bodies, add }
})

/** How many descriptors this process has on a file. */
const descriptorsOn = (file: string): number => {
  const { ino } = statSync(file)
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return statSync(`/proc/self/fd/${fd}`).ino === ino
    } catch {
      return false
    }
  }).length
}

/** Starts an effect that waits in the middle, and gives what lets it go on. */
const waitingIn = Effect.fnUntraced(function* <A, E, R>(around: (wait: Effect.Effect<void>) => Effect.Effect<A, E, R>) {
  const begun = yield* Deferred.make<void>()
  const go = yield* Deferred.make<void>()
  const fiber = yield* Effect.fork(around(Effect.zipRight(Deferred.succeed(begun, undefined), Deferred.await(go))))
  yield* Deferred.await(begun)
  return { fiber, finish: Effect.zipRight(Deferred.succeed(go, undefined), Fiber.join(fiber)) }
})

const reasonOf = (error: unknown) =>
  error instanceof ReadError || error instanceof WriteError ? [error.constructor.name, error.reason] : error

describe("a read", () => {
  it.scoped("does not wait for a write that waits for something, and does not see it before its commit", () =>
    Effect.gen(function* () {
      const { add, bodies, read, write } = yield* serving()
      const writing = yield* waitingIn((wait) => write(Effect.zipRight(add("second"), wait)))
      assert.deepStrictEqual(yield* read(bodies), ["first"])
      yield* writing.finish
      assert.deepStrictEqual(yield* read(bodies), ["first", "second"])
    })
  )

  it.scoped("sees the database as it was at its beginning, and no write waits for it", () =>
    Effect.gen(function* () {
      const { add, bodies, read, write } = yield* serving()
      const reading = yield* waitingIn((wait) => read(Effect.zipRight(wait, bodies)))
      yield* write(add("second"))
      assert.deepStrictEqual(yield* bodies, ["first", "second"])
      assert.deepStrictEqual(yield* reading.finish, ["first"])
    })
  )

  it.scoped("that would write is refused before it runs, whichever way the statement goes", () =>
    Effect.gen(function* () {
      const { add, bodies, read, sql, write } = yield* serving()
      const ways = [
        add("no"),
        add("no").raw,
        add("no").unprepared,
        sql`INSERT INTO notes (body) VALUES ('no') RETURNING id`.values,
        Stream.runDrain(sql`DELETE FROM notes RETURNING id`.stream),
        sql`CREATE TEMP TABLE own (x)`,
        sql`PRAGMA user_version = 7`,
        sql.withTransaction(add("no")),
        Effect.scoped(Effect.flatMap(sql.reserve, ({ executeRaw }) => executeRaw("DELETE FROM notes", [])))
      ]
      for (const within of [read, <A, E, R>(body: Effect.Effect<A, E, R>) => write(read(body))]) {
        for (const way of ways) {
          const error = yield* Effect.flip(within(way))
          assert.instanceOf(error, SqlError)
          assert.deepStrictEqual(reasonOf(error), ["ReadError", "WouldWrite"])
        }
      }
      assert.deepStrictEqual(yield* bodies, ["first"])
      // Its statements that only read go on.
      assert.deepStrictEqual(yield* read(Effect.zipRight(Effect.ignore(add("no")), sql.withTransaction(bodies))), [
        "first"
      ])
    })
  )

  it.scoped("inside a write sees what the write has done; a write inside a read is refused", () =>
    Effect.gen(function* () {
      const { add, bodies, read, write } = yield* serving()
      assert.deepStrictEqual(yield* write(Effect.zipRight(add("second"), read(bodies))), ["first", "second"])
      assert.deepStrictEqual(reasonOf(yield* Effect.flip(read(write(add("third"))))), ["WriteError", "WithinRead"])
      assert.deepStrictEqual(yield* read(read(bodies)), ["first", "second"])
    })
  )

  it.scoped("takes one of `readers` connections, each opened when it is first wanted; the next one waits", () =>
    Effect.gen(function* () {
      const { bodies, file, read } = yield* serving({ readers: 2 })
      const atFirst = descriptorsOn(file)
      yield* read(bodies)
      yield* read(bodies)
      assert.strictEqual(descriptorsOn(file), atFirst + 1)
      const [one, two] = yield* Effect.all([waitingIn(read), waitingIn(read)])
      const third = yield* Effect.fork(read(bodies))
      yield* Effect.yieldNow()
      assert.isTrue((yield* Fiber.poll(third))._tag === "None")
      assert.strictEqual(descriptorsOn(file), atFirst + 2)
      yield* Fiber.interrupt(one.fiber)
      assert.deepStrictEqual(yield* Fiber.join(third), ["first"])
      yield* two.finish
      assert.deepStrictEqual(yield* read(bodies), ["first"])
      assert.strictEqual(descriptorsOn(file), atFirst + 2)
    })
  )

  it.scoped("closes its connections with the database, and leaves nothing beside it", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const scope = yield* Scope.make()
      const { bodies, read } = yield* Scope.extend(serving({}, file), scope)
      yield* Effect.all([read(bodies), read(bodies)], { concurrency: 2 })
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(descriptorsOn(file), 0)
      assert.isUndefined(statSync(`${file}-wal`, { throwIfNoEntry: false }))
      assert.strictEqual((yield* Effect.flip(read(bodies)))._tag, "SqlError")
    })
  )

  it.scoped("has the pragmas of the first connection and `query_only`, which health proves too", () =>
    Effect.gen(function* () {
      const { health, read, report, sql } = yield* serving({ pragmas: { cacheSize: -1234, mmapSize: 65_536 } })
      for (const [pragma, value] of Object.entries({ ...report.pragmas, query_only: 1 })) {
        // For SQLite `PRAGMA journal_mode` is a statement that may write, even without a value.
        const question = pragma === "journal_mode" ? "SELECT * FROM pragma_journal_mode" : `PRAGMA ${pragma}`
        const [row] = yield* read(sql<Record<string, unknown>>`${sql.literal(question)}`)
        assert.deepStrictEqual(Object.values(row ?? {}), [value], pragma)
      }
      yield* health
      yield* read(sql`PRAGMA query_only = 0`)
      const error = yield* Effect.flip(health)
      assert.strictEqual(error._tag, "PragmaError")
      assert.include(error.message, "query_only")
    })
  )

  it.scoped("opens no connection to another file that was put in the place of the first", () =>
    Effect.gen(function* () {
      const { bodies, file, read } = yield* serving()
      yield* start(`${file}.other`)
      renameSync(`${file}.other`, file)
      const error = yield* Effect.flip(read(bodies))
      assert.deepStrictEqual(reasonOf(error), ["ReadError", "Replaced"])
      // For a program that ends with it.
      if (!isRefusal(error)) throw error
      assert.deepStrictEqual([exitCodeOf(error), refusalLines(error)[0]], [exitCode.tryAgain, `not read  ${file}`])
    })
  )

  it.scoped("whose body ends its transaction fails, and the next one is sound", () =>
    Effect.gen(function* () {
      const { bodies, read, sql } = yield* serving({ readers: 1 })
      const error = yield* Effect.flip(read(Effect.zipRight(sql`COMMIT`, bodies)))
      assert.include(error.message, "The transaction is over")
      assert.deepStrictEqual(yield* read(bodies), ["first"])
    })
  )

  it.scoped("of one database is not a read of another", () =>
    Effect.gen(function* () {
      const one = yield* serving()
      const other = yield* serving()
      yield* one.read(other.add("second"))
      yield* one.read(other.write(other.add("third")))
      assert.deepStrictEqual(yield* other.read(one.bodies), ["first"])
      assert.deepStrictEqual(yield* other.bodies, ["first", "second", "third"])
    })
  )

  for (const [where, options, filename] of [
    ["in memory", {}, ":memory:"],
    ["with a rollback journal", { pragmas: { journalMode: "delete" } }, undefined],
    ["with `readers: 0`", { readers: 0 }, undefined]
  ] satisfies ReadonlyArray<[string, TestOptions, string | undefined]>) {
    it.scoped(`${where} has the one connection, and only reads there too`, () =>
      Effect.gen(function* () {
        const { add, bodies, read, write } = yield* serving(options, filename)
        const writing = yield* waitingIn((wait) => write(Effect.zipRight(add("second"), wait)))
        const reading = yield* Effect.fork(read(Effect.zipLeft(bodies, Effect.ignore(add("no")))))
        yield* Effect.yieldNow()
        assert.isTrue((yield* Fiber.poll(reading))._tag === "None")
        yield* writing.finish
        assert.deepStrictEqual(yield* Fiber.join(reading), ["first", "second"])
        yield* write(add("third"))
        assert.deepStrictEqual(yield* bodies, ["first", "second", "third"])
      })
    )
  }
})

describe("a WAL that grows behind this program's own", () => {
  it.scoped("read or stream is a warning that names it, until it is over", () =>
    Effect.gen(function* () {
      const { bodies, file, health, read, sql } = yield* serving({ pragmas: { journalSizeLimit: 1024 * 1024 } })
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      const reading = yield* waitingIn((wait) => Effect.withSpan(read(Effect.zipRight(wait, bodies)), "monthly report"))
      const streaming = yield* waitingIn((wait) => Stream.runForEach(sql`SELECT id FROM notes`.stream, () => wait))
      yield* independently(file, (connection) => {
        const insert = connection.prepare("INSERT INTO notes (body) VALUES (hex(zeroblob(100000)))")
        for (let row = 0; row < 60; row += 1) insert.run()
      })
      const { warnings } = yield* health
      assert.deepStrictEqual(
        warnings.map((warning) => warning.replace(/this process \(.*\)\./, "this process.")),
        [
          `The WAL ${file}-wal has grown over 8 MiB. It starts over when this reader has finished: this process. ` +
            "In this process that is a read in the span monthly report that began at 2026-01-01T00:00:00.000Z, and 1 more."
        ]
      )
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual((yield* health).warnings, warnings)
      assert.deepStrictEqual(yield* reading.finish, ["first"])
      assert.include((yield* health).warnings[0], "that is a stream that began at")
      yield* streaming.finish
      yield* sql`PRAGMA wal_checkpoint`
      yield* sql`INSERT INTO notes (body) VALUES ('last')`
      assert.deepStrictEqual((yield* health).warnings, [])
    })
  )
})
