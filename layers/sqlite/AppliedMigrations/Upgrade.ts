/**
 * What a start does to a database that is not up to date. The meaning of a list of migrations is: each file by
 * itself, in order, with foreign keys on, and off only around a file that declares it. However many are pending,
 * and whether the database is new, the result is the same.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import { millisBetween } from "../../machine/monotonic.ts"
import { openingWords, type Statement } from "../../schema/SqlScript.ts"
import { type Migration, titleOf } from "../../start/MigrationSource.ts"
import { backupsOf, makeBackup, removeUnfinished, spaceForBackup, unfinishedBeside } from "../Backup.ts"
import type { DatabaseConfig } from "../DatabaseConfig.ts"
import { type Attempt, megabytes, shown } from "../Initialization.ts"
import { IntegrityError } from "../IntegrityError.ts"
import { bytesOf, checkCopy, describeViolation, foreignKeyViolations } from "../PageCheck.ts"
import { integer, type Sqlite, type SqliteFailure, text } from "../Sqlite.ts"
import type { SqliteConnection } from "../SqliteConnection.ts"
import type { VerifiedPragmas } from "../VerifiedPragmas.ts"
import { brokenObjects, describeBroken } from "./CompiledSchema.ts"
import { copyTime, enoughFor } from "./CopyTime.ts"
import { isUpToDate, look, recorded, type Seen } from "./DatabaseLook.ts"
import {
  type Completed,
  mirrorVersion,
  recordAdopted,
  recordCompleted,
  recordContents,
  recordSchema
} from "./MigrationHistory.ts"
import { dropTemporary, runMigration, type Script, scriptOf, type UpgradeError, upgradeError } from "./MigrationRun.ts"
import { describeLoss, guardRows, type RowGuard } from "./RowGuard.ts"
import { fingerprintOf, namesOf, objectsOf, type SchemaObject, schemaStatement } from "./SchemaFingerprint.ts"
import { type Made, madeBy, proveSchema, schemaAfter } from "./SchemaProof.ts"
import { transaction } from "./Transaction.ts"

export interface Room {
  readonly config: DatabaseConfig["Type"]
  readonly source: ReadonlyArray<Migration>
  /** What all of the source makes. */
  readonly made: Made
  readonly database: SqliteConnection["Type"]
  readonly pragmas: VerifiedPragmas["Type"]
}

/** What this start has committed, over all its attempts. */
export interface Done {
  readonly completed: Array<Completed>
  readonly adopted: Array<Migration>
  backup: string | undefined
  /** Whether there was nothing when the start began; then there is nothing to copy, whatever its own files put in. */
  isNew: boolean | undefined
  /** `dataVersion` of the state on which the pending migrations were tried: the trial need not be repeated on it. */
  triedAt: number | undefined
}

/**
 * Applies what is pending: one transaction for each run of files that want foreign keys in the same state, for the
 * switch works outside a transaction alone (https://sqlite.org/pragma.html#pragma_foreign_keys). Where no pending
 * file declares `foreign_keys = off`, that is one transaction for all.
 */
