import { existsSync } from "node:fs"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  AppliedMigrations,
  CheckedIntegrity,
  DatabaseConfig,
  DatabaseDirectory,
  type DatabaseOptions,
  DatabaseReady,
  Initialization,
  MigrationSource,
  SqliteConnection,
  VerifiedPragmas
} from "../layers/index.ts"
import { crashAfter, independently, notes, platform, refusal, starting, temporaryFile } from "./support/database.ts"

/** The layers of the five rooms, one on the other, as a program would compose them. */
const byHand = (filename: string, options: Omit<DatabaseOptions, "filename"> = {}) =>
  DatabaseReady.fromRooms.pipe(
    Layer.provide(CheckedIntegrity.layer),
    Layer.provide(AppliedMigrations.layer),
    Layer.provide(VerifiedPragmas.layer),
    Layer.provide(SqliteConnection.layer),
    Layer.provide(DatabaseDirectory.layer),
    Layer.provide(Initialization.layer),
    Layer.provide(DatabaseConfig.layer({ filename, ...options })),
    Layer.provide(MigrationSource.layer(notes)),
    Layer.provide(platform)
  )

const ways = { byHand, atOnce: starting }

/** What a start reports and its connection answers, without paths and times. */
const startedBy = (way: keyof typeof ways, file: string, options: Omit<DatabaseOptions, "filename"> = {}) =>
  Effect.gen(function* () {
    const client = yield* SqlClient.SqlClient
    const { report, write } = yield* DatabaseReady
    yield* write(client`INSERT INTO notes (body) VALUES ('written')`)
    const settings = yield* client`SELECT * FROM pragma_journal_mode, pragma_busy_timeout, pragma_foreign_keys,
      pragma_synchronous, pragma_trusted_schema, pragma_cache_size`
    const { applied, integrity, pragmas, schemaVersion, stages, warnings } = report
    return {
      settings,
      integrity,
      pragmas,
      schemaVersion,
      warnings,
      applied: applied.map(({ name }) => name),
      stages: stages.map(({ name, attempts }) => ({ name, attempts }))
    }
  }).pipe(Effect.provide(Layer.fresh(ways[way](file, options))), Effect.scoped)

describe("the layers of the rooms, composed by hand", () => {
  for (const options of [{}, { pragmas: { journalMode: "truncate", busyTimeout: "7 seconds" } }] as const) {
    it.scoped(`make a connection as ready as the one layer does, with ${JSON.stringify(options)}`, () =>
      Effect.gen(function* () {
        const [one, other] = [yield* temporaryFile, yield* temporaryFile]
        for (const _start of ["new", "old"]) {
          assert.deepStrictEqual(yield* startedBy("byHand", one, options), yield* startedBy("atOnce", other, options))
        }
      })
    )
  }

  it.scoped("checkpoint a WAL that a crash left, once the database is judged sound", () =>
    Effect.gen(function* () {
      for (const way of ["byHand", "atOnce"] as const) {
        const file = yield* temporaryFile
        yield* startedBy(way, file)
        yield* crashAfter(file, "INSERT INTO notes (body) VALUES ('before the crash')")
        assert.isTrue(existsSync(`${file}-wal`), way)
        yield* startedBy(way, file)
        assert.isFalse(existsSync(`${file}-wal`), way)
      }
    })
  )

  it.scoped("refuse with the same sentence, which names the database", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* startedBy("byHand", file)
      yield* independently(file, (connection) =>
        connection.exec("UPDATE schema_migrations SET version = '009' WHERE version = '002'")
      )
      const [one, other] = [yield* refusal(startedBy("byHand", file)), yield* refusal(startedBy("atOnce", file))]
      assert.deepStrictEqual([one._tag, one.message], [other._tag, other.message])
      assert.include(one.message, file)
    })
  )
})
