import { createServer, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { addressOf } from "../../layers/postgres/DatabaseUrl.ts"
import { PostgresFailure } from "../../layers/postgres/PostgresFailure.ts"
import { hasPostgres } from "./cluster.ts"
import { ask, clientOn, newDatabase, until } from "./databases.ts"

const codeOf = (error: unknown) => PostgresFailure.from(error).code

describe.skipIf(!hasPostgres)("the client on PostgreSQL", () => {
  it.live("gives numbers for bigint, a bigint where a number is not exact, and text for times without a zone", () =>
    Effect.gen(function* () {
      const { sql } = yield* clientOn(yield* newDatabase)
      const [row] =
        yield* sql`SELECT count(*) AS count, 9007199254740993 AS large, timestamp '2026-01-02 03:04' AS local,
        timestamptz '2026-01-02 03:04+00' AS moment, date '2026-01-02' AS day, ${sql.json({ a: 1 })}::jsonb AS json`
      assert.deepStrictEqual(row, {
        count: 1,
        large: 9007199254740993n,
        local: "2026-01-02 03:04:00",
        moment: new Date("2026-01-02T03:04:00Z"),
        day: "2026-01-02",
        json: { a: 1 }
      })
    }).pipe(Effect.scoped)
  )

  it.live("reads values as the program has chosen, however a statement is run, and in a transaction", () =>
    Effect.gen(function* () {
      const types = {
        getTypeParser: (type: number) => (text: string) => `${type}: ${text}`
      }
      const { sql } = yield* clientOn(yield* newDatabase, {}, { types })
      const statement = sql<{ readonly yes: string }>`SELECT true AS yes`
      const read = [{ yes: "16: t" }]
      assert.deepStrictEqual(yield* statement, read)
      assert.deepStrictEqual(yield* statement.values, [["16: t"]])
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(statement.stream)), read)
      assert.deepStrictEqual(yield* sql.withTransaction(statement), read)
      const reserved = yield* sql.reserve
      assert.deepStrictEqual(yield* reserved.executeUnprepared("SELECT true AS yes", [], undefined), read)
    }).pipe(Effect.scoped)
  )

  it.live("harms no other fiber's statement when 300 statements are interrupted", () =>
    Effect.gen(function* () {
      const { sql } = yield* clientOn(yield* newDatabase, { maxConnections: 3 })
      let isOver = false
      const innocent = yield* Effect.fork(
        Effect.forEach(
          [1, 2],
          () =>
            Effect.gen(function* () {
              let answered = 0
              while (!isOver) {
                yield* sql`SELECT pg_sleep(0.001)`
                answered += 1
              }
              return answered
            }),
          { concurrency: "unbounded" }
        )
      )
      yield* Effect.forEach(
        Array.from({ length: 300 }, (_, index) => index),
        (index) =>
          Effect.gen(function* () {
            const fiber = yield* Effect.fork(sql`SELECT pg_sleep(60)`)
            yield* Effect.sleep(`${index % 5} millis`)
            yield* Fiber.interrupt(fiber)
          }),
        { concurrency: 3 }
      )
      isOver = true
      const answered = yield* Fiber.join(innocent)
      assert.isTrue(answered.every((times) => times > 0))
    }).pipe(Effect.scoped)
  )

  it.live(
    "waits for no server that has stopped answering: neither a statement that is interrupted, nor a connection",
    () =>
      Effect.gen(function* () {
        const url = `postgres://owner@127.0.0.1:${yield* silentServer}/app`
        const { sql } = yield* clientOn(url)
        const answer = yield* Effect.timeoutOption(sql`SELECT 1`, "50 millis")
        assert.isTrue(Option.isNone(answer))
        // Nobody interrupts: its own time ends it.
        const { sql: other } = yield* clientOn(url, { connectTimeout: Duration.millis(100) })
        const failure = PostgresFailure.from(yield* Effect.flip(other`SELECT 1`))
        assert.include(failure.detail, "timeout")
        assert.isTrue(failure.retryable)
      }).pipe(Effect.scoped)
  )

  it.live("ends the statement and rolls back the transaction of a fiber that is interrupted, and goes on", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const { sql } = yield* clientOn(url, {
        maxConnections: 1,
        onConnect: async (client) => {
          await client.query("SET client_connection_check_interval = '50ms'; SET application_name = 'hangs'")
        }
      })
      yield* sql`CREATE TABLE notes (note text)`
      const statement = Effect.zipRight(sql`INSERT INTO notes VALUES ('half')`, sql`SELECT pg_sleep(60)`)
      const gone = yield* Effect.timeoutOption(sql.withTransaction(statement), "100 millis")
      assert.isTrue(Option.isNone(gone))
      assert.deepStrictEqual(yield* sql`SELECT note FROM notes`, [])
      // The server has noticed too, long before the minute is over.
      const running =
        "SELECT FROM pg_stat_activity WHERE application_name = 'hangs' AND query LIKE '%pg_sleep%' AND state = 'active'"
      yield* until(Effect.map(ask(url, running), (rows) => rows.length === 0))
    }).pipe(Effect.scoped)
  )

  it.live("gives nobody a connection on which a transaction was left open", () =>
    Effect.gen(function* () {
      const { sql } = yield* clientOn(yield* newDatabase, { maxConnections: 1 })
      yield* sql`BEGIN; CREATE TABLE left_open ()`
      const [found] = yield* sql`SELECT to_regclass('left_open') AS found`
      assert.deepStrictEqual(found, { found: null })
    }).pipe(Effect.scoped)
  )

  it.live("fails at once where a connection was lost before it is used", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const { sql } = yield* clientOn(url, { maxConnections: 1 })
      const lost = yield* sql
        .withTransaction(
          Effect.gen(function* () {
            const [me] = yield* sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`
            yield* ask(url, "SELECT pg_terminate_backend($1)", [me?.pid])
            // Until `pg` has heard of it.
            yield* Effect.sleep("300 millis")
            return PostgresFailure.from(yield* Effect.flip(sql`SELECT 1`))
          })
        )
        .pipe(Effect.catchAll((error) => Effect.succeed(PostgresFailure.from(error))))
      assert.isTrue(lost.retryable, lost.detail)
      assert.deepStrictEqual(yield* sql`SELECT 1 AS one`, [{ one: 1 }])
    }).pipe(Effect.scoped)
  )

  it.live("fails, with the code of the server, where a connection is lost", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const { sql } = yield* clientOn(url, { maxConnections: 1 })
      const [me] = yield* sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`
      const sleeping = yield* Effect.fork(Effect.flip(sql`SELECT pg_sleep(60)`))
      const asleep = "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'"
      yield* until(Effect.map(ask(url, asleep, [me?.pid]), (rows) => rows.length === 1))
      yield* ask(url, "SELECT pg_terminate_backend($1)", [me?.pid])
      const failure = PostgresFailure.from(yield* Fiber.join(sleeping))
      assert.deepStrictEqual([failure.code, failure.retryable], ["57P01", true])
      assert.deepStrictEqual(yield* sql`SELECT 1 AS one`, [{ one: 1 }])
    }).pipe(Effect.scoped)
  )
})

