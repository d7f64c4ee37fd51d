/** Room 4: from a connection to one on a database whose history is exactly the program's migrations. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  type Completed,
  HistoryError,
  historyFailure,
  judge,
  prepareHistory,
  readHistory,
  recordAdopted,
  recordCompleted,
  recordContents,
  recordSchema,
  type Verdict
} from "./AppliedMigrations/MigrationHistory.ts"
import {
  allowed,
  runMigration,
  type Script,
  scriptOf,
  UpgradeError,
  upgradeError
} from "./AppliedMigrations/MigrationRun.ts"
import { type Migration, MigrationSource, titleOf } from "./AppliedMigrations/MigrationSource.ts"
import { describeLoss, guardRows } from "./AppliedMigrations/RowGuard.ts"
import { fingerprintOf, objectsOf, type SchemaObject, schemaStatement } from "./AppliedMigrations/SchemaFingerprint.ts"
import { type Made, madeBy, madeOnceBy, proveSchema, type SchemaState } from "./AppliedMigrations/SchemaProof.ts"
import { identifier } from "./AppliedMigrations/SqlScript.ts"
import { transaction } from "./AppliedMigrations/Transaction.ts"
import { type BackupError, makeBackup, pruneBackups } from "./Backup.ts"
import { DatabaseConfig } from "./DatabaseConfig.ts"
import { type Attempt, Initialization, type StageTimeoutError } from "./Initialization.ts"
import { IntegrityError } from "./IntegrityError.ts"
import { checkCopy, describeViolation, foreignKeyViolations } from "./PageCheck.ts"
import { SqliteConnection } from "./SqliteConnection.ts"
import { integer, type Sqlite, type SqliteFailure, text } from "./seams.ts"
import { type PragmaError, VerifiedPragmas } from "./VerifiedPragmas.ts"

/** The schema at a moment after the start; a newer program may have added to it. */
export interface LiveSchema extends SchemaState {
  readonly version: string | undefined
}

/** Evidence that the history in the file is exactly the program's migrations. */
export class AppliedMigrations extends Context.Tag("database-ready/AppliedMigrations")<
  AppliedMigrations,
  {
    /** The newest version in the database, as in its file's name; undefined where there are no migrations. */
    readonly version: string | undefined
    /** What a newer program applied that lets this one run, as `NNN_name`. */
    readonly ahead: ReadonlyArray<string>
    /** What this start applied. */
    readonly applied: ReadonlyArray<{
      readonly version: string
      readonly name: string
      readonly executionTimeMs: number
    }>
    /** Absolute path of the copy that this start made before it applied anything. */
    readonly backup: string | undefined
    /** Rows of the system before this library that this start took over, as `NNN_name`. */
    readonly adopted: ReadonlyArray<string>
    /** What declared something else when it was applied, as `NNN_name`: it is not run again, and no edit. */
    readonly redeclared: ReadonlyArray<string>
    /**
     * History and schema once this start is through with them. What its first look found is not read again
     * where it was all there was to do and no other connection has committed anything since.
     */
    readonly schema: Effect.Effect<LiveSchema, IntegrityError | HistoryError>
    /** Reads the history and the live schema through a connection, and compares them with what the migrations make. */
    readonly schemaOn: (sqlite: Sqlite) => Effect.Effect<LiveSchema, IntegrityError | HistoryError>
  }
>() {
  /**
   * Applies what is pending in one `BEGIN IMMEDIATE` transaction. Where nothing is pending no write
   * lock is taken. Fails with `HistoryError`, `IntegrityError` (the schema has drifted, or the pages of a
   * database that is about to be upgraded are damaged), `BackupError`, `UpgradeError`, `PragmaError` (the
   * journal mode), or `StageTimeoutError`.
   */
  static readonly make = (
    config: DatabaseConfig["Type"],
    { stage }: Initialization["Type"],
    source: MigrationSource["Type"],
    database: SqliteConnection["Type"],
    pragmas: VerifiedPragmas["Type"]
  ): Effect.Effect<
    AppliedMigrations["Type"],
    UpgradeError | HistoryError | IntegrityError | BackupError | PragmaError | StageTimeoutError,
    FileSystem.FileSystem | Path.Path
  > => {
    const room: Room = { config, source, made: madeOnceBy(source), database, pragmas }
    return stage("migrations", (attempt) => upgrade(room, attempt), summary)
  }

  static readonly layer = Layer.effect(
    AppliedMigrations,
    Effect.flatMap(
      Effect.all([DatabaseConfig, Initialization, MigrationSource, SqliteConnection, VerifiedPragmas]),
      (before) => AppliedMigrations.make(...before)
    )
  )
}

