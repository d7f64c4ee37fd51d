import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { DatabaseReady, type Pragmas } from "../layers/index.ts"
import { rivalWriter } from "../layers/testing.ts"
import { independently, openConnection, rowsOf, starting, temporaryFile } from "./support/database.ts"

class Refused extends Data.TaggedError("Refused") {}

/** A ready database. Waiting inside SQLite would outlast the test. */
const readyWith = Effect.fnUntraced(function* (pragmas: Partial<Pragmas>) {
  const file = yield* temporaryFile
  const context = yield* Layer.build(
    starting(file, { pragmas: { busyTimeout: "10 seconds", ...pragmas }, lockPatience: "2 seconds" })
  )
  return {
    file,
    write: Context.get(context, DatabaseReady).write,
    health: Context.get(context, DatabaseReady).health,
    sql: Context.get(context, SqlClient.SqlClient),
    bodies: rowsOf(file, "SELECT body FROM notes ORDER BY id")
  }
})

const ready = readyWith({})

const codeOf = ({ cause }: SqlError) =>
  typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined

describe("DatabaseReady.write", () => {
  it.scoped("commits what it wrote, visible to everybody", () =>
    Effect.gen(function* () {
      const { bodies, sql, write } = yield* ready
      assert.strictEqual(yield* write(Effect.as(sql`INSERT INTO notes (body) VALUES ('second')`, 42)), 42)
      assert.deepStrictEqual(yield* bodies, [{ body: "first" }, { body: "second" }])
    })
  )

  it.scoped("has the lock from its first moment: nobody can write between its read and its write", () =>
    Effect.gen(function* () {
      const { bodies, file, sql, write } = yield* ready
      const rival = independently(file, (connection) => {
        connection.pragma("busy_timeout = 0")
        return connection.exec("INSERT INTO notes (body) VALUES ('rival')")
      })
      const body = Effect.gen(function* () {
        const read = yield* sql`SELECT count(*) AS notes FROM notes`
        // The same rival turns a transaction without the lock into SQLITE_BUSY_SNAPSHOT.
        const refused = yield* Effect.flip(Effect.catchAllDefect(rival, Effect.fail))
        yield* sql`INSERT INTO notes (body) VALUES ('mine')`
        return { read, refused }
      })
      const { read, refused } = yield* write(body)
      assert.deepStrictEqual(read, [{ notes: 1 }])
      assert.include(String(refused), "database is locked")
      yield* rival
      assert.deepStrictEqual(yield* bodies, [{ body: "first" }, { body: "mine" }, { body: "rival" }])

      const unlocked = yield* Effect.flip(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`SELECT count(*) FROM notes`
            yield* rival
            yield* sql`INSERT INTO notes (body) VALUES ('late')`
          })
        )
      )
      assert.strictEqual(codeOf(unlocked), "SQLITE_BUSY_SNAPSHOT")
    })
  )

  it.scoped("tries for the lock again after 5, 10 and 20 ms while a rival has it, and reads continue meanwhile", () =>
    Effect.gen(function* () {
      const { file, sql, write } = yield* ready
      const rival = yield* Scope.make()
      yield* Scope.extend(rivalWriter(file), rival)
      const outcome = yield* Effect.fork(
        write(Effect.zipRight(sql`INSERT INTO notes (body) VALUES ('mine')`, Clock.currentTimeMillis))
      )
      yield* TestClock.adjust("20 millis")
      assert.deepStrictEqual(yield* sql`SELECT body FROM notes`, [{ body: "first" }])
      yield* Scope.close(rival, Exit.void)
      assert.isTrue((yield* Fiber.poll(outcome))._tag === "None")
      yield* TestClock.adjust("15 millis")
      assert.strictEqual(yield* Fiber.join(outcome), 35)
    })
  )

  it.scoped("gives up when its patience is over, with SQLite's code, and has run nothing", () =>
    Effect.gen(function* () {
      const { bodies, file, sql, write } = yield* ready
      yield* rivalWriter(file)
      const begun = yield* Ref.make(false)
      const outcome = yield* Effect.fork(
        Effect.flip(write(Effect.zipRight(Ref.set(begun, true), sql`INSERT INTO notes (body) VALUES ('mine')`)))
      )
      yield* TestClock.adjust("1900 millis")
      assert.isTrue((yield* Fiber.poll(outcome))._tag === "None")
      yield* TestClock.adjust("200 millis")
      const error = yield* Fiber.join(outcome)
      assert.deepStrictEqual([error._tag, codeOf(error)], ["SqlError", "SQLITE_BUSY"])
      assert.isFalse(yield* Ref.get(begun))
      assert.deepStrictEqual(yield* bodies, [{ body: "first" }])
    })
  )

  it.scoped("does not change the busy timeout for other statements or the health check", () =>
    Effect.gen(function* () {
      const { health, sql, write } = yield* ready
      const timeouts = yield* Effect.all(
        Array.from({ length: 20 }, () => Effect.zipLeft(write(sql`PRAGMA busy_timeout`), health)),
        { concurrency: "unbounded" }
      ).pipe(
        // They take turns every few steps.
        Effect.withMaxOpsBeforeYield(10)
      )
      assert.deepStrictEqual(new Set(timeouts.flat().map((row) => row["timeout"])), new Set([10_000]))
    })
  )

  it.scoped("releases the connection when it is interrupted while it waits", () =>
    Effect.gen(function* () {
      const { file, sql, write } = yield* ready
      const rival = yield* Scope.make()
      yield* Scope.extend(rivalWriter(file), rival)
      const outcome = yield* Effect.fork(write(sql`INSERT INTO notes (body) VALUES ('never')`))
      yield* TestClock.adjust("20 millis")
      yield* Fiber.interrupt(outcome)
      yield* Scope.close(rival, Exit.void)
      assert.deepStrictEqual(yield* write(sql`SELECT body FROM notes`), [{ body: "first" }])
    })
  )

  it.scoped("rolls back if its body fails or dies, and passes the failure on unchanged", () =>
    Effect.gen(function* () {
      const { bodies, sql, write } = yield* ready
      const insert = sql`INSERT INTO notes (body) VALUES ('never')`
      assert.instanceOf(yield* Effect.flip(write(Effect.zipRight(insert, new Refused()))), Refused)
      const defect = yield* Effect.exit(write(Effect.zipRight(insert, Effect.die("a defect"))))
      assert.deepStrictEqual(defect, Exit.die("a defect"))
      assert.deepStrictEqual(yield* bodies, [{ body: "first" }])
      yield* write(sql`INSERT INTO notes (body) VALUES ('second')`)
      assert.deepStrictEqual(yield* bodies, [{ body: "first" }, { body: "second" }])
    })
  )

  it.scoped("rolls back when it is interrupted in the middle", () =>
    Effect.gen(function* () {
      const { bodies, sql, write } = yield* ready
      const written = yield* Deferred.make<void>()
      const outcome = yield* Effect.fork(
        write(
          sql`INSERT INTO notes (body) VALUES ('never')`.pipe(
            Effect.zipRight(Deferred.succeed(written, undefined)),
            Effect.zipRight(Effect.never)
          )
        )
      )
      yield* Deferred.await(written)
      yield* Fiber.interrupt(outcome)
      assert.deepStrictEqual(yield* bodies, [{ body: "first" }])
      assert.deepStrictEqual(yield* write(sql`SELECT body FROM notes`), [{ body: "first" }])
    })
  )

  it.scoped("is a savepoint within a transaction: a failure in it is undone alone", () =>
    Effect.gen(function* () {
      const { bodies, sql, write } = yield* ready
      yield* write(
        Effect.gen(function* () {
          yield* sql`INSERT INTO notes (body) VALUES ('outer')`
          yield* Effect.flip(write(Effect.zipRight(sql`INSERT INTO notes (body) VALUES ('inner')`, new Refused())))
          yield* write(sql`INSERT INTO notes (body) VALUES ('kept')`)
        })
      )
      assert.deepStrictEqual(yield* bodies, [{ body: "first" }, { body: "outer" }, { body: "kept" }])
      yield* Effect.flip(
        write(Effect.zipRight(write(sql`INSERT INTO notes (body) VALUES ('inner')`), Effect.fail("all of it")))
      )
      assert.deepStrictEqual(yield* bodies, [{ body: "first" }, { body: "outer" }, { body: "kept" }])
    })
  )

  it.scoped("is a transaction of its own in a fiber that outlives its parent", () =>
    Effect.gen(function* () {
      const { bodies, sql, write } = yield* ready
      const isOver = yield* Deferred.make<void>()
      const later = Effect.zipRight(Deferred.await(isOver), write(sql`INSERT INTO notes (body) VALUES ('later')`))
      const fiber = yield* write(
        Effect.zipRight(sql`INSERT INTO notes (body) VALUES ('mine')`, Effect.forkDaemon(later))
      )
      yield* Deferred.succeed(isOver, undefined)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* bodies, [{ body: "first" }, { body: "mine" }, { body: "later" }])
      yield* write(sql`INSERT INTO notes (body) VALUES ('last')`)
      assert.strictEqual((yield* bodies).length, 4)
    })
  )

  it.scoped("is a transaction of its own inside one of another database, and a savepoint inside its own", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* ready, yield* ready]
      yield* one.write(
        Effect.gen(function* () {
          yield* one.sql`INSERT INTO notes (body) VALUES ('outer')`
          const back = one.write(one.sql`INSERT INTO notes (body) VALUES ('back')`)
          yield* other.write(Effect.zipRight(other.sql`INSERT INTO notes (body) VALUES ('theirs')`, back))
          assert.deepStrictEqual(yield* other.bodies, [{ body: "first" }, { body: "theirs" }])
          assert.deepStrictEqual(yield* one.bodies, [{ body: "first" }])
        })
      )
      assert.deepStrictEqual(yield* one.bodies, [{ body: "first" }, { body: "outer" }, { body: "back" }])
    })
  )

  it.scoped("waits outside SQLite for readers, if the journal is not a WAL", () =>
    Effect.gen(function* () {
      const { bodies, file, sql, write } = yield* readyWith({ journalMode: "delete" })
      const insert = write(sql`INSERT INTO notes (body) VALUES ('mine')`)
      const reader = yield* openConnection(file)
      reader.exec("BEGIN; SELECT * FROM notes;")
      const refused = yield* Effect.fork(Effect.flip(insert))
      yield* TestClock.adjust("1900 millis")
      assert.isTrue((yield* Fiber.poll(refused))._tag === "None")
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(codeOf(yield* Fiber.join(refused)), "SQLITE_BUSY")

      const late = yield* Effect.fork(Effect.timeoutOption(insert, "500 millis"))
      yield* TestClock.adjust("500 millis")
      assert.isTrue(Option.isNone(yield* Fiber.join(late)))

      const written = yield* Effect.fork(insert)
      yield* TestClock.adjust("20 millis")
      reader.exec("COMMIT")
      yield* TestClock.adjust("15 millis")
      yield* Fiber.join(written)
      assert.deepStrictEqual(yield* bodies, [{ body: "first" }, { body: "mine" }])
    })
  )

  it.scoped("runs one at a time if many ask at once; other statements wait until it is over", () =>
    Effect.gen(function* () {
      const { bodies, sql, write } = yield* ready
      const increment = Effect.gen(function* () {
        const rows = yield* sql<{ readonly n: number }>`SELECT count(*) AS n FROM notes`
        yield* Effect.yieldNow()
        yield* sql`INSERT INTO notes (body) VALUES (${`note ${rows[0]?.n}`})`
      })
      yield* Effect.all(
        Array.from({ length: 20 }, () => write(increment)),
        { concurrency: "unbounded" }
      )
      const expected = Array.from({ length: 20 }, (_, n) => ({ body: `note ${n + 1}` }))
      assert.deepStrictEqual(yield* bodies, [{ body: "first" }, ...expected])

      const inside = yield* Deferred.make<void>()
      const mayEnd = yield* Deferred.make<void>()
      const outcome = yield* Effect.fork(
        write(
          sql`DELETE FROM notes`.pipe(
            Effect.zipRight(Deferred.succeed(inside, undefined)),
            Effect.zipRight(Deferred.await(mayEnd)),
            Effect.zipRight(Effect.fail("undone"))
          )
        )
      )
      yield* Deferred.await(inside)
      const reader = yield* Effect.fork(sql`SELECT count(*) AS notes FROM notes`)
      yield* Effect.yieldNow()
      yield* Deferred.succeed(mayEnd, undefined)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(outcome)))
      assert.deepStrictEqual(yield* Fiber.join(reader), [{ notes: 21 }])
    })
  )

  it.scoped("leaves resources of its body to the caller's scope", () =>
    Effect.gen(function* () {
      const { write } = yield* ready
      const isOpen = yield* Ref.make(false)
      const resource = Effect.acquireRelease(Ref.set(isOpen, true), () => Ref.set(isOpen, false))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* write(resource)
          assert.isTrue(yield* Ref.get(isOpen))
        })
      )
      assert.isFalse(yield* Ref.get(isOpen))
    })
  )
})
