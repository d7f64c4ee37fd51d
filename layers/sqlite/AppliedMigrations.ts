/** Room 4: from a connection to one on a database whose history is exactly the program's migrations. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LogLevel from "effect/LogLevel"
import type { Attempt, StageError } from "../start/Attempt.ts"
import { MigrationSource, titleOf } from "../start/MigrationSource.ts"
import { isUpToDate, lookAtSnapshot, type Seen } from "./AppliedMigrations/DatabaseLook.ts"
import { requireTime } from "./AppliedMigrations/EnoughTime.ts"
import { type HistoryError, historyFailure } from "./AppliedMigrations/HistoryError.ts"
import { lackOfExtensions } from "./AppliedMigrations/LackOfExtensions.ts"
import { refuseObstacles } from "./AppliedMigrations/MigrationRun.ts"
import { evidence, type MigrationsEvidence } from "./AppliedMigrations/MigrationsEvidence.ts"
import { besideOf, remainsOf, removeRemains } from "./AppliedMigrations/Remains.ts"
import { madeOnceBy } from "./AppliedMigrations/SchemaProof.ts"
import { tryPending } from "./AppliedMigrations/Trial.ts"
import { upgrade } from "./AppliedMigrations/Upgrade.ts"
import { type UpgradeError, upgradeError } from "./AppliedMigrations/UpgradeError.ts"
import type { Done, Room } from "./AppliedMigrations/UpgradeRoom.ts"
import type { BackupError } from "./BackupError.ts"
import { pruneBackups } from "./BackupFiles.ts"
import type { ConnectionError } from "./ConnectionError.ts"
import { codeReason } from "./codeReason.ts"
import { DatabaseConfig } from "./DatabaseConfig.ts"
import { atOnce, isPassed, outcomeOf, verdictOf } from "./edge.ts"
import { setPragmasOfNewFile } from "./FilePragmas.ts"
import { Initialization } from "./Initialization.ts"
import type { IntegrityError } from "./IntegrityError.ts"
import { olderThanBackup } from "./LostWal.ts"
import { type PragmaError, unreadable } from "./PragmaError.ts"
import { replacedError } from "./SameFile.ts"
import { SharedLooks } from "./SharedLooks.ts"
import { SqliteConnection } from "./SqliteConnection.ts"
import { VerifiedPragmas } from "./VerifiedPragmas.ts"

/** Evidence that the history in the file is exactly the program's migrations. */
export class AppliedMigrations extends Context.Tag("database-ready/AppliedMigrations")<
  AppliedMigrations,
  MigrationsEvidence
>() {
  /**
   * @internal
   * Applies what is pending in one `BEGIN IMMEDIATE` transaction, and in one more each time that a file switches
   * foreign keys off or on again. Where nothing is pending no write lock is taken. Fails with `HistoryError`,
   * `IntegrityError` (the schema has drifted, or the pages of a database that is about to be upgraded are damaged),
   * `BackupError`, `UpgradeError`, `PragmaError` (the journal mode), or `StageError`.
   */
  static readonly make = (
    config: DatabaseConfig["Type"],
    { stage }: Initialization["Type"],
    source: MigrationSource["Type"],
    database: SqliteConnection["Type"],
    pragmas: VerifiedPragmas["Type"],
    /** What this start has done already, through a connection that it had to close. */
    done: Done = nothingDone()
  ): Effect.Effect<
    AppliedMigrations["Type"],
    UpgradeError | HistoryError | IntegrityError | BackupError | PragmaError | ConnectionError | StageError,
    FileSystem.FileSystem | Path.Path
  > => {
    return Effect.flatMap(SharedLooks, (looks) => {
      const room: Room = { config, source, made: madeOnceBy(source), database, pragmas, looks }
      return stage(
        "migrations",
        (running) => {
          const outcome = attempt(room, done, running)
          // A replaced file is the reason, whichever write found it out.
          return isPassed(outcome)
            ? outcome
            : Effect.mapError(outcome, (error) => {
                const code = "code" in error ? error.code : ""
                return codeReason(code) === "Replaced" ? replacedError(database.file, code) : error
              })
        },
        summary
      )
    })
  }

  /**
   * The migrations stage: proves the history, makes a backup, and applies what is pending in one `BEGIN IMMEDIATE`
   * transaction, with one more each time that a file switches foreign keys. Where nothing is pending it takes no write
   * lock. Fails with `HistoryError`, `IntegrityError`, `BackupError`, `UpgradeError`, `PragmaError`, `ConnectionError` or
   * `StageError`.
   */
  static readonly layer = Layer.effect(
    AppliedMigrations,
    Effect.flatMap(
      Effect.all([DatabaseConfig, Initialization, MigrationSource, SqliteConnection, VerifiedPragmas]),
      (before) => AppliedMigrations.make(...before)
    )
  )
}

/** @internal */
export const nothingDone = (): Done => ({
  completed: [],
  adopted: [],
  repeated: [],
  backup: undefined,
  isNew: undefined,
  triedAt: undefined,
  lockedMs: [],
  warnings: []
})

