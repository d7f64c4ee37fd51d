/** The client of a ready database: the features of `@effect/sql-sqlite-node`'s client, and what it does better. */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { assert, describe, it } from "@effect/vitest"
import * as Array from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type DatabaseOptions, DatabaseReady } from "../layers/index.ts"
import { notes, platform, starting, temporaryFile } from "./support/database.ts"

const readyWith = Effect.fnUntraced(function* (options: Partial<DatabaseOptions> = {}) {
  const file = yield* temporaryFile
  const context = yield* Layer.build(starting(file, options))
  return {
    file,
    sql: Context.get(context, SqliteClient.SqliteClient),
    write: Context.get(context, DatabaseReady).write
  }
})

const codeOf = ({ cause }: SqlError) =>
  typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined

const add = (sql: SqlClient.SqlClient, body: string) => sql`INSERT INTO notes (body) VALUES (${body})`
const bodiesIn = (sql: SqlClient.SqlClient) =>
  Effect.map(sql<{ body: string }>`SELECT body FROM notes ORDER BY id`, (rows) => rows.map(({ body }) => body))

describe("a transaction", () => {
  it.scoped("belongs to one database: a statement for another database inside it runs on the other", () =>
    Effect.gen(function* () {
      const a = yield* readyWith()
      const b = yield* readyWith()
      yield* a.write(Effect.zipRight(add(a.sql, "a"), add(b.sql, "b")))
      yield* a.sql.withTransaction(Effect.zipRight(add(a.sql, "a2"), add(b.sql, "b2")))
      yield* a.sql.withTransaction(b.sql.withTransaction(Effect.zipRight(add(a.sql, "a3"), add(b.sql, "b3"))))
      yield* a.write(b.write(Effect.zipRight(add(a.sql, "a4"), add(b.sql, "b4"))))
      assert.deepStrictEqual(yield* bodiesIn(a.sql), ["first", "a", "a2", "a3", "a4"])
      assert.deepStrictEqual(yield* bodiesIn(b.sql), ["first", "b", "b2", "b3", "b4"])
    })
  )

  it.scoped("on the other database stays when the first one's is rolled back", () =>
    Effect.gen(function* () {
      const a = yield* readyWith()
      const b = yield* readyWith()
      const both = Effect.all([add(a.sql, "a"), b.sql.withTransaction(add(b.sql, "b")), Effect.fail("no")])
      assert.strictEqual(yield* Effect.flip(a.sql.withTransaction(both)), "no")
      assert.deepStrictEqual(yield* bodiesIn(a.sql), ["first"])
      assert.deepStrictEqual(yield* bodiesIn(b.sql), ["first", "b"])
    })
  )

  it.scoped("rolls back the part that failed, and keeps the rest", () =>
    Effect.gen(function* () {
      const { sql } = yield* readyWith()
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* add(sql, "kept")
          yield* Effect.ignore(sql.withTransaction(Effect.zipRight(add(sql, "lost"), Effect.fail("no"))))
          yield* sql.withTransaction(add(sql, "kept too"))
        })
      )
      assert.deepStrictEqual(yield* bodiesIn(sql), ["first", "kept", "kept too"])
    })
  )

  it.scoped("leaves resources of its body to the caller's scope", () =>
    Effect.gen(function* () {
      const { sql } = yield* readyWith()
      let isReleased = false
      yield* Effect.scoped(
        Effect.gen(function* () {
          const release = Effect.sync(() => {
            isReleased = true
          })
          yield* sql.withTransaction(
            Effect.zipRight(
              Effect.addFinalizer(() => release),
              add(sql, "x")
            )
          )
          assert.isFalse(isReleased)
        })
      )
      assert.isTrue(isReleased)
    })
  )

  it.scoped("that is interrupted is rolled back, and the connection is free again", () =>
    Effect.gen(function* () {
      const { sql } = yield* readyWith()
      const begun = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        sql.withTransaction(Effect.all([add(sql, "lost"), Deferred.succeed(begun, undefined), Effect.never]))
      )
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* bodiesIn(sql), ["first"])
    })
  )

  it.scoped("keeps other fibers' statements out until it is over", () =>
    Effect.gen(function* () {
      const { sql } = yield* readyWith()
      const begun = yield* Deferred.make<void>()
      const end = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        sql.withTransaction(
          Effect.all([add(sql, "lost"), Deferred.succeed(begun, undefined), Deferred.await(end), Effect.fail("no")])
        )
      )
      yield* Deferred.await(begun)
      const other = yield* Effect.fork(add(sql, "other"))
      yield* Effect.yieldNow()
      assert.isTrue(Option.isNone(yield* Fiber.poll(other)))
      yield* Deferred.succeed(end, undefined)
      yield* Fiber.await(fiber)
      yield* Fiber.join(other)
      assert.deepStrictEqual(yield* bodiesIn(sql), ["first", "other"])
    })
  )

  it.scoped("does not include what a fiber does that outlives it", () =>
    Effect.gen(function* () {
      const { sql } = yield* readyWith()
      const end = yield* Deferred.make<void>()
      const late = yield* sql.withTransaction(
        Effect.forkDaemon(Effect.zipRight(Deferred.await(end), sql.withTransaction(add(sql, "late"))))
      )
      yield* Deferred.succeed(end, undefined)
      yield* Fiber.join(late)
      assert.deepStrictEqual(yield* bodiesIn(sql), ["first", "late"])
    })
  )

  it.scoped("whose commit is refused fails with SQLite's code, and is rolled back", () =>
    Effect.gen(function* () {
      const { sql } = yield* readyWith()
      yield* sql`CREATE TABLE parents (id INTEGER PRIMARY KEY)`
      yield* sql`CREATE TABLE children (parent REFERENCES parents DEFERRABLE INITIALLY DEFERRED)`
      const error = yield* Effect.flip(sql.withTransaction(sql`INSERT INTO children VALUES (1)`))
      assert.strictEqual(codeOf(error), "SQLITE_CONSTRAINT_FOREIGNKEY")
      assert.deepStrictEqual(yield* sql`SELECT * FROM children`, [])
      yield* sql.withTransaction(add(sql, "after"))
    })
  )

  it.scoped("that SQLite itself ended runs nothing more: each statement would be committed on its own", () =>
    Effect.gen(function* () {
      const { file, sql } = yield* readyWith()
      yield* sql`CREATE TABLE one (id INTEGER PRIMARY KEY ON CONFLICT ROLLBACK)`
      const body = Effect.gen(function* () {
        yield* add(sql, "lost")
        yield* sql`INSERT INTO one VALUES (1)`
        yield* Effect.ignore(sql`INSERT INTO one VALUES (1)`)
        yield* add(sql, "would stay")
      })
      const error = yield* Effect.flip(sql.withTransaction(body))
      assert.strictEqual(
        error.message,
        `The transaction is over: SQLite rolled it back, or a statement of its own ended it (database ${file})`
      )
      assert.deepStrictEqual(yield* bodiesIn(sql), ["first"])
    })
  )
})