export const upgrade = Effect.fnUntraced(function* (room: Room, first: Seen, done: Done, attempt: Attempt) {
  const { database, pragmas } = room
  done.isNew ??= first.isBlank
  const { isNew } = done
  let seen = first
  while (!isUpToDate(seen)) {
    const isOff = isRebuild(seen.verdict.pending[0])
    let last = "the pending migrations"
    const step = transaction(
      database.sqlite,
      { begin: database.sqlite.run("BEGIN IMMEDIATE") },
      (failure) =>
        failure.code === "SQLITE_CONSTRAINT_FOREIGNKEY" ? notReferring(last, failure) : notWritten(last)(failure),
      // What a step that fails leaves of a copy goes while the write lock is held.
      Effect.scoped(
        Effect.zipLeft(
          Effect.flatMap(look(room.config, room.source, database.sqlite), (now) =>
            applyRun(room, now, { isOff, isCopied: isNew || done.backup !== undefined }, attempt)
          ).pipe(
            Effect.tap(({ completed }) => {
              const migration = completed.at(-1)?.migration
              if (migration !== undefined) last = titleOf(migration)
            })
          ),
          attempt.inTime
        )
      )
    )
    const { seen: after, ...added } = yield* Effect.catchIf(
      isOff ? pragmas.withoutForeignKeys(step) : step,
      isForeignKeyViolation,
      (error) => Effect.zipRight(foreignKeysHeld(database.sqlite), error)
    ).pipe(
      Effect.tapError((error) => (mayBeCommitted(error) ? Effect.void : removeRemains(room, LogLevel.Debug))),
      Effect.tapErrorTag("UpgradeError", (error) =>
        Effect.sync(() => {
          error.applied = done.completed.map(({ migration }) => titleOf(migration))
          error.backup = done.backup
        })
      )
    )
    done.completed.push(...added.completed)
    done.adopted.push(...added.adopted)
    done.backup ??= added.backup
    attempt.committed({ applied: added.completed.map(({ migration }) => titleOf(migration)), backup: added.backup })
    seen = after
  }
  return seen
})

/**
 * Refuses a deadline that somebody has set and that is certainly too short for the copy, before the write lock is
 * taken: each start of a supervisor's would shut all writers out until it ended. One that was too short last time is
 * warned of. Without a deadline of somebody's own there is nothing to look at: the default is put off.
 */
export const enoughTime = Effect.fnUntraced(function* (room: Room, { objects, verdict }: Seen, { breathe }: Attempt) {
  const { config, database } = room
  const deadline = deadlineOf(config)
  const newest = verdict.pending.at(-1)
  if (deadline === undefined || newest === undefined || config.backups === 0) return
  const { sqlite } = database
  if (yield* Effect.mapError(guardRows(sqlite, objects, breathe).isEmpty, notCounted)) return
  const bytes = yield* bytesOf(sqlite)
  const time = copyTime(bytes, yield* Effect.orElseSucceed(backupsOf(database.file), () => []))
  if (time.likely <= deadline.millis) return
  const cure = `Set ${deadline.setting} to ${shown(enoughFor(bytes, time))}, or leave it unset: it is then put off while the work moves on. If you make backups yourself, set \`backups\` to 0.`
  if (time.least <= deadline.millis) {
    const took = `The copy of ${megabytes(bytes)} MB before ${titleOf(newest)} would take ${shown(time.likely)} at the rate of the last one`
    return yield* Effect.logWarning(`${took}, and the deadline is ${shown(deadline.millis)}. ${cure}`)
  }
  const detail = `${megabytes(bytes)} MB take ${shown(time.least)} at least, and the deadline is ${shown(deadline.millis)}`
  return yield* upgradeError("DeadlineTooShort", { migration: titleOf(newest), detail, cure })
})

/** The shorter one of those that somebody has set. */
const deadlineOf = ({ isTimeoutDefault, policies, timeout }: DatabaseConfig["Type"]) => {
  const whole = isTimeoutDefault ? Number.POSITIVE_INFINITY : Duration.toMillis(timeout)
  const stage = Duration.toMillis(policies.migrations.timeout)
  const millis = Math.min(whole, stage)
  if (millis === Number.POSITIVE_INFINITY) return undefined
  const setting = stage < whole ? "`policies.migrations.timeout`" : "`timeout` (`--timeout`, DATABASE_TIMEOUT)"
  return { millis, setting }
}

/** The log may hold the whole commit, which the next connection would then find. */
const mayBeCommitted = (error: { readonly _tag: string; readonly code?: string }): boolean =>
  error._tag === "UpgradeError" && /^SQLITE_IOERR_(DIR_)?FSYNC$/.test(error.code ?? "")

