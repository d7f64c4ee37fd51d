import { SqlClient } from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { Migrations } from "../../layers/index.ts"
import { DatabaseReady, type InitializationError, type LayerOptions } from "../../layers/postgres.ts"
import { hasPostgres, socketFolder } from "./cluster.ts"
import { ask, contentsOf, copyOf, newDatabase, until, urlOf } from "./databases.ts"

const notes = {
  "001_create_notes.sql": `CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text NOT NULL);
CREATE INDEX notes_note ON notes (note);`,
  "002_add_owners.sql": `-- whom they belong to
CREATE TABLE owners (name text PRIMARY KEY);
ALTER TABLE notes ADD COLUMN owner text REFERENCES owners;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN NEW.note := trim(NEW.note); RETURN NEW; END; $body$;
CREATE TRIGGER notes_touch BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION touch();`
}

type Options = Partial<Omit<LayerOptions<never>, "migrations">> & { readonly files?: Readonly<Record<string, string>> }

/** Starts, and closes what it started. */
const start = (url: string, { files = notes, ...options }: Options = {}) =>
  Effect.map(
    Layer.build(DatabaseReady.layer({ url, migrations: Migrations.fromRecord(files), ...options })),
    (context) => ({ ...Context.get(context, DatabaseReady), sql: Context.get(context, SqlClient) })
  ).pipe(Effect.scoped)

const refused = (url: string, options?: Options) => Effect.flip(start(url, options))

const nameOf = ({ _tag, reason }: InitializationError) => `${_tag}.${reason}`

/** The URL of a database that is ready, to be copied: that is quicker than another start. */
let ready: string | undefined
const template = Effect.gen(function* () {
  if (ready !== undefined) return ready
  const url = yield* newDatabase
  yield* start(url)
  ready = url
  return url
})

