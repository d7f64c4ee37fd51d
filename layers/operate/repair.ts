/** The explicit way out of a refusal: one named case, shown, confirmed, with a reason that the history keeps. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { operator } from "../machine/operator.ts"
import { look, type Seen } from "../sqlite/AppliedMigrations/DatabaseLook.ts"
import { HistoryError, historyFailure } from "../sqlite/AppliedMigrations/HistoryError.ts"
import { judge, recordedIn } from "../sqlite/AppliedMigrations/HistoryJudgement.ts"
import { recordEvents, recordFingerprint } from "../sqlite/AppliedMigrations/HistoryRecords.ts"
import { type History, newestOf, readHistory } from "../sqlite/AppliedMigrations/MigrationHistory.ts"
import { divideRepeated, type Recorded } from "../sqlite/AppliedMigrations/RepeatableRecord.ts"
import {
  describeDifference,
  fingerprintOf,
  namesOf,
  objectsOf,
  type SchemaObject,
  schemaStatement,
  withoutExtra
} from "../sqlite/AppliedMigrations/SchemaFingerprint.ts"
import { judgeSchema } from "../sqlite/AppliedMigrations/SchemaJudgement.ts"
import { madeBy } from "../sqlite/AppliedMigrations/SchemaProof.ts"
import { transaction } from "../sqlite/AppliedMigrations/Transaction.ts"
import { upgradeError } from "../sqlite/AppliedMigrations/UpgradeError.ts"
import { DatabaseConfig, type DatabaseOptions } from "../sqlite/DatabaseConfig.ts"
import { absoluteName } from "../sqlite/DatabasePath.ts"
import { atEdge } from "../sqlite/edge.ts"
import type { InitializationError } from "../sqlite/InitializationReport.ts"
import { IntegrityError } from "../sqlite/IntegrityError.ts"
import { refuseOutOfRange } from "../sqlite/pragmas.ts"
import type { Sqlite, SqliteFailure } from "../sqlite/Sqlite.ts"
import type { Attempt } from "../start/Attempt.ts"
import type { HistoryEvent } from "../start/HistoryEvents.ts"
import { idOf } from "../start/historyComparison.ts"
import { type Migrations, type OrderedMigrations, titleOf } from "../start/MigrationSource.ts"
import { inDatabase } from "../start/Refusal.ts"
import { type OpenedRooms, openRooms } from "./openRooms.ts"
import { type RepairError, refuseRepair } from "./RepairError.ts"
import { changesBetween, copyHistory, type RowChange, rowsIn } from "./repairChanges.ts"
import { copyBeforeRepair } from "./repairCopy.ts"
import { applicationIdIn, type RepairCase, userVersionIn, type WantedRepair, writeCase } from "./repairRows.ts"

/** What to repair, and why. Other options are those of a start. */
export interface RepairOptions<R = never> extends Omit<DatabaseOptions, "access"> {
  /** The migrations as they are now. */
  readonly migrations: Migrations<R>
  /**
   * - `accept-edited`: the text of an edited file counts as what was applied.
   * - `accept-renamed`: a file with another name or number counts as the one that was applied.
   * - `record-applied`: a migration counts as applied: somebody did it by hand, or its row is gone or not completed.
   * - `remove-record`: deletes the row of a migration whose file is gone, that is recorded twice, or that left nothing.
   * - `remove-repeatable`: deletes the record of a repeatable migration whose file is gone. What it made stays.
   * - `set-version`: `PRAGMA user_version` becomes what the history says.
   * - `set-application-id`: `PRAGMA application_id` becomes `applicationId`, where the file has another program's mark.
   */
  readonly repair: RepairCase
  /**
   * The numbers of the files, or of the rows for `remove-record`; names as `R__name` for `remove-repeatable`. None for
   * `set-version` and `set-application-id`.
   */
  readonly versions?: ReadonlyArray<string> | undefined
  /** Why, for those who read the history later. Required unless `dryRun` is set. */
  readonly reason?: string | undefined
  /** Only looks, and writes nothing. Default false. */
  readonly dryRun?: boolean | undefined
  /** What an earlier look has shown: nothing is written if that has changed. Default: not compared. */
  readonly expected?: Repair | undefined
}

