/** The database, its migrations and its backups, for the people who run the service. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type BackupFile, backupsOf } from "../../layers/index.ts"
import { DatabaseFacts } from "./Api.ts"
import { Database } from "./Database.ts"
import { sizeOnServer } from "./postgres/size.ts"
import { isoOf } from "./timestamp.ts"

export class DatabaseOverview extends Context.Tag("conversation-files/DatabaseOverview")<
  DatabaseOverview,
  { readonly facts: Effect.Effect<DatabaseFacts, SqlError> }
>() {
  static readonly layer: Layer.Layer<
    DatabaseOverview,
    never,
    Database | FileSystem.FileSystem | Path.Path | SqlClient.SqlClient
  > = Layer.effect(
    DatabaseOverview,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const { engine, report } = yield* Database
      const file = report.database

      /**
       * Null if it cannot be looked at. The file is only looked at, never opened: closing it would drop SQLite's locks.
       */
      const bytesOf = (name: string, absent: number | null) =>
        fs.stat(name).pipe(
          Effect.map(({ size }) => Number(size)),
          Effect.catchTag("SystemError", ({ reason }) => Effect.succeed(reason === "NotFound" ? absent : null)),
          Effect.orElseSucceed(() => null)
        )

      const backups = backupsOf(file).pipe(
        Effect.provideService(FileSystem.FileSystem, fs),
        Effect.provideService(Path.Path, path),
        Effect.map((found) => found.map(backupOf)),
        Effect.orElseSucceed(() => null)
      )

      const stored = sql.onDialectOrElse({
        pg: () => Effect.map(sizeOnServer(sql), (sizeBytes) => ({ sizeBytes, walBytes: null, backups: [] })),
        orElse: () => Effect.all({ sizeBytes: bytesOf(file, null), walBytes: bytesOf(`${file}-wal`, 0), backups })
      })

      return {
        facts: Effect.gen(function* () {
          const migrations = yield* sql<MigrationRow>`
            SELECT version, description, applied_at, execution_time_ms FROM schema_migrations ORDER BY version`
          return new DatabaseFacts({
            engine,
            file,
            schemaVersion: migrations.at(-1)?.version ?? null,
            ...(yield* stored),
            migrations: migrations.map(({ applied_at, description, execution_time_ms, version }) => ({
              version,
              description,
              appliedAt: applied_at === null ? null : isoOf(applied_at),
              executionTimeMs: execution_time_ms
            }))
          })
        })
      }
    })
  )
}

interface MigrationRow {
  readonly version: string
  readonly description: string | null
  readonly applied_at: string | null
  readonly execution_time_ms: number | null
}

const backupOf = ({ bytes, from, modifiedAt, path, to }: BackupFile) => ({
  file: path,
  sizeBytes: bytes,
  createdAt: new Date(modifiedAt).toISOString(),
  fromVersion: from ?? null,
  toVersion: to
})