/**
 * Removes what starts and restores that are gone left of their copies: a partial copy, and a backup whose upgrade was
 * never committed, for it has its name before the commit. Who makes a copy holds the write lock, so that nobody is at
 * work on one while it is ours. What stays is removed by the next start.
 */
export const removeRemains = ({ config, database: { file, sqlite }, source }: Room, level: LogLevel.LogLevel) =>
  Effect.flatMap(unfinishedBeside(file), (remains) =>
    remains.length === 0
      ? Effect.void
      : transaction(
          sqlite,
          { begin: sqlite.run("BEGIN IMMEDIATE") },
          (failure) => failure,
          Effect.flatMap(look(config, source, sqlite), ({ verdict }) => removeUnfinished(file, verdict.version))
        ).pipe(
          Effect.catchAll((failure) =>
            // Who holds the write lock may be making one of them, or removing them as this start would.
            Effect.logWithLevel(
              failure.retryable && level !== LogLevel.Debug ? LogLevel.Info : level,
              `Copies that were not finished stay: ${remains.join(", ")} (${failure.message})`
            )
          )
        )
  ).pipe(Effect.ignoreLogged, Effect.uninterruptible)

export const isRebuild = (migration: Migration | undefined): boolean => migration?.declared.foreignKeys === "off"

const isForeignKeyViolation = (error: { readonly _tag: string; readonly reason?: string }): error is UpgradeError =>
  error._tag === "UpgradeError" && error.reason === "ForeignKeyViolations"

/** The step is rolled back: what is still violated is not the migrations' fault. */
const foreignKeysHeld = (sqlite: Sqlite): Effect.Effect<void, IntegrityError> =>
  sqlite.run(`${foreignKeyViolations} LIMIT 100`).pipe(
    Effect.mapError(IntegrityError.unreadable),
    Effect.flatMap((rows) =>
      rows.length === 0 ? Effect.void : IntegrityError.found("ForeignKeyViolations", rows.map(describeViolation))
    )
  )

interface Step {
  /** Whether foreign keys are off, for the files that declare it. */
  readonly isOff: boolean
  /** Whether this start has made its backup, or needs none. */
  readonly isCopied: boolean
}