/** What was written, or would be. */
export interface Repair {
  /** Absolute path of the database. */
  readonly database: string
  /** Whether it was written; false for a look. */
  readonly isWritten: boolean
  /** The case. */
  readonly repair: RepairCase
  /** The versions that it was asked for. */
  readonly versions: ReadonlyArray<string>
  /** The rows of the history that change, in their order. */
  readonly changes: ReadonlyArray<RowChange>
  /** What `PRAGMA user_version` is before, and after. */
  readonly userVersion: {
    /** What it is now. */
    readonly before: number
    /** What it is then. */
    readonly after: number
  }
  /** What `PRAGMA application_id` is before, and after. */
  readonly applicationId: {
    /** What it is now. */
    readonly before: number
    /** What it is then. */
    readonly after: number
  }
  /** Objects that no migration makes, with type and name. They stay. */
  readonly extra: ReadonlyArray<string>
  /** Migrations that change no schema, so that nothing proves that they were applied, as `NNN_name`. */
  readonly unproven: ReadonlyArray<string>
  /** What still refuses the next start; undefined where nothing does. */
  readonly remaining: HistoryError | undefined
  /** Why; "" for a look without a reason. */
  readonly reason: string
  /** Absolute path of the backup; undefined for a look. */
  readonly backup: string | undefined
}

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

interface Wanted extends WantedRepair {
  readonly reason: string
}

interface Plan {
  readonly shown: Repair
  /** What the newest row keeps of the schema. */
  readonly schema: { readonly fingerprint: string; readonly ours: string }
}

/** Tries the repair on a copy of the history in memory, and judges what comes out as a start does. */
const planOf = Effect.fnUntraced(function* (
  { config, database: { file, sqlite }, source }: OpenedRooms,
  wanted: Wanted,
  attempt: Attempt
) {
  const live = yield* reading(() => ({
    history: readHistory(sqlite),
    objects: objectsOf(sqlite.all(schemaStatement)),
    userVersion: userVersionIn(sqlite),
    applicationId: applicationIdIn(sqlite)
  }))
  const { history, objects } = live
  if (history instanceof HistoryError) return yield* history
  const at = yield* Clock.currentTimeMillis
  return yield* Effect.acquireUseRelease(
    reading(() => sqlite.inMemory()),
    (memory) =>
      Effect.gen(function* () {
        const before = yield* reading(() => copyHistory(sqlite, memory))
        yield* reading(() => writeCase(memory, source, wanted, { at, program: config.program }))
        const written = yield* reading(() => readHistory(memory))
        if (wanted.repair === "remove-record") yield* requireFault(source, history, objects, wanted, attempt)
        attempt.doing("replaying the migrations in memory")
        const { extra, ours } = yield* prove(source, written, objects, attempt)
        const unproven =
          wanted.repair === "record-applied" ? yield* withoutSchema(source, written, wanted, attempt) : []
        const schema = { fingerprint: fingerprintOf(ours), ours: namesOf(ours) }
        yield* reading(() => recordNewest(memory, written.rows, schema))
        const judged = yield* reading(() => ({
          verdict: verdictOn(memory, source),
          userVersion: userVersionIn(memory),
          applicationId: applicationIdIn(memory),
          rows: rowsIn(memory)
        }))
        const shown: Repair = {
          database: file,
          isWritten: false,
          repair: wanted.repair,
          versions: wanted.versions,
          changes: changesBetween(before, judged.rows),
          userVersion: { before: live.userVersion, after: judged.userVersion },
          applicationId: { before: live.applicationId, after: judged.applicationId },
          extra,
          unproven,
          remaining: judged.verdict,
          reason: wanted.reason,
          backup: undefined
        }
        const plan: Plan = { shown, schema }
        return plan
      }),
    (memory) => Effect.sync(() => memory.database.close())
  )
})

const recordNewest = (sqlite: Sqlite, rows: History["rows"], schema: Plan["schema"]): void => {
  const newest = newestOf(rows)
  if (newest !== undefined) recordFingerprint(sqlite, { id: idOf(newest.version) }, schema)
}

const verdictOn = (sqlite: Sqlite, source: OrderedMigrations): HistoryError | undefined => {
  const history = readHistory(sqlite)
  const verdict = history instanceof HistoryError ? history : judge(source, history, userVersionIn(sqlite))
  return verdict instanceof HistoryError ? verdict : undefined
}

