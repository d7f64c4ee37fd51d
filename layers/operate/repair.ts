/** The explicit way out of a refusal: one named case, shown, confirmed, with a reason that the history keeps. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { operator } from "../machine/operator.ts"
import { look, type Seen } from "../sqlite/AppliedMigrations/DatabaseLook.ts"
import { HistoryError, historyFailure } from "../sqlite/AppliedMigrations/HistoryError.ts"
import { recordEvents } from "../sqlite/AppliedMigrations/HistoryRecords.ts"
import { readHistory } from "../sqlite/AppliedMigrations/MigrationHistory.ts"
import { transaction } from "../sqlite/AppliedMigrations/Transaction.ts"
import { upgradeError } from "../sqlite/AppliedMigrations/UpgradeError.ts"
import { DatabaseConfig } from "../sqlite/DatabaseConfig.ts"
import { absoluteName } from "../sqlite/DatabasePath.ts"
import { atEdge } from "../sqlite/edge.ts"
import type { InitializationError } from "../sqlite/InitializationReport.ts"
import { refuseOutOfRange } from "../sqlite/pragmas.ts"
import type { SqliteFailure } from "../sqlite/Sqlite.ts"
import type { Attempt } from "../start/Attempt.ts"
import type { HistoryEvent } from "../start/HistoryEvents.ts"
import { inDatabase } from "../start/Refusal.ts"
import { type OpenedRooms, openRooms } from "./openRooms.ts"
import { type RepairError, refuseRepair } from "./RepairError.ts"
import type { Repair, RepairOptions, Wanted } from "./RepairOptions.ts"
import { changesBetween, rowsIn } from "./repairChanges.ts"
import { copyBeforeRepair } from "./repairCopy.ts"
import { planOf, recordNewest } from "./repairPlan.ts"
import { applicationIdIn, userVersionIn, writeCase } from "./repairRows.ts"

/**
 * Changes the history so that one named cause no longer refuses a start. The files up to there have to make
 * the schema that the database has, which is proven by replaying them in memory. Under the write lock of an upgrade,
 * after a checked backup, one transaction writes the rows, and who did it when and why. Killed at any moment, it leaves
 * the old history or the new one. Fails with `RepairError`, and with what a start fails with.
 *
 * @example
 * ```ts
 * import { Migrations } from "database-ready"
 * import { repair } from "database-ready/operate"
 *
 * export const look = repair({
 *   filename: "data/app.db",
 *   migrations: Migrations.fromDirectory("migrations"),
 *   repair: "accept-edited",
 *   versions: ["002"],
 *   dryRun: true
 * })
 * ```
 */
export const repair = <R = never>({
  dryRun = false,
  expected,
  migrations,
  reason = "",
  repair,
  versions = [],
  ...options
}: RepairOptions<R>): Effect.Effect<
  Repair,
  RepairError | InitializationError,
  FileSystem.FileSystem | Path.Path | R
> => {
  const wanted: Wanted = { repair, versions, reason: reason.trim(), applicationId: options.applicationId }
  // A file with another program's mark would be refused before anything is looked at.
  const given = repair === "set-application-id" ? { ...options, applicationId: undefined } : options
  return Effect.gen(function* () {
    const outOfRange = refuseOutOfRange(DatabaseConfig.from(options), 0)
    if (outOfRange !== undefined) return yield* inDatabase(absoluteName(options.filename), outOfRange)
    // The first look can create nothing, whatever is at the path.
    const { shown } = yield* openRooms(given, migrations, "inspect", (opened, attempt) =>
      transaction(
        opened.database.sqlite,
        { begin: opened.database.sqlite.run("BEGIN") },
        historyFailure,
        planOf(opened, wanted, attempt)
      )
    )
    if (dryRun) return shown
    return yield* openRooms(given, migrations, "initialize", (opened, attempt) =>
      wanted.reason === "" ? refuseRepair("NoReason") : write(opened, wanted, expected ?? shown, attempt)
    )
  })
}

export const write = Effect.fnUntraced(function* (
  opened: OpenedRooms,
  wanted: Wanted,
  expected: Repair,
  attempt: Attempt
) {
  const { config, database, source } = opened
  const { file, sqlite } = database
  return yield* transaction(
    sqlite,
    { begin: sqlite.run("BEGIN IMMEDIATE") },
    notWritten,
    Effect.scoped(
      Effect.gen(function* () {
        const { schema, shown } = yield* planOf(opened, wanted, attempt)
        if (!isSame(shown, expected)) return yield* refuseRepair("Changed")
        attempt.doing("making the backup")
        const backup = yield* copyBeforeRepair(sqlite, file, attempt)
        attempt.doing("writing the history")
        const at = yield* Clock.currentTimeMillis
        const { host, user } = operator()
        const event: HistoryEvent = {
          what: "repair",
          at: new Date(at).toISOString(),
          by: user,
          host,
          program: config.program,
          detail: describeWanted(wanted, shown),
          reason: wanted.reason,
          before: JSON.stringify(shown.changes.map(({ before, version }) => ({ version, before: before ?? null })))
        }
        const before = yield* writing(() => rowsIn(sqlite))
        yield* writing(() => writeCase(sqlite, source, wanted, { at, program: config.program }))
        const written = yield* writing(() => readHistory(sqlite))
        yield* writing(() => recordNewest(sqlite, written.rows, schema))
        yield* writing(() => recordEvents(sqlite, written.rows, [event]))
        const after = yield* writing(() => ({
          changes: changesBetween(before, rowsIn(sqlite)),
          seen: lookAgain(opened),
          userVersion: userVersionIn(sqlite),
          applicationId: applicationIdIn(sqlite)
        }))
        // Somebody's trigger on the history, for example, may have changed more than was planned.
        const now: Repair = {
          ...shown,
          changes: after.changes,
          remaining: after.seen instanceof HistoryError ? after.seen : undefined,
          userVersion: { before: shown.userVersion.before, after: after.userVersion },
          applicationId: { before: shown.applicationId.before, after: after.applicationId }
        }
        if (!isSame(now, shown)) return yield* refuseRepair("Changed")
        yield* backup.keep
        yield* attempt.inTime
        const done: Repair = { ...shown, isWritten: true, backup: backup.file }
        return done
      })
    )
  )
})

/** What the header of the file had before is in no row. */
const describeWanted = ({ repair, versions }: Wanted, { applicationId, userVersion }: Repair): string => {
  if (repair === "set-application-id") return `${repair} ${applicationId.after}, which was ${applicationId.before}`
  if (repair === "set-version") return `${repair} ${userVersion.after}, which was ${userVersion.before}`
  return [repair, ...versions].join(" ")
}

const lookAgain = ({ config, database: { sqlite }, source }: OpenedRooms): Seen | HistoryError =>
  look({ ...config, access: "inspect" }, source, sqlite)

export const isSame = (one: Repair, other: Repair): boolean =>
  JSON.stringify({ ...one, reason: "" }) === JSON.stringify({ ...other, reason: "" })

const writing = <A>(step: () => A) => atEdge(step, notWritten)

const notWritten = (failure: SqliteFailure) =>
  upgradeError(failure.retryable ? "Busy" : "NotWritten", { migration: "the history", failure })
