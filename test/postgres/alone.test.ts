/** Migrations whose statement runs in no transaction. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { Migrations } from "../../layers/index.ts"
import { DatabaseReady, type LayerOptions } from "../../layers/postgres.ts"
import { postgresStatements } from "../../layers/schema/PostgresScript.ts"
import { hasPostgres } from "./cluster.ts"
import { ask, newDatabase, until } from "./databases.ts"

const notes = {
  "001_notes.sql": "CREATE TABLE notes (note text); INSERT INTO notes SELECT n::text FROM generate_series(1, 100) n;"
}
const none = "-- database-ready: transaction = none\n"
const indexed = { ...notes, "002_index.sql": `${none}CREATE UNIQUE INDEX CONCURRENTLY notes_note ON notes (note);` }
const all = { ...indexed, "003_more.sql": "ALTER TABLE notes ADD COLUMN more int;" }

type Files = Readonly<Record<string, string>>
const start = (url: string, files: Files, options: Partial<LayerOptions<never>> = {}) =>
  Effect.map(
    Layer.build(DatabaseReady.layer({ url, ...options, migrations: Migrations.fromRecord(files) })),
    (context) => Context.get(context, DatabaseReady)
  ).pipe(Effect.scoped)

const rows = (url: string) => ask(url, "SELECT version, status FROM schema_migrations ORDER BY version")
const indexes = (url: string) =>
  ask(
    url,
    "SELECT relname AS name, indisvalid AS valid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname LIKE 'notes_%' ORDER BY 1"
  )

const completed = (...versions: ReadonlyArray<string>) => versions.map((version) => ({ version, status: "completed" }))

/** A reader whose snapshot CREATE INDEX CONCURRENTLY waits for. */
const reading = (url: string) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(
      ask(url, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM notes; SELECT pg_sleep(60)")
    )
    const asleep = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    yield* until(Effect.map(ask(url, asleep), (found) => found.length === 1))
    return Effect.zipRight(
      ask(url, `SELECT pg_terminate_backend(pid) FROM (${asleep}) AS reader`),
      Effect.asVoid(Fiber.await(fiber))
    )
  })

const building = (url: string) =>
  Effect.map(
    ask(
      url,
      "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%CONCURRENTLY notes_note ON%' AND state = 'active' AND pid <> pg_backend_pid()"
    ),
    ([row]) => row?.pid
  )

