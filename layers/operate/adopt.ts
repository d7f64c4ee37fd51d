/** Takes over a database that another tool has migrated. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { look, type Seen } from "../sqlite/AppliedMigrations/DatabaseLook.ts"
import { HistoryError, historyFailure } from "../sqlite/AppliedMigrations/HistoryError.ts"
import { prepareHistory, recordCompleted, recordSchema } from "../sqlite/AppliedMigrations/HistoryRecords.ts"
import { historyTable } from "../sqlite/AppliedMigrations/historyTable.ts"
import { readHistory } from "../sqlite/AppliedMigrations/MigrationHistory.ts"
import {
  describeDifference,
  differenceOf,
  fingerprintOf,
  isAccepted,
  namesOf,
  objectsOf,
  schemaStatement,
  withoutExtra
} from "../sqlite/AppliedMigrations/SchemaFingerprint.ts"
import { madeBy } from "../sqlite/AppliedMigrations/SchemaProof.ts"
import { transaction } from "../sqlite/AppliedMigrations/Transaction.ts"
import { upgradeError } from "../sqlite/AppliedMigrations/UpgradeError.ts"
import { makeBackup, requireSpaceForBackup } from "../sqlite/Backup.ts"
import { pruneBackups } from "../sqlite/BackupFiles.ts"
import type { InitializationError } from "../sqlite/InitializationReport.ts"
import { checkCopy } from "../sqlite/PageCheck.ts"
import { SqliteFailure } from "../sqlite/Sqlite.ts"
import type { Attempt } from "../start/Attempt.ts"
import type { AdoptError } from "./AdoptError.ts"
import type { Adoption, AdoptOptions, Wanted } from "./AdoptOptions.ts"
import { refuse, withoutTables } from "./adoptLedger.ts"
import { type Plan, planOf } from "./adoptPlan.ts"
import { type OpenedRooms, openRooms } from "./openRooms.ts"

/**
 * Writes this library's history into a database that another tool has migrated, or none. Which migrations were applied
 * is read from the other tool's table. Then they are replayed in memory, and have to make the schema that the database
 * has, apart from the other tool's tables. Under the write lock, after a backup, one transaction writes the history.
 * The other tool's table stays; only one that is called `schema_migrations` gets another name. Fails with `AdoptError`,
 * and with what a start fails with.
 *
 * @example
 * ```ts
 * import { Migrations } from "database-ready"
 * import { adopt } from "database-ready/operate"
 *
 * export const look = adopt({
 *   filename: "data/app.db",
 *   migrations: Migrations.fromDirectory("migrations"),
 *   dryRun: true
 * })
 * ```
 */
export const adopt = <R = never>({
  dryRun = false,
  expected,
  from,
  keepExtra = false,
  migrations,
  table,
  through,
  ...options
}: AdoptOptions<R>): Effect.Effect<
  Adoption,
  AdoptError | InitializationError,
  FileSystem.FileSystem | Path.Path | R
> => {
  const wanted = { from, table, through, keepExtra }
  return Effect.gen(function* () {
    // The first look can create nothing, whatever is at the path.
    const shown = yield* openRooms(options, migrations, "inspect", (opened, attempt) =>
      transaction(
        opened.database.sqlite,
        { begin: opened.database.sqlite.run("BEGIN") },
        historyFailure,
        planOf(opened, wanted, attempt)
      )
    )
    if (dryRun) return shown.adoption
    const still = expected ?? shown.adoption
    return yield* openRooms(options, migrations, "initialize", (opened, attempt) =>
      write(opened, wanted, still, attempt)
    )
  })
}

const write = Effect.fnUntraced(function* (opened: OpenedRooms, wanted: Wanted, expected: Adoption, attempt: Attempt) {
  const { config, database } = opened
  const { file, sqlite } = database
  const written = yield* transaction(
    sqlite,
    { begin: sqlite.run("BEGIN IMMEDIATE") },
    notWritten,
    Effect.scoped(
      Effect.gen(function* () {
        const plan = yield* planOf(opened, wanted, attempt)
        if (JSON.stringify(plan.adoption) !== JSON.stringify(expected)) return yield* refuse("Changed")
        const upgrade = { from: undefined, to: plan.matched.at(-1)?.migration.version ?? "" }
        yield* requireSpaceForBackup(sqlite, file, upgrade)
        attempt.doing("making the backup")
        const backup = yield* makeBackup(file, upgrade, (copy) => checkCopy(copy, attempt.progress), attempt.progress)
        attempt.doing("writing the history")
        yield* record(opened, plan, attempt)
        yield* backup.keep
        yield* attempt.inTime
        return { ...plan.adoption, isWritten: true, backup: backup.file }
      })
    )
  )
  yield* Effect.catchAll(pruneBackups(file, config.backups, written.backup), ({ detail }) =>
    Effect.logWarning(`Older backups could not be deleted: ${detail}`)
  )
  return written
})

/** Writes the history, and looks at it as the next start will. */
const record = Effect.fnUntraced(function* (
  { config, database: { sqlite }, source }: OpenedRooms,
  { adoption, matched, others }: Plan,
  attempt: Attempt
) {
  const { renamedTo } = adoption
  const now = yield* Clock.currentTimeMillis
  const applied = source.slice(0, matched.length)
  const newest = applied.at(-1)
  if (newest === undefined) return
  if (renamedTo !== undefined) {
    yield* Effect.mapError(sqlite.run(`ALTER TABLE ${historyTable} RENAME TO ${renamedTo}`), notWritten)
  }
  const history = yield* written(() => readHistory(sqlite))
  if (history instanceof HistoryError) return yield* history
  yield* written(() => prepareHistory(sqlite, history))
  const completed = matched.map(({ entry, migration }) => ({
    migration,
    appliedAt: entry?.at ?? now,
    executionTimeMs: 0,
    changedRows: 0
  }))
  yield* written(() => recordCompleted(sqlite, completed, config.program))
  const made = yield* madeBy(applied, attempt.progress)
  const objects = objectsOf(yield* Effect.mapError(sqlite.run(schemaStatement), notWritten))
  const live = withoutTables(objects, renamedTo === undefined ? others : new Set([...others, renamedTo]))
  const ofOurs = withoutExtra(made, live)
  yield* written(() => recordSchema(sqlite, newest, { fingerprint: fingerprintOf(ofOurs), ours: namesOf(ofOurs) }))
  const difference = differenceOf(made, live)
  if (!isAccepted(difference)) return yield* refuse("SchemaDiffers", describeDifference(difference))
  const seen: Seen | HistoryError = yield* written(() => look({ ...config, access: "inspect" }, source, sqlite))
  if (seen instanceof HistoryError) return yield* seen
  if (seen.verdict.applied.length !== applied.length) return yield* refuse("Changed")
})

const written = <A>(step: () => A) => Effect.mapError(Effect.try({ try: step, catch: SqliteFailure.from }), notWritten)

const notWritten = (failure: SqliteFailure) =>
  upgradeError(failure.retryable ? "Busy" : "NotWritten", { migration: "the history", failure })