describe.skipIf(!hasPostgres)("a start on PostgreSQL", () => {
  it.live("applies what is pending, hands out a client, and finds nothing to do the next time", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const { report } = yield* start(url, { program: "notes 1" })
      assert.deepStrictEqual(
        report.stages.map(({ name }) => name),
        ["directory", "connection", "pragmas", "migrations", "integrity"]
      )
      assert.deepStrictEqual(
        [
          report.status,
          report.engine,
          report.schemaVersion,
          report.applied.map(({ name }) => name),
          report.integrity.extra
        ],
        ["ready", "postgres", "002", ["create_notes", "add_owners"], []]
      )
      assert.notInclude(JSON.stringify(report), "owner@")
      // The server of the tests does not sync.
      assert.match(report.warnings.join(), /^The server has fsync off/)
      const rows = yield* ask(
        url,
        "SELECT version, description, status, name, program FROM schema_migrations ORDER BY migration_id"
      )
      assert.deepStrictEqual(rows, [
        { version: "001", description: "create notes", status: "completed", name: "create_notes", program: "notes 1" },
        { version: "002", description: "add owners", status: "completed", name: "add_owners", program: "notes 1" }
      ])
      const before = yield* contentsOf(url)
      const again = yield* start(url)
      assert.deepStrictEqual(again.report.applied, [])
      assert.strictEqual(again.report.integrity.fingerprint, report.integrity.fingerprint)
      assert.deepStrictEqual(yield* contentsOf(url), before)
    })
  )

  it.live("applies a migration that is only a comment, and refuses an empty file", () =>
    Effect.gen(function* () {
      const url = yield* copyOf(yield* template)
      const comment = { ...notes, "003_wider.sql": "-- Numbers are as wide here as they have to be.\n" }
      assert.strictEqual((yield* start(url, { files: comment })).report.schemaVersion, "003")
      assert.deepStrictEqual((yield* start(url, { files: comment })).report.applied, [])
      const empty = yield* refused(url, { files: { ...comment, "004_empty.sql": "\n" } })
      assert.strictEqual(nameOf(empty), "UpgradeError.Incomplete")
    })
  )

  it.live("gives each of its connections the same settings", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      yield* ask(
        url,
        "ALTER ROLE owner SET TimeZone = 'Asia/Tokyo'; ALTER ROLE owner SET default_transaction_isolation = 'serializable'"
      )
      const settings = yield* Effect.scoped(
        Effect.gen(function* () {
          const context = yield* Layer.build(DatabaseReady.layer({ url, migrations: Migrations.fromRecord(notes) }))
          const sql = Context.get(context, SqlClient)
          const shown = sql`SELECT pg_sleep(0.05), pg_backend_pid() AS pid, current_setting('TimeZone') AS zone,
            current_setting('transaction_isolation') AS isolation, current_setting('search_path') AS path`
          return yield* Effect.all([shown, shown, shown], { concurrency: "unbounded" })
        })
      ).pipe(Effect.ensuring(ask(url, "ALTER ROLE owner RESET ALL")))
      const rows = settings.flat()
      assert.strictEqual(new Set(rows.map(({ pid }) => pid)).size, 3)
      for (const { isolation, path, zone } of rows) {
        assert.deepStrictEqual([zone, isolation, path], ["UTC", "read committed", '"public"'])
      }
    })
  )

  it.live("runs a migration that is an Effect, in the same transaction", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const fill = Effect.gen(function* () {
        const sql = yield* SqlClient
        yield* sql`INSERT INTO notes (note) VALUES (' filled ')`
      })
      const migrations = Migrations.all(
        Migrations.fromRecord(notes),
        Migrations.fromEffect("003_fill", fill, { version: "1" })
      )
      yield* Effect.scoped(Layer.build(DatabaseReady.layer({ url, migrations })))
      assert.deepStrictEqual(yield* ask(url, "SELECT note FROM notes"), [{ note: "filled" }])
      const failing = Migrations.all(
        Migrations.fromRecord({ ...notes, "004_lost.sql": "CREATE TABLE lost ()" }),
        Migrations.fromEffect("003_fill", fill, { version: "1" }),
        Migrations.fromEffect("005_fail", Effect.fail("no luck"))
      )
      const error = yield* Effect.flip(Effect.scoped(Layer.build(DatabaseReady.layer({ url, migrations: failing }))))
      assert.strictEqual(nameOf(error), "UpgradeError.EffectFailed")
      assert.include(error.message, "no luck")
      assert.deepStrictEqual(yield* ask(url, "SELECT to_regclass('lost') AS lost"), [{ lost: null }])
    })
  )

  it.live("creates a database only where it is asked to, sixteen at once too", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.promise(socketFolder)
      const url = urlOf(folder, "created_by_a_start")
      assert.strictEqual(nameOf(yield* refused(url)), "DirectoryError.Absent")
      const ready = yield* Effect.all(
        Array.from({ length: 16 }, () => start(url, { create: true })),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(ready.flatMap(({ report }) => report.applied).length, 2)
    })
  )

  it.live("inspects without writing", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      assert.strictEqual(nameOf(yield* refused(url, { access: "inspect" })), "UpgradeError.Pending")
      assert.deepStrictEqual((yield* contentsOf(url)).relations, [])
      yield* start(url)
      assert.strictEqual((yield* start(url, { access: "inspect" })).report.schemaVersion, "002")
    })
  )
})