const summary = ({ adopted, ahead, applied, backup, redeclared, version }: AppliedMigrations["Type"]): string => {
  if (version === undefined) return "no migrations"
  const done =
    listed("applied", applied.map(titleOf)) ||
    listed("took over", adopted) ||
    listed("newer than this program by", ahead) ||
    "nothing to apply"
  const changed = redeclared.length === 0 ? "" : `, ${listed("declared otherwise when applied:", redeclared)}`
  return `at ${version}, ${done}${changed}${backup === undefined ? "" : `, backup ${backup}`}`
}

const listed = (verb: string, titles: ReadonlyArray<string>): string =>
  titles.length === 0 ? "" : titles.length > 5 ? `${verb} ${titles.length}` : `${verb} ${titles.join(", ")}`

interface Room {
  readonly config: DatabaseConfig["Type"]
  readonly source: ReadonlyArray<Migration>
  /** What all of the source makes. */
  readonly made: Made
  readonly database: SqliteConnection["Type"]
  readonly pragmas: VerifiedPragmas["Type"]
}

/**
 * Look, judge, and only then touch. Another process may do the same work at the same moment, so that
 * everything is read and judged once more when the write lock is ours.
 */
const upgrade = Effect.fnUntraced(function* (room: Room, { breathe, inTime, progress }: Attempt) {
  const { config, database, pragmas } = room
  const first = yield* transaction(
    database.sqlite,
    { begin: database.sqlite.run("BEGIN") },
    historyFailure,
    look(room, database.sqlite)
  )
  if (isUpToDate(first)) return evidence(room, nothingDone, first)
  if (config.access === "inspect") return yield* notInitialized(first)

  const scripts = first.verdict.pending.map(scriptOf)
  yield* allowed(scripts)
  // A file that holds nothing has nothing to lose, and its first transaction is cheaper in WAL mode.
  if (first.isBlank) yield* pragmas.settle
  const whole = transaction(
    database.sqlite,
    { begin: database.sqlite.run("BEGIN IMMEDIATE") },
    notWritten("the pending migrations"),
    // What an upgrade that fails leaves of a copy goes while the write lock is held.
    Effect.scoped(
      Effect.zipLeft(
        Effect.flatMap(look(room, database.sqlite), (now) => apply(room, now, scripts, { breathe, progress })),
        inTime
      )
    )
  )
  // One transaction all the same: an upgrade happens wholly or not at all. Actions of foreign keys that a
  // migration beside a rebuild counts on do not run then, which the check of all of them finds out.
  const rebuilding = scripts.some(isRebuild) ? pragmas.withoutForeignKeys(whole) : whole
  const upgrading = scripts.some(maySetPragmas) ? pragmas.leavingOthers(rebuilding) : rebuilding
  const { seen, ...done } = yield* Effect.catchIf(upgrading, isForeignKeyViolation, (error) =>
    Effect.zipRight(foreignKeysHeld(database.sqlite), error)
  )
  // The upgrade is committed: a backup too many is no reason to refuse it.
  if (done.backup !== undefined) {
    yield* Effect.catchAll(pruneBackups(database.file, config.backups), ({ detail }) =>
      Effect.logWarning(`Older backups could not be deleted: ${detail}`)
    )
  }
  return evidence(room, done, seen)
})

const isForeignKeyViolation = (error: { readonly _tag: string }): error is UpgradeError =>
  error instanceof UpgradeError && error.reason === "ForeignKeyViolations"

/** Everything is rolled back: what is still violated is not the migrations' fault. */
const foreignKeysHeld = (sqlite: Sqlite): Effect.Effect<void, IntegrityError> =>
  sqlite.run(`${foreignKeyViolations} LIMIT 100`).pipe(
    Effect.mapError(IntegrityError.unreadable),
    Effect.flatMap((rows) =>
      rows.length === 0 ? Effect.void : IntegrityError.found("ForeignKeyViolations", rows.map(describeViolation))
    )
  )

const isRebuild = ({ migration }: Script): boolean => migration.declared.foreignKeys === "off"

/** An Effect has no text to look into. */
const maySetPragmas = ({ migration: { body } }: Script): boolean => body._tag === "Effect" || /pragma/i.test(body.text)

/** What a start did to the file. */
interface Done {
  readonly completed: ReadonlyArray<Completed>
  readonly adopted: ReadonlyArray<Migration>
  readonly backup: string | undefined
}

const nothingDone: Done = { completed: [], adopted: [], backup: undefined }

/** What the database says of itself, judged. */
interface Seen {
  readonly verdict: Verdict
  /** Another value once another connection has committed (https://sqlite.org/pragma.html#pragma_data_version). */
  readonly dataVersion: number
  readonly objects: ReadonlyArray<SchemaObject>
  readonly prepareHistory: Effect.Effect<void, SqliteFailure>
  readonly isInitialized: boolean
  /** Whether there is neither an object nor a history in the file. */
  readonly isBlank: boolean
  /** Whether the file's header names this program, as far as the settings ask for it. */
  readonly isMarked: boolean
}

