import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  DatabaseConfig,
  DatabaseDirectory,
  DatabaseReady,
  Initialization,
  Migrations,
  SqliteConnection,
  VerifiedPragmas
} from "../layers/index.ts"
import { independently, platform, refusal, start, starting, temporaryFile } from "./support/database.ts"

describe("the pragmas", () => {
  it.scoped("of the connection that is handed out are the ones of the report, and its runtime busy timeout", () =>
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

  it.scoped("are the configured ones again after a migration that set some for itself", () =>
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

  it.scoped("can each be set otherwise", () =>
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

  it.scoped("that SQLite takes without a word but does not keep are an error that names wanted and got", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const refused = yield* refusal(start(file, { pragmas: { cacheSize: 2 ** 40 } }))
      assert.strictEqual(refused._tag, "PragmaError")
      assert.match(refused.message, /^PRAGMA cache_size should be 1099511627776, but the connection answers -?\d+$/)
    })
  )

  it.scoped("are refused when foreign keys stay off, as in a build of SQLite without them", () =>
    Effect.gen(function* () {
      const deaf = Layer.effect(
        SqliteConnection,
        Effect.map(SqliteConnection, (real) => ({
          ...real,
          sqlite: {
            ...real.sqlite,
            run: (sql: string) =>
              Effect.map(real.sqlite.run(sql), (rows) =>
                rows.map((row) => ("foreign_keys" in row ? { ...row, foreign_keys: 0 } : row))
              )
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
      assert.strictEqual(refused.message, "PRAGMA foreign_keys should be 1, but the connection answers 0")
    })
  )

  it.scoped("let nothing wait inside SQLite: the runtime busy timeout comes after all that may have to wait", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const recorded = Layer.effect(
        SqliteConnection,
        Effect.map(SqliteConnection, (real) => ({
          ...real,
          sqlite: {
            ...real.sqlite,
            run: (sql: string) => {
              said.push(sql)
              return real.sqlite.run(sql)
            }
          }
        }))
      ).pipe(Layer.provide(SqliteConnection.layer))
      const context = yield* VerifiedPragmas.layer.pipe(
        Layer.provide(recorded),
        Layer.provide(DatabaseDirectory.layer),
        Layer.provide(Initialization.layer),
        Layer.provide(DatabaseConfig.layer({ filename: yield* temporaryFile })),
        Layer.provide(platform),
        Layer.build
      )
      yield* Context.get(context, VerifiedPragmas).confirm
      const [journal, timeout] = ["PRAGMA journal_mode = wal", "PRAGMA busy_timeout = 5000"].map((sql) =>
        said.indexOf(sql)
      )
      assert.isAtLeast(journal ?? -1, 0)
      assert.isAbove(timeout ?? -1, journal ?? -1)
    })
  )

  it.scoped("that are kept in the file are not written again where they are right", () =>
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