/** Everything that changes the file, within one transaction. */
const applyRun = Effect.fnUntraced(function* (room: Room, seen: Seen, { isCopied, isOff }: Step, attempt: Attempt) {
  const { config, database, source } = room
  const { sqlite } = database
  const { doing, progress } = attempt
  const { adopted, applied, pending } = seen.verdict
  const scripts = runOf(pending, seen.objects, isOff)
  const titles = scripts.map(({ migration }) => titleOf(migration)).join(", ")
  const written = Effect.mapError(notWritten(titles))
  if (!seen.isMarked) yield* written(sqlite.run(`PRAGMA application_id = ${config.applicationId}`))
  const nothing = { completed: [], adopted: [], backup: undefined }
  // Another process may have applied what this step was begun for.
  if (scripts.length === 0 && adopted.length === 0) return { ...nothing, seen: { ...seen, isMarked: true } }

  const before = yield* proveSchema(seen.verdict, seen.objects, madeBy(applied))
  const guard = guardRows(sqlite, seen.objects, attempt.breathe)
  const newest = pending.at(-1)
  const { version: from } = seen.verdict
  const isDue =
    config.backups > 0 && newest !== undefined && !isCopied && !(yield* Effect.mapError(guard.isEmpty, notCounted))
  const copied = Effect.suspend(() => {
    if (!isDue) return Effect.succeed(undefined)
    doing("making the backup")
    return makeBackup(database.file, { from, to: newest.version }, (copy) => checkCopy(copy, progress), progress)
  })
  if (isDue) yield* spaceForBackup(sqlite, database.file, { from, to: newest.version })
  // Readers see what is committed while this transaction writes, in WAL mode alone.
  const isCopiedLast = isDue && (yield* written(isInWal(sqlite)))
  const early = isCopiedLast ? undefined : yield* copied
  yield* written(seen.prepareHistory)
  const completed = yield* applyAll(room, seen.objects, scripts, guard, attempt).pipe(
    // The pages are looked at in the copy, which there is none of yet.
    Effect.tapError((error) =>
      isCopiedLast && error.code.startsWith("SQLITE_CORRUPT") ? checkCopy(database.file, progress) : Effect.void
    )
  )
  doing(`recording ${titles}`)
  yield* written(recordAdopted(sqlite, adopted))
  yield* written(recordContents(sqlite, seen.verdict.incomplete))

  const objects = objectsOf(yield* written(sqlite.run(schemaStatement)))
  const known = source.slice(0, applied.length + scripts.length)
  const after = yield* schemaAfter({ before, live: seen.objects }, scripts, objects, adopted.length, madeBy(known))
  const last = known.at(-1)
  if (last !== undefined) {
    yield* written(recordSchema(sqlite, last, { fingerprint: fingerprintOf(after), ours: namesOf(after) }))
  }
  const isLast = scripts.length === pending.length
  if (isLast) {
    const broken = yield* written(brokenObjects(sqlite))
    // With nothing pending nobody but the database itself is to blame.
    if (broken.length > 0 && scripts.length === 0) {
      return yield* IntegrityError.found("SchemaBroken", broken.map(describeBroken))
    }
    if (broken.length > 0) {
      return yield* upgradeError("SchemaBroken", { migration: titles, detail: broken.map(describeBroken).join("; ") })
    }
  }
  // Statistics of tables that hold rows already may no longer fit their indexes: all tables, each looked at in part
  // (https://sqlite.org/pragma.html#pragma_optimize).
  if (isLast && !seen.isBlank) yield* written(sqlite.run("PRAGMA optimize = 0x10012"))
  const now = yield* look(config, source, sqlite).pipe(
    Effect.flatMap((now) => recorded(now, pending.length - scripts.length)),
    Effect.mapError((error) =>
      error.code === "" ? upgradeError("HistoryRewritten", { migration: titles, detail: error.sentence }) : error
    )
  )
  if (!now.isMarked) {
    const detail = `application_id is no longer ${config.applicationId}`
    return yield* upgradeError("HistoryRewritten", { migration: titles, detail })
  }
  // A release that fails again and again copies nothing: the copy is made once everything has worked.
  const backup = early ?? (isCopiedLast ? yield* copied : undefined)
  if (backup !== undefined) yield* backup.keep
  return { completed, adopted: adopted.map(({ migration }) => migration), backup: backup?.file, seen: now }
})

const isInWal = (sqlite: Sqlite) =>
  Effect.map(sqlite.run("PRAGMA journal_mode"), ([row]) => text(row, "journal_mode") === "wal")

/**
 * The first of the pending files, as far as they want foreign keys as they are. A file that drops a table where
 * references are deferred is the last one: what such a DROP leaves broken nothing tells but the commit, for a table
 * that is renamed into its place satisfies `foreign_key_check` and not SQLite's own count.
 */
export const runOf = (
  pending: ReadonlyArray<Migration>,
  objects: ReadonlyArray<SchemaObject>,
  isOff: boolean
): ReadonlyArray<Script> => {
  const run: Array<Script> = []
  let isDeferred = hasDeferred(objects)
  for (const migration of pending) {
    if (isRebuild(migration) !== isOff) break
    const script = scriptOf(migration)
    run.push(script)
    isDeferred ||= mayDefer(script)
    if (!isOff && ((isDeferred && mayDrop(script)) || setsDeferral(script))) break
  }
  return run
}

/** The commit sets it back. To set it back by hand would make SQLite forget what it has counted. */
const setsDeferral = ({ migration: { body } }: Script): boolean =>
  body._tag === "Sql" && /defer_foreign_keys/i.test(body.text)