/** The files of all rows have to make the schema that is there. */
const prove = Effect.fnUntraced(function* (
  source: OrderedMigrations,
  { rows }: History,
  objects: ReadonlyArray<SchemaObject>,
  attempt: Attempt
) {
  const applied = new Set(rows.map(({ version }) => idOf(version)))
  const known = source.filter(({ id }) => applied.has(id))
  const numbers = new Set(known.map(({ id }) => id))
  const unknown = rows.filter(({ status, version }) => status !== "completed" || !numbers.has(idOf(version)))
  if (unknown.length > 0) {
    return yield* refuseRepair("NotProven", unknown.map(({ name, version }) => labelOf(version, name)).join(", "))
  }
  const recorded = yield* recordedBy(rows)
  const made = yield* madeBy(known, attempt.progress)
  const repeatables = { recorded, own: [], isDue: false, due: [] }
  const judged = judgeSchema({ ahead: [], fingerprint: undefined, ours: undefined, repeatables }, objects)
  const state = typeof judged === "function" ? judged(made) : judged
  if (state instanceof IntegrityError) {
    const detail = state.difference === undefined ? state.sentence : describeDifference(state.difference)
    return yield* refuseRepair("SchemaDiffers", detail)
  }
  return { extra: state.extra, ours: withoutExtra(made, divideRepeated(recorded, objects).others) }
})

const recordedBy = (rows: History["rows"]): Effect.Effect<Recorded, RepairError> => {
  const recorded = recordedIn(rows, newestOf(rows))
  return recorded === undefined
    ? Effect.fail(refuseRepair("NotProven", "the column repeatables has something that this library did not write"))
    : Effect.succeed(recorded)
}

const labelOf = (version: string, name: string | undefined): string =>
  name === undefined ? version : titleOf({ version, name })

/**
 * A row whose file is there goes only if it is recorded twice or not completed, or if the schema does not have what the
 * file makes: else the next start would apply it a second time.
 */
const requireFault = Effect.fnUntraced(function* (
  source: OrderedMigrations,
  history: History,
  objects: ReadonlyArray<SchemaObject>,
  { versions }: Wanted,
  attempt: Attempt
) {
  const wanted = new Set(versions.map(idOf))
  const isSound = ({ id }: { readonly id: number }) => {
    const rows = history.rows.filter(({ version }) => idOf(version) === id)
    return rows.length === 1 && rows[0]?.status === "completed"
  }
  const sound = source.filter((migration) => wanted.has(migration.id) && isSound(migration))
  if (sound.length === 0) return
  const isProven = yield* Effect.isSuccess(prove(source, history, objects, attempt))
  if (isProven) {
    return yield* refuseRepair(
      "NothingToRepair",
      `${sound.map(titleOf).join(", ")} is among the files, and was applied`
    )
  }
})

/** Those of the named migrations without which the files make the same schema. */
const withoutSchema = Effect.fnUntraced(function* (
  source: OrderedMigrations,
  { rows }: History,
  { versions }: Wanted,
  { progress }: Attempt
) {
  const applied = new Set(rows.map(({ version }) => idOf(version)))
  const known = source.filter(({ id }) => applied.has(id))
  const made = yield* madeBy(known, progress)
  const wanted = new Set(versions.map(idOf))
  const isSame = (id: number) =>
    madeBy(
      known.filter((other) => other.id !== id),
      progress
    ).pipe(
      Effect.map((without) => fingerprintOf(without) === fingerprintOf(made)),
      // A later one needs it.
      Effect.orElseSucceed(() => false)
    )
  const found = yield* Effect.filter(
    known.filter(({ id }) => wanted.has(id)),
    ({ id }) => isSame(id)
  )
  return found.map(titleOf)
})

const write = Effect.fnUntraced(function* (opened: OpenedRooms, wanted: Wanted, expected: Repair, attempt: Attempt) {
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

const isSame = (one: Repair, other: Repair): boolean =>
  JSON.stringify({ ...one, reason: "" }) === JSON.stringify({ ...other, reason: "" })

const reading = <A>(step: () => A) => atEdge(step, historyFailure)

const writing = <A>(step: () => A) => atEdge(step, notWritten)

const notWritten = (failure: SqliteFailure) =>
  upgradeError(failure.retryable ? "Busy" : "NotWritten", { migration: "the history", failure })
