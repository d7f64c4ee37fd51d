/** What a plan says of the place, the backup and each migration. */

import { basename, dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import { files, trySync } from "../machine/files.ts"
import { declarationText } from "../schema/Declaration.ts"
import { touchedTables } from "../schema/TouchedTables.ts"
import { copyTime } from "../sqlite/AppliedMigrations/CopyTime.ts"
import type { Seen } from "../sqlite/AppliedMigrations/DatabaseLook.ts"
import { historyFailure } from "../sqlite/AppliedMigrations/HistoryError.ts"
import { historyTable } from "../sqlite/AppliedMigrations/historyTable.ts"
import { scriptOf } from "../sqlite/AppliedMigrations/MigrationRun.ts"
import { guardRows } from "../sqlite/AppliedMigrations/RowGuard.ts"
import { notCounted } from "../sqlite/AppliedMigrations/UpgradeRoom.ts"
import { requireSpaceForBackup } from "../sqlite/Backup.ts"
import { asBackupError } from "../sqlite/BackupError.ts"
import { backupsOf } from "../sqlite/BackupFiles.ts"
import { formatBackupName, nextBackupName } from "../sqlite/BackupNames.ts"
import type { DatabaseConfig } from "../sqlite/DatabaseConfig.ts"
import { prepareDirectory } from "../sqlite/DatabaseDirectory.ts"
import { absoluteName } from "../sqlite/DatabasePath.ts"
import { refusal } from "../sqlite/DirectoryError.ts"
import { atEdge } from "../sqlite/edge.ts"
import { look as lookAtFiles } from "../sqlite/FileLook.ts"
import type { InitializationError } from "../sqlite/InitializationReport.ts"
import { bytesOf } from "../sqlite/PageCheck.ts"
import { integer, type Sqlite, text } from "../sqlite/Sqlite.ts"
import type { SqliteConnection } from "../sqlite/SqliteConnection.ts"
import type { Migration } from "../start/MigrationSource.ts"
import type { EarlierMigration, PlannedBackup, PlannedMigration } from "../start/Plan.ts"
import type { Inspection } from "./Inspection.ts"

/** What a start creates for a database that is not there. Fails where it could not. */
export const placeOf = Effect.fnUntraced(function* (config: DatabaseConfig["Type"]) {
  const file = absoluteName(config.filename)
  const missing: Array<string> = []
  const parent = yield* Effect.mapError(
    trySync(() => {
      let directory = dirname(file)
      while (files.stat(directory) === undefined && dirname(directory) !== directory) {
        missing.unshift(directory)
        directory = dirname(directory)
      }
      return directory
    }),
    (failure) => refusal("initialize", file, dirname(file), failure)
  )
  yield* prepareDirectory({ ...config, filename: join(parent, basename(file)), access: "replace" })
  return [...missing, file]
})

/** An inspection needs no right to write. A start does. */
export const rightsOf = Effect.fnUntraced(function* (config: DatabaseConfig["Type"], { connection }: Inspection) {
  if (connection === undefined || config.inMemory) return []
  yield* prepareDirectory({ ...config, access: "replace" })
  yield* lookAtFiles(connection.file, "initialize")
  return []
})

export const backupOf = Effect.fnUntraced(function* (
  { backups, inMemory }: DatabaseConfig["Type"],
  { file, sqlite }: SqliteConnection["Type"],
  { objects, verdict }: Seen,
  orObstacle: <A, R>(step: Effect.Effect<A, InitializationError, R>) => Effect.Effect<A | undefined, never, R>
) {
  const newest = verdict.pending.at(-1)
  if (newest === undefined || backups === 0 || inMemory) return undefined
  if (yield* atEdge(guardRows(sqlite, objects, () => Effect.void).isEmpty, notCounted)) return undefined
  const upgrade = { from: verdict.version, to: newest.version }
  const there = yield* asBackupError(`${file}${formatBackupName({ ...upgrade, number: 1 })}`)(backupsOf(file))
  const bytes = yield* bytesOf(sqlite)
  yield* orObstacle(requireSpaceForBackup(sqlite, file, upgrade))
  const backup: PlannedBackup = {
    file: `${file}${formatBackupName(nextBackupName(upgrade, there))}`,
    bytes,
    freeBytes: files.freeBytes(dirname(file)),
    expectedMs: there.length === 0 ? undefined : Math.ceil(copyTime(bytes, there).likely)
  }
  return backup
})

export const plannedOf = (migration: Migration, tablesNow: ReadonlyMap<string, string>): PlannedMigration => {
  const { statements } = scriptOf(migration)
  const isEffect = migration.body._tag === "Effect"
  const touched = isEffect ? [...tablesNow.keys()] : touchedTables(statements)
  return {
    version: migration.version,
    name: migration.name,
    declared: declarationText(migration.declared),
    statements: statements.map(({ line, text }) => ({ line, text })),
    isEffect,
    tables: touched.flatMap((name) => tablesNow.get(name) ?? [])
  }
}

export const earlierOn = (sqlite: Sqlite): Effect.Effect<ReadonlyArray<EarlierMigration>, InitializationError> =>
  Effect.matchEffect(
    sqlite.run(
      `SELECT version, description, applied_at, execution_time_ms FROM ${historyTable} ORDER BY migration_id DESC LIMIT 5`
    ),
    {
      onFailure: historyFailure,
      onSuccess: (rows) =>
        Effect.succeed(
          rows.map((row) => {
            const took = integer(row, "execution_time_ms")
            return {
              version: text(row, "version"),
              description: text(row, "description"),
              appliedAt: text(row, "applied_at"),
              executionTimeMs: Number.isNaN(took) ? undefined : took
            }
          })
        )
    }
  )