describe.skipIf(!hasPostgres)("a start on PostgreSQL is refused", () => {
  const cases: ReadonlyArray<{
    readonly what: string
    readonly change?: string
    readonly files?: Readonly<Record<string, string>>
    readonly name: string
    readonly says: RegExp
  }> = [
    {
      what: "a dropped table",
      change: "DROP TABLE owners CASCADE",
      name: "IntegrityError.SchemaDiffers",
      says: /missing: .*relation owners/
    },
    {
      what: "a dropped index",
      change: "DROP INDEX notes_note",
      name: "IntegrityError.SchemaDiffers",
      says: /missing: index notes_note\b/
    },
    {
      what: "a column of a table of ours",
      change: "ALTER TABLE notes ADD extra int",
      name: "IntegrityError.SchemaDiffers",
      says: /extra: column notes.extra/
    },
    {
      what: "a changed function",
      change: "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
      name: "IntegrityError.SchemaDiffers",
      says: /changed: function touch\(\)/
    },
    {
      what: "foreign keys and triggers that are switched off",
      change: "ALTER TABLE notes DISABLE TRIGGER ALL",
      name: "IntegrityError.SchemaDiffers",
      says: /notes_owner_fkey \(disabled\).*trigger notes.notes_touch/
    },
    {
      what: "an invalid index",
      change: "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'notes_note'::regclass",
      name: "IntegrityError.SchemaDiffers",
      says: /index notes_note \(invalid\)/
    },
    {
      what: "an edited file",
      files: { ...notes, "001_create_notes.sql": "CREATE TABLE notes (note text)" },
      name: "HistoryError.Edited",
      says: /001_create_notes/
    },
    {
      what: "a renamed file",
      files: { "001_create_notes.sql": notes["001_create_notes.sql"], "002_owners.sql": notes["002_add_owners.sql"] },
      name: "HistoryError.Renamed",
      says: /002_add_owners is now 002_owners/
    },
    {
      what: "a newer database",
      files: { "001_create_notes.sql": notes["001_create_notes.sql"] },
      name: "HistoryError.NewerDatabase",
      says: /002_add_owners/
    },
    {
      what: "a missing file",
      files: { "002_add_owners.sql": notes["002_add_owners.sql"] },
      name: "HistoryError.Missing",
      says: /001_create_notes/
    },
    {
      what: "an unfinished migration",
      change: "UPDATE schema_migrations SET status = 'started' WHERE version = '002'",
      name: "HistoryError.NotCompleted",
      says: /002_add_owners/
    },
    {
      what: "a table of that name of another tool",
      change: "DROP TABLE schema_migrations; CREATE TABLE schema_migrations (version text)",
      name: "HistoryError.ForeignHistory",
      says: /another tool/
    },
    {
      what: "a statement that fails, with its line",
      files: { ...notes, "003_fails.sql": "CREATE TABLE third ();\n-- 🙂\nSELECT $$;$$,\n  nothing" },
      name: "UpgradeError.StatementFailed",
      says: /line 4, `SELECT \$\$;\$\$, nothing` \(42703/
    },
    {
      what: "a transaction of its own",
      files: { ...notes, "003_commits.sql": "CREATE TABLE third (); COMMIT; CREATE TABLE fourth ()" },
      name: "UpgradeError.NotAllowed",
      says: /`COMMIT` \(it begins or ends a transaction/
    },
    {
      what: "what PostgreSQL runs in no transaction",
      files: { ...notes, "003_slow.sql": "CREATE INDEX CONCURRENTLY slow ON notes (owner)" },
      name: "UpgradeError.NotAllowed",
      says: /in a transaction/
    },
    {
      what: "a declaration of SQLite's",
      files: { ...notes, "003_rebuild.sql": "-- database-ready: foreign_keys = off\nDROP TABLE notes" },
      name: "UpgradeError.NotForPostgres",
      says: /foreign_keys = off/
    },
    {
      what: "rows that are deleted",
      change: "INSERT INTO notes (note) VALUES ('a'), ('b')",
      files: { ...notes, "003_clean.sql": "DELETE FROM notes WHERE note = 'a'" },
      name: "UpgradeError.RowsDeleted",
      says: /notes: 1 row\b/
    },
    {
      what: "a table with rows that is emptied",
      change: "INSERT INTO notes (note) VALUES ('a')",
      files: { ...notes, "003_clean.sql": "TRUNCATE notes" },
      name: "UpgradeError.RowsDeleted",
      says: /notes: all rows/
    },
    {
      what: "a table with rows that is dropped",
      change: "INSERT INTO notes (note) VALUES ('a')",
      files: { ...notes, "003_drop.sql": "DROP TABLE notes" },
      name: "UpgradeError.RowsDeleted",
      says: /notes: all rows/
    }
  ]

  it.live.each(cases)("for $what, by name, and changes nothing", ({ change, files, name, says }) =>
    Effect.gen(function* () {
      const url = yield* copyOf(yield* template)
      if (change !== undefined) yield* ask(url, change)
      const before = yield* contentsOf(url)
      const error = yield* refused(url, files === undefined ? {} : { files })
      assert.strictEqual(nameOf(error), name)
      assert.match(error.sentence, says)
      assert.include(error.message, "Remedy: ")
      assert.match(error.database ?? "", /^postgres:\/\/\//)
      assert.deepStrictEqual(yield* contentsOf(url), before)
    })
  )

  it.live("where it is not let in, by name, and never with the password", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const folder = yield* Effect.promise(socketFolder)
      yield* Effect.ignore(
        Effect.sandbox(ask(url, "CREATE ROLE guarded LOGIN PASSWORD 'right'; CREATE ROLE locked_out LOGIN"))
      )
      const give = { directory: { schedule: Schedule.recurs(2) } }
      const where = urlOf(folder, "postgres")
      const wrong = yield* refused(where.replace("owner@", "guarded:wr0ng@"))
      assert.strictEqual(nameOf(wrong), "DirectoryError.AccessDenied")
      assert.notInclude(JSON.stringify([wrong, wrong.message]), "wr0ng")
      assert.strictEqual(nameOf(yield* refused(where.replace("owner@", "locked_out@"))), "DirectoryError.AccessDenied")
      assert.strictEqual(nameOf(yield* refused(urlOf(folder, "nowhere"))), "DirectoryError.Absent")
      const closed = yield* refused("postgres://owner@127.0.0.1:1/app", { policies: give })
      assert.deepStrictEqual([nameOf(closed), closed.retryable], ["DirectoryError.Unreachable", true])
      const nobody = yield* refused("postgres://owner@/app?host=/nowhere", { policies: give })
      assert.strictEqual(nameOf(nobody), "DirectoryError.Unreachable")
      const plain = yield* refused(`${where}&sslmode=require`)
      assert.strictEqual(nameOf(plain), "DirectoryError.NoTls")
      assert.strictEqual(nameOf(yield* refused("postgres://owner@one,two/app")), "DirectoryError.InvalidUrl")
      assert.strictEqual(nameOf(yield* refused(url, { schema: "absent" })), "ConnectionError.NoSchema")
    })
  )

  it.live("but not for what others made, nor for a declaration that allows it", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      yield* start(url)
      yield* ask(url, "CREATE TABLE of_others (id int PRIMARY KEY); INSERT INTO notes (note) VALUES ('a')")
      const { report } = yield* start(url)
      assert.include(report.integrity.extra, "relation of_others")
      const files = {
        ...notes,
        "003_clean.sql": "-- database-ready: deletes = notes\n-- database-ready: compatible_from = 2\nDELETE FROM notes"
      }
      yield* start(url, { files })
      const older = yield* start(url)
      assert.strictEqual(older.report.schemaVersion, "003")
      assert.deepStrictEqual(older.report.integrity.extra, report.integrity.extra)
    })
  )
})