describe.skipIf(!hasPostgres)("a transaction on PostgreSQL", () => {
  it.live("fails where its commit fails, or where a statement of it had failed", () =>
    Effect.gen(function* () {
      const { sql } = yield* clientOn(yield* newDatabase)
      yield* sql`CREATE TABLE parents (id int PRIMARY KEY)`
      yield* sql`CREATE TABLE children (parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED)`
      const orphan = yield* Effect.flip(sql.withTransaction(sql`INSERT INTO children VALUES (1)`))
      assert.strictEqual(codeOf(orphan), "23503")
      const swallowed = yield* Effect.flip(
        sql.withTransaction(Effect.zipRight(sql`INSERT INTO parents VALUES (1)`, Effect.ignore(sql`SELECT nothing`)))
      )
      assert.include(swallowed.message, "rolled back")
      assert.deepStrictEqual(yield* sql`SELECT id FROM parents`, [])
    }).pipe(Effect.scoped)
  )

  it.live("within another is a savepoint", () =>
    Effect.gen(function* () {
      const { sql } = yield* clientOn(yield* newDatabase, { maxConnections: 1 })
      yield* sql`CREATE TABLE notes (note text)`
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`INSERT INTO notes VALUES ('kept')`
          yield* Effect.ignore(
            sql.withTransaction(Effect.zipRight(sql`INSERT INTO notes VALUES ('undone')`, Effect.fail("no")))
          )
          yield* sql.withTransaction(sql`INSERT INTO notes VALUES ('too')`)
        })
      )
      assert.deepStrictEqual(yield* sql`SELECT note FROM notes ORDER BY note`, [{ note: "kept" }, { note: "too" }])
    }).pipe(Effect.scoped)
  )

  it.live("has the isolation level that it asks for", () =>
    Effect.gen(function* () {
      const { sql, transaction } = yield* clientOn(yield* newDatabase)
      const shown = sql<{ level: string; only: string }>`SELECT current_setting('transaction_isolation') AS level,
        current_setting('transaction_read_only') AS only`
      assert.deepStrictEqual(yield* sql.withTransaction(shown), [{ level: "read committed", only: "off" }])
      const serializable = transaction({ isolation: "serializable", readOnly: true })
      assert.deepStrictEqual(yield* serializable(shown), [{ level: "serializable", only: "on" }])
    }).pipe(Effect.scoped)
  )

  it.live("on one database takes no part in one on another", () =>
    Effect.gen(function* () {
      const here = yield* clientOn(yield* newDatabase)
      const there = yield* clientOn(yield* newDatabase)
      yield* there.sql`CREATE TABLE notes ()`
      yield* Effect.ignore(
        here.sql.withTransaction(Effect.zipRight(there.sql`INSERT INTO notes DEFAULT VALUES`, Effect.fail("no")))
      )
      assert.deepStrictEqual(yield* there.sql`SELECT count(*) AS rows FROM notes`, [{ rows: 1 }])
    }).pipe(Effect.scoped)
  )
})

