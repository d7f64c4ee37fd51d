import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import {
  AppliedMigrations,
  CheckedIntegrity,
  DatabaseConfig,
  DatabaseDirectory,
  DatabaseReady,
  Initialization,
  MigrationSource,
  Migrations,
  type ProgressEvent,
  SqliteConnection,
  VerifiedPragmas
} from "../layers/index.ts"
import { plain } from "../layers/schema/Declaration.ts"
import { statementsOf } from "../layers/schema/SqlScript.ts"
import { obstacleIn } from "../layers/schema/StatementRules.ts"
import {
  independently,
  onlyFirst,
  openConnection,
  pictureOf,
  platform,
  refusal,
  rowsOf,
  start,
  starting,
  temporaryFile
} from "./support/database.ts"

describe("the pragmas", () => {
  it.scoped("of the connection are those of the report, with the runtime busy timeout", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* Effect.gen(function* () {
        const { report } = yield* DatabaseReady
        const sql = yield* SqlClient.SqlClient
        const live: Record<string, unknown> = {}
        for (const pragma of Object.keys(report.pragmas)) {
          const [row] = yield* sql.unsafe(`PRAGMA ${pragma}`)
          live[pragma] = Object.values(row ?? {})[0]
        }
        assert.deepStrictEqual(live, report.pragmas)
        assert.deepStrictEqual(report.pragmas, {
          busy_timeout: 5000,
          journal_mode: "wal",
          synchronous: 1,
          foreign_keys: 1,
          trusted_schema: 0,
          cell_size_check: 1,
          journal_size_limit: 67_108_864,
          temp_store: 2,
          cache_size: -64_000,
          mmap_size: 0
        })
      }).pipe(Effect.provide(starting(file)))
    })
  )

  it.scoped("are the configured ones again after a migration that changed some", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const migrations = Migrations.fromRecord({
        "001_import.sql":
          "PRAGMA cache_size = 10; PRAGMA cell_size_check = 0; PRAGMA busy_timeout = 77; CREATE TABLE t (x)"
      })
      const { pragmas } = yield* start(file, { migrations })
      assert.deepInclude(pragmas, { cache_size: -64_000, cell_size_check: 1, busy_timeout: 5000 })
    })
  )

  it.scoped("that only a new file accepts are set before its first page, with and without migrations, and stay", () =>
    Effect.gen(function* () {
      const newFile = { pageSize: 8192, autoVacuum: "incremental", encoding: "UTF-16le" } as const
      const kept = "SELECT * FROM pragma_page_size, pragma_auto_vacuum, pragma_encoding"
      const file = yield* temporaryFile
      yield* start(file, { newFile })
      yield* start(file, { newFile })
      assert.deepStrictEqual(yield* rowsOf(file, kept), [{ page_size: 8192, auto_vacuum: 2, encoding: "UTF-16le" }])
      const bare = yield* temporaryFile
      for (const table of ["CREATE TABLE a (x)", "CREATE TABLE b (x)"]) {
        // The first table fixes the encoding.
        yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(table)).pipe(
          Effect.provide(starting(bare, { migrations: Migrations.fromRecord({}), newFile }))
        )
      }
      assert.deepStrictEqual(yield* rowsOf(bare, kept), [{ page_size: 8192, auto_vacuum: 2, encoding: "UTF-16le" }])
      const old = yield* temporaryFile
      yield* start(old)
      yield* start(old, { newFile })
      assert.deepStrictEqual(yield* rowsOf(old, kept), [{ page_size: 4096, auto_vacuum: 0, encoding: "UTF-8" }])
    })
  )

  it.scoped("that only a new file accepts are refused if a first page exists, or if they are invalid", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      mkdirSync(dirname(file))
      yield* independently(file, (connection) => connection.exec("PRAGMA journal_mode = wal"))
      const refused = yield* refusal(start(file, { newFile: { pageSize: 8192 } }))
      assert.deepInclude(refused, { _tag: "PragmaError", reason: "Mismatch", pragma: "page_size", got: "4096" })
      for (const pageSize of [0, 1000, 131_072, Number.NaN]) {
        assert.propertyVal(yield* refusal(start(file, { newFile: { pageSize } })), "reason", "OutOfRange")
      }
    })
  )

  it.scoped("that no setting names are as before after a migration that changed some", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const set = [
        "ignore_check_constraints = 1",
        "legacy_alter_table = 1",
        "main.locking_mode = exclusive",
        "max_page_count = 100",
        "case_sensitive_like = 1",
        "reverse_unordered_selects = 1",
        "wal_autocheckpoint = 7"
      ]
      const script = `CREATE TABLE t (x CHECK (x > 0)); ${set.map((one) => `PRAGMA ${one};`).join(" ")}`
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        for (const [pragma, value] of [
          ["ignore_check_constraints", 0],
          ["legacy_alter_table", 0],
          ["locking_mode", "normal"],
          ["reverse_unordered_selects", 0],
          ["wal_autocheckpoint", 1000],
          ["max_page_count", 4_294_967_294]
        ] as const) {
          assert.deepStrictEqual(yield* sql.unsafe(`PRAGMA ${pragma}`), [{ [pragma]: value }])
        }
        assert.deepStrictEqual(yield* sql`SELECT 'ABC' LIKE 'abc' AS equal`, [{ equal: 1 }])
        yield* Effect.flip(sql`INSERT INTO t VALUES (-5)`)
        yield* independently(file, (connection) => connection.exec("INSERT INTO t VALUES (5)"))
      }).pipe(Effect.provide(starting(file, { migrations: Migrations.fromRecord({ "001_import.sql": script }) })))
    })
  )

  it.scoped("that a migration may set, all of SQLite's, are unchanged afterwards", () =>
    Effect.gen(function* () {
      const readings = (migration: string) =>
        Effect.gen(function* () {
          const file = yield* temporaryFile
          return yield* Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            const found: Record<string, unknown> = {}
            for (const pragma of settable) found[pragma] = yield* sql.unsafe(`PRAGMA ${pragma}`)
            return found
          }).pipe(
            Effect.provide(
              starting(file, {
                migrations: Migrations.fromRecord({ "001_import.sql": `CREATE TABLE t (x); ${migration}` })
              })
            )
          )
        })
      const settable = yield* independently(":memory:", (connection) => {
        const names = connection.prepare("SELECT name FROM pragma_pragma_list ORDER BY name").pluck().all().map(String)
        return names.filter((name) => {
          if (
            /(?:check|list|info|_id|_count|_version|vacuum)$|^(?:optimize|stats|shrink_memory|wal_checkpoint)$/.test(
              name
            )
          )
            return false
          const sql = `PRAGMA ${name} = 1`
          const statements = statementsOf(sql)
          return obstacleIn({ id: 7, text: sql, declared: plain, statements }) === undefined
        })
      })
      for (const expected of ["analysis_limit", "cache_spill", "checkpoint_fullfsync", "fullfsync", "threads"]) {
        assert.include(settable, expected)
      }
      const untouched = yield* readings("")
      for (const value of [0, 1, 3, 50_000]) {
        // `query_only` would block everything after it.
        const all = settable.filter((name) => name !== "query_only").map((name) => `PRAGMA ${name} = ${value};`)
        assert.deepStrictEqual(yield* readings(all.join("\n")), untouched, `all, ${value}`)
      }
      // Each alone too: the size of the cache hides leftovers of `cache_spill`.
      for (const pragma of settable) {
        assert.deepStrictEqual(yield* readings(`PRAGMA ${pragma} = 3;`), untouched, pragma)
      }
    })
  )

  it.scoped("of a migration do not outlive an attempt that was not committed", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      mkdirSync(dirname(file))
      // With a rollback journal a reader keeps the first attempt from committing.
      yield* independently(file, (connection) => connection.exec("PRAGMA journal_mode = delete; CREATE TABLE old (x)"))
      const reader = yield* openConnection(file)
      reader.exec("BEGIN; SELECT * FROM old;")
      const script =
        "CREATE TABLE t (x CHECK (x > 0)); PRAGMA ignore_check_constraints = 1; PRAGMA locking_mode = exclusive;"
      const release = (event: ProgressEvent) =>
        Effect.sync(() => {
          if (event._tag === "StageWaiting" && event.attempts === 1) reader.exec("COMMIT")
        })
      const started = yield* Effect.fork(
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* Effect.flip(sql`INSERT INTO t VALUES (-5)`)
          return (yield* DatabaseReady).report.stages.find(({ name }) => name === "migrations")?.attempts
        }).pipe(
          Effect.provide(
            starting(file, {
              backups: 0,
              migrations: Migrations.fromRecord({ "001_import.sql": script }),
              onProgress: release
            })
          )
        )
      )
      yield* TestClock.adjust("5 millis")
      assert.strictEqual(yield* Fiber.join(started), 2)
    })
  )

  it.scoped("are reported as numbers to a host that reads large integers", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const { pragmas, stages } = yield* Effect.provideService(start(file), SqlClient.SafeIntegers, true)
      assert.deepInclude(pragmas, { foreign_keys: 1, cache_size: -64_000 })
      assert.include(stages.find(({ name }) => name === "pragmas")?.found, "foreign keys on")
    })
  )

  it.scoped("and marks that SQLite would change silently are refused before any upgrade", () =>
    Effect.gen(function* () {
      for (const options of [
        { pragmas: { busyTimeout: "100 days" } },
        { pragmas: { busyTimeout: 0.5 } },
        { pragmas: { threads: 9 } },
        { pragmas: { threads: -1 } },
        { applicationId: 0xcafebabe },
        { applicationId: 1.5 },
        { applicationId: Number.NaN },
        { applicationId: 0 }
      ] as const) {
        const file = yield* temporaryFile
        yield* start(file, { migrations: onlyFirst })
        const before = yield* pictureOf(dirname(file))
        const refused = yield* refusal(start(file, options))
        assert.deepStrictEqual([refused._tag, refused.reason], ["PragmaError", "OutOfRange"], JSON.stringify(options))
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      }
    })
  )

  it.scoped("can each be set to another value", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const { pragmas } = yield* start(file, {
        pragmas: {
          busyTimeout: "250 millis",
          journalMode: "delete",
          synchronous: "extra",
          trustedSchema: true,
          cellSizeCheck: false,
          journalSizeLimit: 4096,
          tempStore: "file",
          cacheSize: 100,
          mmapSize: 65_536
        }
      })
      assert.deepStrictEqual(pragmas, {
        busy_timeout: 250,
        journal_mode: "delete",
        synchronous: 3,
        foreign_keys: 1,
        trusted_schema: 1,
        cell_size_check: 0,
        journal_size_limit: 4096,
        temp_store: 1,
        cache_size: 100,
        mmap_size: 65_536
      })
    })
  )

  it.scoped(
    "that only some programs want are set on every connection, and are again after a migration that changed them",
    () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const wanted = {
          secure_delete: 2,
          wal_autocheckpoint: 50,
          recursive_triggers: 1,
          analysis_limit: 400,
          threads: 2,
          automatic_index: 0,
          fullfsync: 1,
          checkpoint_fullfsync: 1,
          cache_spill: 0,
          max_page_count: 5000,
          hard_heap_limit: 2 ** 40,
          soft_heap_limit: 1_000_000_000
        }
        // A migration may not set what is the whole process's.
        const changes = Object.keys(wanted).flatMap((pragma) =>
          pragma.endsWith("_heap_limit") ? [] : [`PRAGMA ${pragma} = 0; PRAGMA ${pragma} = 3;`]
        )
        yield* Effect.gen(function* () {
          const { health, read, report } = yield* DatabaseReady
          assert.deepInclude(report.pragmas, wanted)
          yield* health
          const sql = yield* SqlClient.SqlClient
          const live = Effect.map(
            Effect.forEach(Object.keys(wanted), (pragma) => sql.unsafe(`PRAGMA ${pragma}`)),
            (rows) => rows.map(([row]) => Object.values(row ?? {})[0])
          )
          assert.deepStrictEqual(yield* live, Object.values(wanted))
          assert.deepStrictEqual(yield* read(live), Object.values(wanted))
          yield* sql.unsafe("PRAGMA secure_delete = off")
          assert.strictEqual(
            (yield* Effect.flip(health)).sentence,
            "PRAGMA secure_delete should be 2, but the connection answers 0"
          )
        }).pipe(
          Effect.provide(
            starting(file, {
              migrations: Migrations.fromRecord({
                "001_notes.sql": `CREATE TABLE notes (body);\n${changes.join("\n")}`
              }),
              pragmas: {
                secureDelete: "fast",
                walAutocheckpoint: 50,
                recursiveTriggers: true,
                analysisLimit: 400,
                threads: 2,
                automaticIndex: false,
                fullFsync: true,
                checkpointFullFsync: true,
                cacheSpill: false,
                maxPageCount: 5000,
                hardHeapLimit: 2 ** 40,
                softHeapLimit: 1_000_000_000
              }
            })
          )
        )
        // The limits are the process's.
        yield* Effect.scoped(
          Effect.flatMap(openConnection(file), (connection) =>
            Effect.sync(() => connection.exec("PRAGMA soft_heap_limit = 0"))
          )
        )
      })
  )

  it.scoped(
    "that limit the file or the process are refused where SQLite does not take them, and hold where it does",
    () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const grows = Migrations.fromRecord({
          "001_grow.sql": "CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(200000));"
        })
        const full = yield* refusal(start(file, { migrations: grows, pragmas: { maxPageCount: 20 } }))
        assert.deepInclude(full, { _tag: "UpgradeError", reason: "StatementFailed", code: "SQLITE_FULL" })
        assert.include(full.remedy, "`pragmas.maxPageCount`")
        yield* start(file, { migrations: grows, pragmas: { maxPageCount: 1000, hardHeapLimit: 2 ** 40 } })
        const before = yield* pictureOf(dirname(file))
        for (const [pragmas, pragma, got] of [
          [{ maxPageCount: 20 }, "max_page_count", /^5\d$/],
          [{ maxPageCount: 0 }, "max_page_count", /^4294967294$/],
          [{ hardHeapLimit: 2 ** 41 }, "hard_heap_limit", /^1099511627776$/],
          [{ softHeapLimit: 2 ** 41 }, "soft_heap_limit", /^1099511627776$/]
        ] as const) {
          const refused = yield* refusal(start(file, { migrations: grows, pragmas }))
          assert.deepInclude(refused, { _tag: "PragmaError", reason: "Mismatch", pragma })
          assert.match(refused.sentence, new RegExp(`answers ${got.source.slice(1)}`))
          assert.include(refused.remedy, "`pragmas.")
        }
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      })
  )

  it.scoped("that SQLite accepts silently but does not keep are an error that names wanted and got", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const refused = yield* refusal(start(file, { pragmas: { cacheSize: 2 ** 40 } }))
      assert.strictEqual(refused._tag, "PragmaError")
      assert.match(refused.sentence, /^PRAGMA cache_size should be 1099511627776, but the connection answers -?\d+$/)
    })
  )

  it.scoped("are refused if foreign keys stay off, as in a build of SQLite without them", () =>
    Effect.gen(function* () {
      const deaf = Layer.effect(
        SqliteConnection,
        Effect.map(SqliteConnection, (real) => ({
          ...real,
          sqlite: {
            ...real.sqlite,
            all: (sql: string) =>
              real.sqlite.all(sql).map((row) => ("foreign_keys" in row ? { ...row, foreign_keys: 0 } : row))
          }
        }))
      ).pipe(Layer.provide(SqliteConnection.layer))
      const refused = yield* VerifiedPragmas.layer.pipe(
        Layer.provide(deaf),
        Layer.provide(DatabaseDirectory.layer),
        Layer.provide(Initialization.layer),
        Layer.provide(DatabaseConfig.layer({ filename: ":memory:" })),
        Layer.provide(platform),
        Layer.build,
        refusal
      )
      assert.strictEqual(refused.sentence, "PRAGMA foreign_keys should be 1, but the connection answers 0")
    })
  )

  it.scoped("let nothing wait inside SQLite: the runtime busy timeout is set after everything that may wait", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst, pragmas: { journalMode: "delete" } })
      const said: Array<string> = []
      const recorded = Layer.effect(
        SqliteConnection,
        Effect.map(SqliteConnection, (real) => ({
          ...real,
          sqlite: {
            ...real.sqlite,
            all: (sql: string, parameters?: ReadonlyArray<unknown>) => {
              said.push(sql)
              return real.sqlite.all(sql, parameters)
            }
          }
        }))
      ).pipe(Layer.provide(SqliteConnection.layer))
      yield* DatabaseReady.fromRooms.pipe(
        Layer.provide(CheckedIntegrity.layer),
        Layer.provide(AppliedMigrations.layer),
        Layer.provide(VerifiedPragmas.layer),
        Layer.provide(recorded),
        Layer.provide(DatabaseDirectory.layer),
        Layer.provide(Initialization.layer),
        Layer.provide(DatabaseConfig.layer({ filename: file })),
        Layer.provide(MigrationSource.layer(onlyFirst)),
        Layer.provide(platform),
        Layer.build
      )
      const [journal, timeout] = ["PRAGMA journal_mode = wal", "PRAGMA busy_timeout = 5000"].map((sql) =>
        said.indexOf(sql)
      )
      assert.isAtLeast(journal ?? -1, 0)
      assert.isAbove(timeout ?? -1, journal ?? -1)
    })
  )

  it.scoped("that the file keeps are not written again if they are right", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const version = () => independently(file, (connection) => connection.pragma("data_version", { simple: true }))
      const before = yield* version()
      yield* start(file)
      assert.strictEqual(yield* version(), before)
    })
  )
})