describe.each([true, false])("a statement, with spans: %s", (withSpans) => {
  it.scoped("that SQLite refuses, or cannot compile, is an SqlError with its code and the database", () =>
    Effect.gen(function* () {
      const { file, sql } = yield* readyWith()
      for (const statement of [sql`SELEC 1`, sql`SELEC 1`.unprepared, sql`SELEC 1`.values, sql`SELEC 1`.raw]) {
        const error = yield* Effect.flip(statement)
        assert.strictEqual(error.message, `SQLITE_ERROR: near "SELEC": syntax error (database ${file})`)
      }
      const twice = sql`INSERT INTO notes (id, body) VALUES (1, 'again')`
      assert.strictEqual(codeOf(yield* Effect.flip(twice)), "SQLITE_CONSTRAINT_PRIMARYKEY")
      const stream = Stream.runCollect(sql`SELEC 1`.stream)
      assert.strictEqual(codeOf(yield* Effect.flip(stream)), "SQLITE_ERROR")
    }).pipe(Effect.withTracerEnabled(withSpans))
  )

  it.scoped("returns rows, values or the driver's own result", () =>
    Effect.gen(function* () {
      const { sql } = yield* readyWith()
      assert.deepStrictEqual(yield* sql`SELECT 1 AS a, 'x' AS b`, [{ a: 1, b: "x" }])
      assert.deepStrictEqual(yield* sql`SELECT 1 AS a, 'x' AS b`.values, [[1, "x"]])
      assert.deepStrictEqual(yield* sql`SELECT 1 AS a, 'x' AS b`, [{ a: 1, b: "x" }])
      assert.deepStrictEqual(yield* sql`INSERT INTO notes (body) VALUES ('x')`.raw, { changes: 1, lastInsertRowid: 2 })
      assert.deepStrictEqual(yield* sql`SELECT 1 AS a`.unprepared, [{ a: 1 }])
    }).pipe(Effect.withTracerEnabled(withSpans))
  )

  it.scoped("returns integers beyond 2^53 exactly if asked to, and only then", () =>
    Effect.gen(function* () {
      const { sql } = yield* readyWith()
      const large = sql<{ n: number | bigint }>`SELECT 9007199254740993 AS n`
      const safe = Effect.provideService(large, SqlClient.SafeIntegers, true)
      assert.deepStrictEqual(yield* safe, [{ n: 9007199254740993n }])
      assert.strictEqual(typeof (yield* large)[0]?.n, "number")
    }).pipe(Effect.withTracerEnabled(withSpans))
  )

  it.scoped("is compiled again after the schema has changed", () =>
    Effect.gen(function* () {
      const { sql } = yield* readyWith({ client: { prepareCacheSize: 2 } })
      const all = sql`SELECT * FROM notes`
      assert.deepStrictEqual(yield* all, [{ id: 1, body: "first" }])
      yield* sql`ALTER TABLE notes ADD COLUMN extra TEXT`
      assert.deepStrictEqual(yield* all, [{ id: 1, body: "first", extra: null }])
      for (let n = 0; n < 5; n += 1) assert.deepStrictEqual(yield* sql.unsafe(`SELECT ${n} AS n`), [{ n }])
    }).pipe(Effect.withTracerEnabled(withSpans))
  )

  it.scoped("is a part of another one, and goes through the transformer of the program", () =>
    Effect.gen(function* () {
      const { sql } = yield* readyWith()
      const one = sql<{ a: number }>`SELECT ${1} AS a`
      assert.deepStrictEqual(yield* sql`SELECT a + ${1} AS b FROM (${one})`, [{ b: 2 }])
      const seen: Array<string> = []
      const transformed = Statement.withTransformer(one, (statement) => {
        seen.push(statement.compile()[0])
        return Effect.succeed(sql`SELECT 3 AS a`)
      })
      assert.deepStrictEqual(yield* transformed, [{ a: 3 }])
      assert.deepStrictEqual(seen, ["SELECT ? AS a"])
    }).pipe(Effect.withTracerEnabled(withSpans))
  )

  it.scoped("translates names both ways", () =>
    Effect.gen(function* () {
      const { sql } = yield* readyWith({
        client: {
          transformQueryNames: (name) => name.toLowerCase(),
          transformResultNames: (name) => name.toUpperCase()
        }
      })
      assert.deepStrictEqual(yield* sql`SELECT ${sql("BODY")} FROM notes`, [{ BODY: "first" }])
      assert.deepStrictEqual(yield* sql.unsafe("SELECT body FROM notes WHERE id = ?", [1]), [{ BODY: "first" }])
      assert.deepStrictEqual(yield* sql.withoutTransforms()`SELECT body FROM notes`, [{ body: "first" }])
    }).pipe(Effect.withTracerEnabled(withSpans))
  )

  it.scoped("of other fibers stays out of a transaction, wherever a fiber gives way to another", () =>
    Effect.gen(function* () {
      const { sql } = yield* readyWith()
      const undone = Effect.ignore(sql.withTransaction(Effect.zipRight(add(sql, "lost"), Effect.fail("no"))))
      const fibers = yield* Effect.forEach(Array.range(10, 40), (steps) =>
        // Each gives way after another number of steps, so that they meet wherever they can. Below ten the yields
        // themselves would not end.
        Effect.zipRight(undone, add(sql, "kept")).pipe(
          Effect.repeatN(9),
          Effect.withMaxOpsBeforeYield(steps),
          Effect.fork
        )
      )
      yield* Effect.forEach(fibers, Fiber.join)
      const [row] = yield* sql<{ kept: number; lost: number }>`
        SELECT sum(body = 'kept') AS kept, sum(body = 'lost') AS lost FROM notes`
      assert.deepStrictEqual(row, { kept: 310, lost: 0 })
    }).pipe(Effect.withTracerEnabled(withSpans))
  )
})