describe.skipIf(!hasPostgres)("a stream on PostgreSQL", () => {
  it.live("gives rows on demand, with parameters, and leaves its transaction free for other statements", () =>
    Effect.gen(function* () {
      const { sql } = yield* clientOn(yield* newDatabase, { maxConnections: 1 })
      yield* sql`CREATE TABLE doubles (n int)`
      yield* sql.withTransaction(
        sql<{ n: number }>`SELECT n FROM generate_series(1, ${300}::int) AS n`.stream.pipe(
          Stream.runForEach(({ n }) => sql`INSERT INTO doubles VALUES (${2 * n})`)
        )
      )
      assert.deepStrictEqual(yield* sql`SELECT count(*) AS rows, sum(n) AS sum FROM doubles`, [
        { rows: 300, sum: 90_300 }
      ])
    }).pipe(Effect.scoped)
  )

  it.live("reads no further than it is taken, and gives its connection back", () =>
    Effect.gen(function* () {
      const { sql } = yield* clientOn(yield* newDatabase, { maxConnections: 1 })
      yield* sql`CREATE SEQUENCE rows_read`
      const rows = sql<{ n: number }>`SELECT nextval('rows_read') AS n FROM generate_series(1, 100000)`.stream
      assert.strictEqual(Chunk.size(yield* Stream.runCollect(Stream.take(rows, 3))), 3)
      const [read] = yield* sql<{ last_value: number }>`SELECT last_value FROM rows_read`
      assert.isBelow(read?.last_value ?? 0, 1000)
    }).pipe(Effect.scoped)
  )

  it.live("runs a statement that writes, whole, and fails where its statement does", () =>
    Effect.gen(function* () {
      const { sql } = yield* clientOn(yield* newDatabase, { maxConnections: 1 })
      yield* sql`CREATE TABLE notes (note text)`
      const written = yield* Stream.runCollect(sql`INSERT INTO notes VALUES ('a'), ('b') RETURNING note`.stream)
      assert.deepStrictEqual(Chunk.toReadonlyArray(written), [{ note: "a" }, { note: "b" }])
      const moved = sql`WITH gone AS (DELETE FROM notes RETURNING note) SELECT note FROM gone ORDER BY note`.stream
      assert.strictEqual(Chunk.size(yield* Stream.runCollect(moved)), 2)
      assert.strictEqual(codeOf(yield* Effect.flip(Stream.runDrain(sql`SELECT nothing`.stream))), "42703")
      assert.deepStrictEqual(yield* sql`SELECT 1 AS one`, [{ one: 1 }])
    }).pipe(Effect.scoped)
  )
})

