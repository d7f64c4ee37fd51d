/**
 * What a start does to a database that is not up to date. The meaning of a list of migrations is: each file by
 * itself, in order, with foreign keys on, and off only around a file that declares it. However many are pending,
 * and whether the database is new, the result is the same.
 */
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import { millisBetween } from "../../machine/monotonic.ts"
import { titleOf } from "../../start/MigrationSource.ts"
import { makeBackup, spaceForBackup } from "../Backup.ts"
import type { Attempt } from "../Initialization.ts"
import { IntegrityError } from "../IntegrityError.ts"
import { bytesOf, checkCopy, describeViolation, foreignKeyViolations } from "../PageCheck.ts"
import { type Sqlite, text } from "../Sqlite.ts"
import { brokenObjects, describeBroken } from "./CompiledSchema.ts"
import { isUpToDate, look, recorded, type Seen } from "./DatabaseLook.ts"
import { foreignKeyWatch } from "./ForeignKeyWatch.ts"
import {
  type Completed,
  mirrorVersion,
  recordAdopted,
  recordCompleted,
  recordContents,
  recordSchema
} from "./HistoryRecords.ts"
import { dropTemporary, resetCounters, runMigration, type Script } from "./MigrationRun.ts"
import { removeRemains } from "./Remains.ts"
import { describeLoss, guardRows, type RowGuard } from "./RowGuard.ts"
import { fingerprintOf, namesOf, objectsOf, type SchemaObject, schemaStatement } from "./SchemaFingerprint.ts"
import { madeBy, proveSchema, schemaAfter } from "./SchemaProof.ts"
import { few, tellWork, type WorkTeller } from "./StatementProgress.ts"
import { transaction } from "./Transaction.ts"
import { type UpgradeError, upgradeError } from "./UpgradeError.ts"
import { type Done, notCounted, notReferring, notWritten, type Room } from "./UpgradeRoom.ts"
import { isRebuild, mayLeaveTemporary, mayReadCounters, mayReadHistory, maySetPragmas, runOf } from "./UpgradeRuns.ts"

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

/** The log may hold the whole commit, which the next connection would then find. */
const mayBeCommitted = (error: { readonly _tag: string; readonly code?: string }): boolean =>
  error._tag === "UpgradeError" && /^SQLITE_IOERR_(DIR_)?FSYNC$/.test(error.code ?? "")

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

  const before = yield* proveSchema(seen.verdict, seen.objects, madeBy(applied, progress))
  const teller = tellWork(progress, yield* bytesOf(sqlite), yield* Effect.clock)
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
  const completed = yield* applyAll(room, seen.objects, scripts, { guard, teller }, attempt).pipe(
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
  const after = yield* schemaAfter(
    { before, live: seen.objects },
    scripts,
    objects,
    adopted.length,
    madeBy(known, progress)
  )
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
  // The commit itself, and in WAL mode the checkpoint that it begins, hold the event loop.
  const total = yield* bytesOf(sqlite)
  const what = scripts.length > 5 ? `${scripts.length} migrations` : titles
  yield* teller.begins(`committing ${what}`, { total, detail: "writing what has changed", isOneOfFew: true })
  return { completed, adopted: adopted.map(({ migration }) => migration), backup: backup?.file, seen: now }
})

const isInWal = (sqlite: Sqlite) =>
  Effect.map(sqlite.run("PRAGMA journal_mode"), ([row]) => text(row, "journal_mode") === "wal")

/** Runs the files one after the other, each as if it were alone: what it is judged by is asked after each. */
const applyAll = Effect.fnUntraced(function* (
  { config, database: { sqlite }, pragmas }: Room,
  objects: ReadonlyArray<SchemaObject>,
  scripts: ReadonlyArray<Script>,
  { guard, teller }: { readonly guard: RowGuard; readonly teller: WorkTeller },
  { breathe, doing }: Attempt
) {
  const completed: Array<Completed> = []
  const clock = yield* Effect.clock
  const bytes = yield* bytesOf(sqlite)
  const isOneOfFew = scripts.length <= few
  const foreignKeys = foreignKeyWatch(sqlite, objects, ({ migration }) =>
    teller.begins(`checking foreign keys after ${titleOf(migration)}`, { total: bytes, isOneOfFew })
  )
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
    const { begins, ends } = teller.statementsOf(script)
    const plain = runMigration(sqlite, script, breathe, begins)
    const run = migration.body._tag === "Effect" ? teller.whileItRuns(`applying ${title}`, plain) : plain
    const alone = maySetPragmas(script) ? pragmas.leavingOthers(run) : run
    doing(`counting rows before ${title}`)
    const watched = guard.watch(
      script,
      (when) => (done, total) =>
        teller.begins(`counting rows ${when} ${title}`, {
          done,
          total,
          unit: "tables",
          isOneOfFew: isOneOfFew && done === 0
        })
    )
    const deleted = yield* Effect.mapError(watched, notCounted)
    doing(`applying ${title}`)
    if (mayReadCounters(script)) yield* written(resetCounters(sqlite))
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