const look = Effect.fnUntraced(
  function* ({ config, source }: Room, sqlite: Sqlite) {
    const [header] = yield* sqlite.run(
      "SELECT user_version, application_id, data_version FROM pragma_user_version, pragma_application_id, pragma_data_version"
    )
    const objects = objectsOf(yield* sqlite.run(schemaStatement))
    const history = yield* readHistory(sqlite)
    const seen: Seen = {
      verdict: yield* judge(source, history, integer(header, "user_version")),
      dataVersion: integer(header, "data_version"),
      objects,
      prepareHistory: prepareHistory(sqlite, history),
      isInitialized: history.exists,
      isBlank: objects.length === 0 && !history.exists,
      // An inspection cannot mark the file, and a file without a mark is nobody else's.
      isMarked:
        config.access === "inspect" ||
        config.applicationId === undefined ||
        config.applicationId === integer(header, "application_id")
    }
    return seen
  },
  Effect.catchTag("SqliteFailure", historyFailure)
)

const isUpToDate = ({ isMarked, verdict: { adopted, pending } }: Seen): boolean =>
  pending.length === 0 && adopted.length === 0 && isMarked

/** Everything that changes the file, within one transaction. */
const apply = Effect.fnUntraced(function* (
  room: Room,
  seen: Seen,
  scripts: ReadonlyArray<Script>,
  { breathe, progress }: Pick<Attempt, "breathe" | "progress">
) {
  const { config, database, made, source } = room
  const { sqlite } = database
  const { adopted, pending } = seen.verdict
  const titles = pending.map(titleOf).join(", ")
  const written = Effect.mapError(notWritten(titles))
  if (!seen.isMarked) yield* written(sqlite.run(`PRAGMA application_id = ${config.applicationId}`))
  if (pending.length === 0 && adopted.length === 0) return { ...nothingDone, seen }

  const before = yield* proveSchema(seen.verdict, seen.objects, madeBy(seen.verdict.applied))
  const rows = seen.isBlank ? undefined : yield* Effect.mapError(guardRows(sqlite, breathe), notCounted)
  const newest = pending.at(-1)
  const backup =
    config.backups > 0 && newest !== undefined && rows?.isEmpty === false
      ? yield* makeBackup(database.file, { from: seen.verdict.version, to: newest.version }, (copy) =>
          checkCopy(copy, progress)
        )
      : undefined
  yield* written(seen.prepareHistory)
  const isPending = new Set(pending)
  const completed: Array<Completed> = []
  const clock = yield* Effect.clock
  for (const script of scripts.filter(({ migration }) => isPending.has(migration))) {
    const { migration } = script
    const appliedAt = clock.unsafeCurrentTimeMillis()
    yield* runMigration(sqlite, script, breathe)
    completed.push({ migration, appliedAt, executionTimeMs: clock.unsafeCurrentTimeMillis() - appliedAt })
    const losses = rows === undefined ? [] : yield* written(rows.lossesOf(script))
    if (losses.length > 0) {
      const detail = losses.map(describeLoss).join("; ")
      return yield* upgradeError("RowsDeleted", { migration: titleOf(migration), detail, losses })
    }
  }
  yield* checkForeignKeys(sqlite, pending)
  yield* written(dropTemporary(sqlite))
  yield* written(recordCompleted(sqlite, completed, config.program))
  yield* written(recordAdopted(sqlite, adopted))
  yield* written(recordContents(sqlite, seen.verdict.incomplete))

  // What the migrations made in a file that held nothing else is their schema by construction. Where there
  // were objects of others, only a replay tells theirs apart from ours.
  const objects = objectsOf(yield* written(sqlite.run(schemaStatement)))
  const unmixed = before.extra.length === 0 && adopted.length === 0
  const { fingerprint } = unmixed
    ? { fingerprint: fingerprintOf(objects) }
    : yield* proveSchema({ ahead: [], fingerprint: undefined }, objects, made)
  const last = source.at(-1)
  if (last !== undefined) yield* written(recordSchema(sqlite, last, fingerprint))
  // Statistics of tables that hold rows already may no longer fit their indexes: all tables, each looked at in part
  // (https://sqlite.org/pragma.html#pragma_optimize).
  if (!seen.isBlank) yield* written(sqlite.run("PRAGMA optimize = 0x10012"))
  const after = yield* Effect.mapError(complete(room), (error) =>
    error.code === "" ? upgradeError("HistoryRewritten", { migration: titles, detail: error.message }) : error
  )
  if (!after.isMarked) {
    const detail = `application_id is no longer ${config.applicationId}`
    return yield* upgradeError("HistoryRewritten", { migration: titles, detail })
  }
  if (backup !== undefined) yield* backup.keep
  const done: Done = { completed, adopted: adopted.map(({ migration }) => migration), backup: backup?.file }
  return { ...done, seen: after }
})