describe.skipIf(!hasPostgres)("a connection that goes back to the pool", () => {
  const left = [
    "BEGIN; SELECT 1 / 0",
    "BEGIN; CREATE TABLE left_open ()",
    "START TRANSACTION; SELECT nothing",
    "BEGIN; INSERT INTO numbers VALUES (1); SAVEPOINT here; SELECT 1 / 0"
  ]

  it.live.each(left)("has no transaction in it, whatever was left: %s", (text) =>
    Effect.gen(function* () {
      const { sql } = yield* clientOn(yield* newDatabase, { maxConnections: 1 })
      yield* sql`CREATE TABLE numbers (n int)`
      yield* Effect.ignore(sql.unsafe(text))
      yield* Effect.ignore(Effect.scoped(Effect.flatMap(sql.reserve, (one) => one.executeRaw(text, []))))
      yield* sql`INSERT INTO numbers VALUES (2)`
      assert.deepStrictEqual(yield* sql`SELECT n, to_regclass('left_open') AS made FROM numbers`, [
        { n: 2, made: null }
      ])
      // What fails by itself keeps its connection.
      const pid = sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`
      const before = yield* pid
      yield* Effect.ignore(sql`SELECT 1 / ${0}::int`)
      assert.deepStrictEqual(yield* pid, before)
    }).pipe(Effect.scoped)
  )
})

describe.skipIf(!hasPostgres)("listening on PostgreSQL", () => {
  it.live("hears what is committed, and fails when its connection is lost", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const { sql } = yield* clientOn(url)
      const heard: Array<string> = []
      const listening = yield* Effect.fork(
        Effect.flip(Stream.runForEach(sql.listen("news"), (text) => Effect.sync(() => heard.push(text))))
      )
      const listener =
        "SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN \"news\"' AND state = 'idle' AND datname = current_database()"
      yield* until(Effect.map(ask(url, listener), (rows) => rows.length === 1))
      yield* Effect.ignore(sql.withTransaction(Effect.zipRight(sql.notify("news", "undone"), Effect.fail("no"))))
      yield* sql.notify("news", "it's")
      yield* until(Effect.sync(() => heard.length > 0))
      assert.deepStrictEqual(heard, ["it's"])
      yield* ask(url, `SELECT pg_terminate_backend(pid) FROM (${listener}) AS listener`)
      assert.strictEqual(codeOf(yield* Fiber.join(listening)), "57P01")
    }).pipe(Effect.scoped)
  )
})

describe("the URL of a database", () => {
  it("is taken apart, with percent signs, an address of IPv6, or the folder of a socket", () => {
    assert.deepStrictEqual(addressOf("postgresql://me:p%40ss@[::1]:5433/app?sslmode=verify-full"), {
      host: "::1",
      port: 5433,
      database: "app",
      user: "me",
      password: "p@ss",
      ssl: {}
    })
    assert.deepStrictEqual(addressOf("postgres://me@/app?host=%2Frun%2Fpostgresql"), {
      host: "/run/postgresql",
      port: 5432,
      database: "app",
      user: "me",
      password: undefined,
      ssl: false
    })
  })

  it.each([
    ["mysql://localhost/app", "it is not of the form postgres://USER@HOST:PORT/DATABASE"],
    ["postgres://localhost", "it names no database"],
    ["postgres://localhost:99999/app", "its port is not a number from 1 to 65535"],
    ["postgres://one,two/app", "it names several hosts, and a start is on one"],
    ["postgres://localhost/app%2", "a % in it is not followed by two hexadecimal digits"],
    ["postgres://localhost/app?sslmode=prefer", "sslmode is one of disable, require, verify-ca, verify-full"],
    ["postgres://localhost/app?options=-c", "the parameter options is not known: host, port and sslmode are"]
  ])("%s is refused: %s", (url, sentence) => {
    assert.strictEqual(addressOf(url), sentence)
  })
})

/** The port of a server that takes every connection and says nothing, as a host does that is gone. */
const silentServer = Effect.map(
  Effect.acquireRelease(
    Effect.async<{ readonly port: number; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => sockets.add(socket.on("error", () => {})))
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = () => {
          for (const socket of sockets) socket.destroy()
          server.close()
        }
        resume(Effect.succeed({ port, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ),
  ({ port }) => port
)