const summary = ({
  adopted,
  ahead,
  applied,
  backup,
  redeclared,
  repeated,
  version
}: AppliedMigrations["Type"]): string => {
  if (version === undefined) return "no migrations"
  const done =
    list("applied", [...applied.map(titleOf), ...repeated]) ||
    list("took over", adopted) ||
    list("newer than this program by", ahead) ||
    "nothing to apply"
  const changed = redeclared.length === 0 ? "" : `, ${list("declared otherwise when applied:", redeclared)}`
  return `at ${version}, ${done}${changed}${backup === undefined ? "" : `, backup ${backup}`}`
}

const list = (verb: string, titles: ReadonlyArray<string>): string =>
  titles.length === 0 ? "" : titles.length > 5 ? `${verb} ${titles.length}` : `${verb} ${titles.join(", ")}`

/**
 * Look, judge, and only then change. Another process may do the same work at the same time, so everything is read and
 * judged again under the write lock. Where nothing is pending, nothing has to be waited for.
 */
const attempt = (room: Room, done: Done, running: Attempt) =>
  atOnce(function* () {
    const { config, database, pragmas, source } = room
    const first = yield* outcomeOf(() => lookAtSnapshot(config, source, database.sqlite), historyFailure)
    const isWatched = !config.inMemory && config.access !== "inspect"
    if (database.origin === "existing") {
      const warning = newWarning(room, first, done)
      if (warning !== undefined) yield* warn(room, first, done, warning)
    }
    yield* outcomeOf(() => lackOfExtensions(room, first), historyFailure)
    if (isUpToDate(first)) {
      if (isWatched && remainsOf(room).length > 0) yield* removeRemains(room, LogLevel.Warning)
      // Without migrations too a new file gets its settings before its first page.
      if (first.isBlank && database.before === "clean" && config.access !== "inspect") {
        yield* outcomeOf(() => setPragmasOfNewFile(config, database, pragmas), unreadable)
      }
      return evidence(room, done, first)
    }
    // Also in an inspection: it says what a start would say.
    const { own, isDue } = first.verdict.repeatables
    yield* verdictOf(refuseObstacles([...first.verdict.pending, ...(isDue ? own : [])]))
    if (config.access === "inspect") {
      // Report what a start would refuse before what it would apply: the trial proves the schema first.
      if (!first.isBlank && !config.inMemory) yield* tryPending(config, database.sqlite, first, running)
      return yield* refusePending(first)
    }

    // Not again: a start that waits for another's copy comes here at each attempt.
    if (done.triedAt === undefined && isWatched && remainsOf(room).length > 0)
      yield* removeRemains(room, LogLevel.Debug)
    // A new database has no other users that a failing start could block.
    if (!first.isBlank && !config.inMemory && done.triedAt !== first.dataVersion) {
      yield* tryPending(config, database.sqlite, first, running)
      yield* requireTime(room, first, running)
      done.triedAt = first.dataVersion
    }

    // A file that holds nothing has nothing to lose, and its first transaction is cheaper in WAL mode.
    // Beside a WAL that a crash left, our own pin would be waited for.
    if (first.isBlank && database.before === "clean") {
      yield* outcomeOf(() => setPragmasOfNewFile(config, database, pragmas), unreadable)
    }
    const seen = yield* upgrade(room, first, done, running)
    // The upgrade is committed: an extra backup is no reason to refuse it.
    if (done.backup !== undefined) {
      yield* Effect.catchAll(pruneBackups(database.file, config.backups, done.backup), ({ detail }) =>
        Effect.logWarning(`Older backups could not be deleted: ${detail}`)
      )
    }
    return evidence(room, done, seen)
  })

/** What is to be warned of before anything is applied, unless it was. */
const newWarning = ({ database, looks }: Room, { verdict }: Seen, { warnings }: Done): string | undefined => {
  const { file } = database
  const warning = olderThanBackup(file, verdict.version, besideOf(looks, file))
  return warning === undefined || warnings.includes(warning) ? undefined : warning
}

/** A process that has just upgraded the database explains it. */
const warn = Effect.fnUntraced(function* (room: Room, first: Seen, done: Done, warning: string) {
  const { config, database, source } = room
  const now = yield* outcomeOf(() => lookAtSnapshot(config, source, database.sqlite), historyFailure)
  if (now.verdict.version !== first.verdict.version) return
  done.warnings.push(warning)
  yield* Effect.logWarning(warning)
})

const refusePending = ({ isInitialized, verdict: { adopted, pending, repeatables } }: Seen) =>
  upgradeError("Pending", {
    migration: [...pending, ...(repeatables.isDue ? repeatables.due : [])].map(titleOf).join(", "),
    detail:
      adopted.length > 0
        ? `applied by an earlier system: ${adopted.map(({ migration }) => titleOf(migration)).join(", ")}`
        : isInitialized
          ? "the database is older than this program"
          : "the database was never initialized"
  })