/** What migrations leave on this connection alone would hide what is in the file, and the next start would not have it. */
const dropTemporary = Effect.fnUntraced(function* (sqlite: Sqlite) {
  // Virtual tables before others: theirs go with them.
  const left = yield* sqlite.run(
    `SELECT type, name FROM temp.sqlite_schema WHERE type <> 'index' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
ORDER BY type = 'table', sql NOT LIKE 'CREATE VIRTUAL %'`
  )
  for (const row of left) {
    yield* sqlite.run(`DROP ${text(row, "type")} IF EXISTS temp.${identifier(text(row, "name"))}`)
  }
})

const checkForeignKeys = Effect.fnUntraced(function* (sqlite: Sqlite, pending: ReadonlyArray<Migration>) {
  const migration = pending.map(titleOf).join(", ")
  const rows = yield* Effect.mapError(sqlite.run(`${foreignKeyViolations} LIMIT 100`), notWritten(migration))
  if (rows.length > 0) {
    // With nothing pending nobody but the database itself is to blame.
    if (pending.length === 0) return yield* IntegrityError.found("ForeignKeyViolations", rows.map(describeViolation))
    const detail = rows.slice(0, 3).map(describeViolation).join("; ")
    return yield* upgradeError("ForeignKeyViolations", { migration, detail })
  }
})

const evidence = (room: Room, { adopted, backup, completed }: Done, seen: Seen): AppliedMigrations["Type"] => ({
  version: versionOf(room, seen.verdict),
  ahead: seen.verdict.ahead,
  backup,
  applied: completed.map(({ executionTimeMs, migration: { name, version } }) => ({ version, name, executionTimeMs })),
  adopted: adopted.map(titleOf),
  redeclared: seen.verdict.redeclared,
  schema: unlessChanged(room, seen),
  schemaOn: (sqlite) => stillApplied(room, sqlite)
})

/** The database's own version where a newer program wrote it, else the newest of ours. */
const versionOf = ({ source }: Room, { ahead, version }: Verdict): string | undefined =>
  ahead.length > 0 ? version : source.at(-1)?.version

const unlessChanged = (room: Room, seen: Seen): AppliedMigrations["Type"]["schema"] => {
  const { sqlite } = room.database
  return Effect.flatMap(Effect.mapError(sqlite.run("PRAGMA data_version"), historyFailure), ([row]) =>
    integer(row, "data_version") === seen.dataVersion ? provenSchema(room, seen) : stillApplied(room, sqlite)
  )
}

const provenSchema = (room: Room, { objects, verdict }: Seen): Effect.Effect<LiveSchema, IntegrityError> =>
  Effect.map(proveSchema(verdict, objects, room.made), (state) => ({ ...state, version: versionOf(room, verdict) }))

/**
 * In one snapshot, for a newer program may commit between two of the questions. In memory there is no other program,
 * and the service may be in a transaction.
 */
const stillApplied = (room: Room, sqlite: Sqlite): AppliedMigrations["Type"]["schema"] => {
  const seen = complete(room, sqlite)
  return Effect.flatMap(
    room.config.inMemory ? seen : transaction(sqlite, { begin: sqlite.run("BEGIN") }, historyFailure, seen),
    (seen) => provenSchema(room, seen)
  )
}

/** Looks, and refuses a history that lacks any of the migrations. */
const complete = Effect.fnUntraced(function* (room: Room, sqlite: Sqlite = room.database.sqlite) {
  const seen = yield* look(room, sqlite)
  const { pending } = seen.verdict
  if (pending.length > 0) {
    return yield* new HistoryError({
      reason: "Unrecorded",
      migrations: pending.map(titleOf),
      detail: "",
      code: "",
      retryable: false
    })
  }
  return seen
})

const notInitialized = ({ isInitialized, verdict: { adopted, pending } }: Seen) =>
  upgradeError("Pending", {
    migration: [...adopted.map(({ migration }) => migration), ...pending].map(titleOf).join(", "),
    detail: isInitialized ? "the database is older than this program" : "the database was never initialized"
  })

/** Counting reads every table, and so meets a damaged page before anything is written. */
const notCounted = (failure: SqliteFailure) =>
  failure.code.startsWith("SQLITE_CORRUPT")
    ? IntegrityError.unreadable(failure)
    : notWritten("the pending migrations")(failure)

const notWritten = (migration: string) => (failure: SqliteFailure) =>
  upgradeError(failure.retryable ? "Busy" : "NotWritten", { migration, failure })