describe.skipIf(!hasPostgres)("a migration without a transaction", () => {
  it.live("cuts what is pending in two, and is applied once by starters at the same time", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const ready = yield* Effect.all(
        Array.from({ length: 4 }, () => start(url, all)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(ready.flatMap(({ report }) => report.applied.map(({ version }) => version)).toSorted(), [
        "001",
        "002",
        "003"
      ])
      assert.deepStrictEqual(yield* rows(url), completed("001", "002", "003"))
      assert.deepStrictEqual(yield* indexes(url), [{ name: "notes_note", valid: true }])
      // A replay makes the same schema, within a transaction.
      yield* ask(url, "UPDATE schema_migrations SET schema_fingerprint = 'of another release' WHERE version = '003'")
      assert.deepStrictEqual((yield* start(url, all)).report.integrity.extra, [])
    })
  )

  it.live("that fails leaves nothing of it: no row, no invalid index; what came before stands", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const files = { ...all, "001_notes.sql": `${notes["001_notes.sql"]} INSERT INTO notes VALUES ('1');` }
      const error = yield* Effect.flip(start(url, files))
      assert.strictEqual(error.reason, "StatementFailed")
      assert.match(error.message, /002_index failed.*23505.*What was applied before stands: 001_notes/)
      assert.deepStrictEqual(yield* rows(url), completed("001"))
      assert.deepStrictEqual(yield* indexes(url), [])
      yield* ask(url, "DELETE FROM notes WHERE ctid = (SELECT max(ctid) FROM notes)")
      assert.deepStrictEqual(
        (yield* start(url, files)).report.applied.map(({ version }) => version),
        ["002", "003"]
      )
    })
  )

  it.live(
    "that was ended in the middle is found by the next start, which drops the invalid index and makes it again",
    () =>
      Effect.gen(function* () {
        const url = yield* newDatabase
        yield* start(url, notes)
        const endReading = yield* reading(url)
        const first = yield* Effect.fork(start(url, all))
        yield* until(Effect.map(building(url), (pid) => pid !== undefined))
        yield* until(Effect.map(indexes(url), (found) => found.length === 1))
        const told: Array<string> = []
        const second = yield* Effect.fork(
          start(url, all, {
            onProgress: (event) => Effect.sync(() => (event._tag === "StageWaiting" ? told.push(event.reason) : 0))
          })
        )
        yield* until(Effect.sync(() => told.length > 0))
        assert.match(told[0] ?? "", /another program is migrating the database.*held by process \d+ \(database-ready /)
        yield* Fiber.interrupt(second)
        // The client is gone in the middle of it, and the server notices.
        const pid = yield* building(url)
        yield* Fiber.interrupt(first)
        yield* until(Effect.map(building(url), (now) => now !== pid))
        assert.deepStrictEqual(yield* rows(url), [...completed("001"), { version: "002", status: "started" }])
        assert.deepStrictEqual(yield* indexes(url), [{ name: "notes_note", valid: false }])
        const looked = yield* Effect.flip(start(url, all, { access: "inspect" }))
        assert.strictEqual(looked.reason, "Pending")
        yield* endReading
        assert.deepStrictEqual(
          (yield* start(url, all)).report.applied.map(({ version }) => version),
          ["002", "003"]
        )
        assert.deepStrictEqual(yield* indexes(url), [{ name: "notes_note", valid: true }])
      })
  )

  it.live("that had ended before it was recorded is recorded, and not run again", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      yield* start(url, indexed)
      const [before] = yield* ask(url, "SELECT 'notes_note'::regclass::oid::int8 AS oid")
      yield* ask(
        url,
        "UPDATE schema_migrations SET status = 'started', schema_fingerprint = NULL, schema_objects = NULL WHERE version = '002'; UPDATE schema_migrations SET schema_objects = '[\"relation notes\",\"column notes.note\"]' WHERE version = '001'"
      )
      yield* start(url, all)
      assert.deepStrictEqual(yield* ask(url, "SELECT 'notes_note'::regclass::oid::int8 AS oid"), [before])
      const dropped = { ...all, "004_drop.sql": `${none}DROP INDEX CONCURRENTLY notes_note` }
      yield* start(url, dropped)
      yield* ask(url, "UPDATE schema_migrations SET status = 'started' WHERE version = '004'")
      yield* start(url, dropped)
      assert.deepStrictEqual(yield* indexes(url), [])
    })
  )

  it.live.each([
    {
      what: "two statements",
      text: `${none}CREATE INDEX CONCURRENTLY a ON notes (note); SELECT 1`,
      says: /for one statement a file/
    },
    {
      what: "an index without a name",
      text: `${none}CREATE INDEX CONCURRENTLY ON notes (note)`,
      says: /CONCURRENTLY name/
    },
    { what: "a statement that needs none", text: `${none}CREATE TABLE more ()`, says: /for one statement a file/ },
    { what: "no declaration", text: "CREATE INDEX CONCURRENTLY a ON notes (note)", says: /transaction = none/ }
  ])("is refused for $what, and nothing was changed", ({ says, text }) =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const error = yield* Effect.flip(start(url, { ...notes, "002_wrong.sql": text }))
      assert.deepStrictEqual([error._tag, error.reason], ["UpgradeError", "NotAllowed"])
      assert.match(error.sentence, says)
      assert.deepStrictEqual(yield* ask(url, "SELECT FROM pg_class WHERE relname = 'notes'"), [])
    })
  )

  it.live("does not touch an index of that name that was there before", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      yield* start(url, notes)
      yield* ask(url, "CREATE INDEX notes_note ON notes (upper(note))")
      const error = yield* Effect.flip(start(url, all))
      assert.match(error.sentence, /there is an index notes_note already/)
      assert.deepStrictEqual(yield* rows(url), completed("001"))
      assert.deepStrictEqual(yield* indexes(url), [{ name: "notes_note", valid: true }])
    })
  )

  it.effect("is for PostgreSQL: the comment is not part of the statement", () =>
    Effect.sync(() =>
      assert.deepStrictEqual(
        postgresStatements(indexed["002_index.sql"]).map(({ line }) => line),
        [2]
      )
    )
  )
})