describe("a stream", () => {
  const numbers = (count: number) =>
    `WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ${count}) SELECT n FROM n`

  it.scoped("returns rows as they are requested, and lets its reader write meanwhile", () =>
    Effect.gen(function* () {
      const { sql } = yield* readyWith()
      const rows = sql.unsafe<{ n: number }>(numbers(1000)).stream
      const written = yield* rows.pipe(
        Stream.mapEffect(({ n }) => Effect.as(add(sql, String(n)), n)),
        Stream.take(250),
        Stream.runCollect
      )
      assert.deepStrictEqual(Chunk.toReadonlyArray(written).at(-1), 250)
      assert.strictEqual((yield* bodiesIn(sql)).length, 251)
    })
  )

  it.scoped("within a transaction sees what the transaction wrote", () =>
    Effect.gen(function* () {
      const { sql } = yield* readyWith()
      const seen = sql.withTransaction(
        Effect.zipRight(
          add(sql, "mine"),
          Stream.runCollect(
            Stream.mapEffect(sql<{ body: string }>`SELECT body FROM notes`.stream, ({ body }) =>
              Effect.as(add(sql, "more"), body)
            )
          )
        )
      )
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* seen), ["first", "mine"])
    })
  )

  it.scoped("of a statement that writes runs it once", () =>
    Effect.gen(function* () {
      const { sql } = yield* readyWith()
      const rows = yield* Stream.runCollect(
        sql<{ body: string }>`INSERT INTO notes (body) VALUES ('x') RETURNING body`.stream
      )
      assert.deepStrictEqual(Chunk.toReadonlyArray(rows), [{ body: "x" }])
      assert.deepStrictEqual(yield* bodiesIn(sql), ["first", "x"])
    })
  )

  it.scoped("of a database in memory returns its rows", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(starting(":memory:", {}))
      const rows = Context.get(context, SqlClient.SqlClient)`SELECT body FROM notes`.stream
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(rows)), [{ body: "first" }])
    })
  )
})