describe.skipIf(!hasPostgres)("several starts on one PostgreSQL database", () => {
  it.live("are all ready, sixteen at once, and each migration is applied once", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const ready = yield* Effect.all(
        Array.from({ length: 16 }, () => start(url)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(ready.flatMap(({ report }) => report.applied).length, 2)
      assert.deepStrictEqual(
        ready.map(({ report }) => report.schemaVersion),
        Array.from({ length: 16 }, () => "002")
      )
    })
  )

  it.live("wait for the one that migrates, and name it; one that is interrupted leaves nothing", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const slow = { "001_slow.sql": "CREATE TABLE slow (); SELECT pg_sleep(60)" }
      const first = yield* Effect.fork(start(url, { files: slow }))
      const asleep = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
      yield* until(Effect.map(ask(url, asleep), (rows) => rows.length === 1))
      const told: Array<string> = []
      const second = yield* Effect.fork(
        start(url, {
          onProgress: (event) => Effect.sync(() => (event._tag === "StageWaiting" ? told.push(event.reason) : 0))
        })
      )
      yield* until(Effect.sync(() => told.length > 1))
      assert.match(told.join("\n"), new RegExp(`\\d+ \\(database-ready \\S+ ${process.pid}\\)`))
      yield* Fiber.interrupt(first)
      const { report } = yield* Fiber.join(second)
      assert.strictEqual(report.schemaVersion, "002")
      assert.deepStrictEqual(yield* ask(url, "SELECT to_regclass('slow') AS slow"), [{ slow: null }])
    })
  )

  it.live("try again where another program has locked a table", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      yield* start(url)
      const told: Array<string> = []
      const reader = yield* Effect.fork(ask(url, "BEGIN; LOCK TABLE notes IN ACCESS SHARE MODE; SELECT pg_sleep(60)"))
      const asleep = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
      yield* until(Effect.map(ask(url, asleep), (rows) => rows.length === 1))
      const files = { ...notes, "003_more.sql": "ALTER TABLE notes ADD COLUMN more int" }
      const altering = yield* Effect.fork(
        start(url, {
          files,
          lockTimeout: "200 millis",
          onProgress: (event) => Effect.sync(() => (event._tag === "StageWaiting" ? told.push(event.reason) : 0))
        })
      )
      const [{ pid }] = yield* ask(url, asleep)
      yield* until(Effect.sync(() => told.some((reason) => reason.includes(`${pid} (`))))
      assert.match(told[0] ?? "", /has locked what 003_more needs.*55P03/)
      yield* ask(url, `SELECT pg_terminate_backend(pid) FROM (${asleep}) AS reader`)
      yield* Fiber.await(reader)
      assert.strictEqual((yield* Fiber.join(altering)).report.schemaVersion, "003")
    })
  )
})