const hasDeferred = (objects: ReadonlyArray<SchemaObject>): boolean => objects.some(({ sql }) => /defer/i.test(sql))

/** Runs the files one after the other, each as if it were alone: what it is judged by is asked after each. */
const applyAll = Effect.fnUntraced(function* (
  { config, database: { sqlite }, pragmas }: Room,
  objects: ReadonlyArray<SchemaObject>,
  scripts: ReadonlyArray<Script>,
  guard: RowGuard,
  { breathe, doing, progress }: Attempt
) {
  const completed: Array<Completed> = []
  const bytes = yield* bytesOf(sqlite)
  const tellers = tellStatements(progress, bytes, yield* Effect.clock)
  const clock = yield* Effect.clock
  const foreignKeys = foreignKeyWatch(sqlite, objects)
  let unrecorded: Array<Completed> = []
  const record = Effect.suspend(() => {
    const some = unrecorded
    unrecorded = []
    return recordCompleted(sqlite, some, config.program)
  })
  for (const [index, script] of scripts.entries()) {
    const { migration } = script
    const written = Effect.mapError(notWritten(titleOf(migration)))
    // Recorded all at once, unless a file could tell the difference.
    const last = completed.at(-1)
    if (last !== undefined && mayReadHistory(script)) {
      yield* written(Effect.zipRight(record, mirrorVersion(sqlite, last.migration)))
    }
    const title = titleOf(migration)
    const appliedAt = clock.unsafeCurrentTimeMillis()
    const begun = clock.unsafeCurrentTimeNanos()
    const { begins, ends } = tellers(script)
    const run = runMigration(sqlite, script, breathe, begins)
    const alone = maySetPragmas(script) ? pragmas.leavingOthers(run) : run
    doing(`counting rows before ${title}`)
    const deleted = yield* Effect.mapError(guard.watch(script), notCounted)
    doing(`applying ${title}`)
    yield* alone
    yield* ends
    doing(`counting rows after ${title}`)
    const losses = yield* Effect.mapError(deleted, notCounted)
    const executionTimeMs = Math.round(millisBetween(begun, clock.unsafeCurrentTimeNanos()))
    const done = { migration, appliedAt, executionTimeMs }
    completed.push(done)
    unrecorded.push(done)
    if (losses.length > 0) {
      const detail = losses.map(describeLoss).join("; ")
      return yield* upgradeError("RowsDeleted", { migration: titleOf(migration), detail, losses })
    }
    if (mayLeaveTemporary(script)) yield* written(dropTemporary(sqlite))
    doing(`checking foreign keys after ${title}`)
    yield* foreignKeys.check(script, index === scripts.length - 1)
  }
  yield* Effect.mapError(record, notWritten(scripts.map(({ migration }) => titleOf(migration)).join(", ")))
  // With nothing pending nobody but the database itself is to blame.
  if (scripts.length === 0) yield* foreignKeysHeld(sqlite)
  return completed
})

/** Bytes of a database above which a statement that reads a table may take seconds. */
const largeDatabase = 32 * 1024 * 1024

/** Milliseconds within which no more than one statement is told of, unless it may take long. */
const quiet = 2000

/**
 * Tells which statement begins, for nothing can be told while it runs: one that may take long, and another after some
 * silence. Of a file with many of the first kind each would be a line, and they are told as the others are.
 */
const tellStatements = (progress: Attempt["progress"], bytes: number, clock: Clock.Clock) => {
  let toldAt = clock.unsafeCurrentTimeNanos()
  return (script: Script) => {
    const total = script.statements.length
    const doing = `applying ${titleOf(script.migration)}`
    const isFew = bytes > largeDatabase && script.statements.filter(mayTakeLong).length <= 20
    return {
      begins: (statement: Statement, index: number) => {
        const now = clock.unsafeCurrentTimeNanos()
        const isTold = (isFew && mayTakeLong(statement)) || millisBetween(toldAt, now) >= quiet
        if (isTold) toldAt = now
        const detail = `statement ${index + 1} of ${total}, line ${statement.line}`
        return progress(doing, index, total, { unit: "statements", detail, isTold })
      },
      ends: total === 0 ? Effect.void : progress(doing, total, total, { unit: "statements", isTold: false })
    }
  }
}