describe("the client's options", () => {
  it.scoped("translate names of columns and tables both ways, and not if left out", () =>
    Effect.gen(function* () {
      const { sql } = yield* readyWith({
        client: {
          transformQueryNames: (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
          transformResultNames: (name) => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
        }
      })
      yield* sql`CREATE TABLE ${sql("manyNotes")} (${sql("longBody")} TEXT)`
      yield* sql`INSERT INTO ${sql("manyNotes")} ${sql.insert({ longBody: "x" })}`
      assert.deepStrictEqual(yield* sql`SELECT * FROM many_notes`, [{ longBody: "x" }])
      assert.deepStrictEqual(yield* sql`SELECT * FROM many_notes`.withoutTransform, [{ long_body: "x" }])
      const plain = sql.withoutTransforms()
      assert.deepStrictEqual(yield* plain`SELECT * FROM many_notes`, [{ long_body: "x" }])
      assert.strictEqual(plain.withoutTransforms(), plain)
    })
  )
})

describe("the features that only SQLite's client has", () => {
  it.scoped("exports and copies the database", () =>
    Effect.gen(function* () {
      const { file, sql } = yield* readyWith()
      assert.strictEqual(
        Buffer.from(yield* sql.export)
          .subarray(0, 15)
          .toString(),
        "SQLite format 3"
      )
      const copied = yield* sql.backup(`${file}.copy`)
      assert.strictEqual(copied.remainingPages, 0)
      const refused = yield* Effect.flip(sql.loadExtension("/nowhere/extension"))
      assert.strictEqual(refused._tag, "SqlError")
    })
  )

  it.scoped("lends the connection to one fiber at a time", () =>
    Effect.gen(function* () {
      const { sql } = yield* readyWith()
      const [waiting, rows] = yield* Effect.scoped(
        Effect.gen(function* () {
          const connection = yield* sql.reserve
          const waiting = yield* Effect.forkDaemon(bodiesIn(sql))
          yield* Effect.yieldNow()
          assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
          return [waiting, yield* connection.execute("SELECT 1 AS n", [], undefined)] as const
        })
      )
      assert.deepStrictEqual(rows, [{ n: 1 }])
      assert.deepStrictEqual(yield* Fiber.join(waiting), ["first"])
    })
  )

  it.scoped("runs a query again when the program's own Reactivity says that its rows changed", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const ready = Layer.provide(DatabaseReady.layer({ filename: file, migrations: notes }), platform)
      const context = yield* Layer.build(Layer.merge(ready, Reactivity.layer))
      const sql = Context.get(context, SqlClient.SqlClient)
      const reactivity = Context.get(context, Reactivity.Reactivity)
      const started = yield* Deferred.make<void>()
      const counts = sql.reactive(["notes"], bodiesIn(sql)).pipe(
        Stream.map((bodies) => bodies.length),
        Stream.tap(() => Deferred.succeed(started, undefined)),
        Stream.take(2),
        Stream.runCollect
      )
      const fiber = yield* Effect.fork(counts)
      yield* Deferred.await(started)
      yield* reactivity.mutation(["notes"], add(sql, "second"))
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(fiber)), [1, 2])
    })
  )

  it.scoped("names the database in each span", () =>
    Effect.gen(function* () {
      const { file, sql } = yield* readyWith({ client: { spanAttributes: { tenant: "t1" } } })
      const exit = yield* Effect.exit(sql.withTransaction(Effect.currentSpan))
      assert.isTrue(Exit.isSuccess(exit))
      if (Exit.isSuccess(exit)) {
        assert.strictEqual(exit.value.attributes.get("db.namespace"), file)
        assert.strictEqual(exit.value.attributes.get("tenant"), "t1")
      }
    })
  )
})