describe.skipIf(!hasPostgres)("a database that is ready on PostgreSQL", () => {
  it.live("repeats a write that could not be serialized", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const context = yield* Layer.build(DatabaseReady.layer({ url, migrations: Migrations.fromRecord(notes) }))
      const { write } = Context.get(context, DatabaseReady)
      const sql = Context.get(context, SqlClient)
      let runs = 0
      const haveRead = yield* Deferred.make<void>()
      const addUnlessThere = write(
        Effect.gen(function* () {
          runs += 1
          const [row] = yield* sql<{ rows: number }>`SELECT count(*) AS rows FROM notes`
          // Both have read before one of them writes.
          if (runs === 2) yield* Deferred.succeed(haveRead, undefined)
          yield* Deferred.await(haveRead)
          if (row?.rows === 0) yield* sql`INSERT INTO notes (note) VALUES ('only')`
        })
      )
      yield* Effect.all([addUnlessThere, addUnlessThere], { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* sql`SELECT note FROM notes`, [{ note: "only" }])
      assert.strictEqual(runs, 3)
    }).pipe(Effect.scoped)
  )

  it.live("says when it is not ready any more", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const context = yield* Layer.build(DatabaseReady.layer({ url, migrations: Migrations.fromRecord(notes) }))
      const { health } = Context.get(context, DatabaseReady)
      assert.strictEqual((yield* health).schemaVersion, "002")
      yield* ask(url, "ALTER TABLE notes DISABLE TRIGGER notes_touch")
      assert.strictEqual((yield* Effect.flip(health)).reason, "SchemaDiffers")
      yield* ask(
        url,
        "ALTER TABLE notes ENABLE TRIGGER notes_touch; DELETE FROM schema_migrations WHERE version = '002'"
      )
      assert.strictEqual((yield* Effect.flip(health)).reason, "Unrecorded")
    }).pipe(Effect.scoped)
  )
})