/** Whether a statement may read or write a whole table. */
const mayTakeLong = ({ text }: Statement): boolean => {
  const [first = "", second = ""] = openingWords(text, 2)
  if (first === "CREATE" && (second === "VIEW" || second === "TRIGGER")) return false
  if (first === "CREATE" && (second === "INDEX" || second === "UNIQUE")) return true
  return /^(ALTER|ANALYZE|DELETE|DROP|REINDEX|UPDATE)$/.test(first) || /\bselect\b/i.test(text)
}

/** An Effect has no text to look into. */
const says =
  (pattern: RegExp) =>
  ({ migration: { body } }: Script): boolean =>
    body._tag === "Effect" || pattern.test(body.text)
export const maySetPragmas = says(/pragma/i)
export const mayLeaveTemporary = says(/temp/i)
const mayReadHistory = says(/schema_migrations|user_version/i)
const mayDefer = says(/defer/i)
const mayDrop = says(/drop/i)
const mayRefer = says(/references/i)

/**
 * Looks for rows without their parent after each file that could leave some. With foreign keys on SQLite refuses
 * them at once, but for those that are deferred to the commit, and for a table that loses the key that is referred to.
 */
export const foreignKeyWatch = (sqlite: Sqlite, objects: ReadonlyArray<SchemaObject>) => {
  let hasKeys = objects.some(({ sql }) => /references/i.test(sql))
  let isDeferred = hasDeferred(objects)
  let schema = Number.NaN
  return {
    check: Effect.fnUntraced(function* (script: Script, isLast: boolean) {
      const migration = titleOf(script.migration)
      const asked = Effect.mapError(notWritten(migration))
      hasKeys ||= mayRefer(script)
      isDeferred ||= mayDefer(script)
      if (!hasKeys && !isLast) return
      const [row] = yield* asked(sqlite.run("PRAGMA schema_version"))
      const isSame = integer(row, "schema_version") === schema
      schema = integer(row, "schema_version")
      if (isSame && !isDeferred && !isLast && script.migration.declared.foreignKeys === "on") return
      const rows = yield* Effect.mapError(sqlite.run(`${foreignKeyViolations} LIMIT 100`), (failure) =>
        failure.code === "SQLITE_ERROR"
          ? upgradeError("ForeignKeyMismatch", { migration, detail: failure.detail })
          : notWritten(migration)(failure)
      )
      if (rows.length > 0) {
        const detail = rows.slice(0, 3).map(describeViolation).join("; ")
        return yield* upgradeError("ForeignKeyViolations", { migration, detail })
      }
    })
  }
}

/** Counting reads whole tables, and so meets damaged pages. */
const notCounted = (failure: SqliteFailure): IntegrityError | UpgradeError =>
  failure.code.startsWith("SQLITE_CORRUPT")
    ? IntegrityError.unreadable(failure)
    : notWritten("the pending migrations")(failure)

/** SQLite's own count at the commit. */
const notReferring = (migration: string, failure: SqliteFailure): UpgradeError =>
  upgradeError("ForeignKeyViolations", {
    migration,
    failure,
    cure: "Rows of other tables refer to a table that this migration drops. To rebuild it, write `-- database-ready: foreign_keys = off` above the first statement. To remove it, delete those rows first."
  })

export const notWritten = (migration: string) => (failure: SqliteFailure) =>
  upgradeError(failure.retryable ? "Busy" : "NotWritten", { migration, failure })
