/**
 * What a start does to a database that is not up to date. A list of migrations means: each file by itself, in order,
 * with foreign keys on, and off only around a file that declares it. The result does not depend on how many are
 * pending, or on whether the database is new.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { millisBetween } from "../../machine/monotonic.ts"
import type { Attempt } from "../../start/Attempt.ts"
import { titleOf } from "../../start/MigrationSource.ts"
import {
  type EarlyCopy,
  largeCopy,
  makeBackup,
  makeEarlyCopy,
  type Pinned,
  pinCommits,
  requireSpaceForBackup
} from "../Backup.ts"
import { earlyCopyOf, removeOrWarn } from "../BackupFiles.ts"
import type { Upgrade as Versions } from "../BackupNames.ts"
import { IntegrityError } from "../IntegrityError.ts"
import { lockForCopying } from "../LockFile.ts"
import { bytesOf, checkCopy, describeViolation, foreignKeyViolations } from "../PageCheck.ts"
import { isLock, type Sqlite, text } from "../Sqlite.ts"
import { brokenObjects, describeBroken } from "./CompiledSchema.ts"
import { isUpToDate, look, requireRecorded, type Seen } from "./DatabaseLook.ts"
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
 * Applies what is pending: one transaction for each run of files that want foreign keys in the same state, because the
 * switch works only outside a transaction (https://sqlite.org/pragma.html#pragma_foreign_keys). If no pending file
 * declares `foreign_keys = off`, that is one transaction for all.
 */
export const upgrade = Effect.fnUntraced(function* (room: Room, first: Seen, done: Done, attempt: Attempt) {
  const { database, pragmas } = room
  done.isNew ??= first.isBlank
  const { isNew } = done
  let seen = first
  // Keeps the early copy and its lock until the upgrade ends.
  const outer = yield* Effect.scope
  let early = isNew || done.backup !== undefined ? undefined : yield* decideEarlyCopy(room, first)
  while (!isUpToDate(seen)) {
    const isOff = isRebuild(seen.verdict.pending[0])
    let last = "the pending migrations"
    const step = transaction(
      database.sqlite,
      { begin: database.sqlite.run("BEGIN IMMEDIATE") },
      (failure) =>
        failure.code === "SQLITE_CONSTRAINT_FOREIGNKEY" ? notReferring(last, failure) : notWritten(last)(failure),
      // A failed step's copy is deleted while the write lock is held: later it could be another process's copy.
      Effect.scoped(
        Effect.zipLeft(
          Effect.flatMap(look(room.config, room.source, database.sqlite), (now) =>
            applyRun(room, now, { isOff, isCopied: isNew || done.backup !== undefined, early, outer }, attempt)
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
    const patient = early?._tag === "Made" ? Effect.retry(step, untilItIsOurs(attempt)) : step
    const applied = yield* Effect.catchIf(
      isOff ? pragmas.withoutForeignKeys(patient) : patient,
      isForeignKeyViolation,
      (error) => Effect.zipRight(requireForeignKeys(database.sqlite), error)
    ).pipe(
      Effect.tapError((error) =>
        mayBeCommitted(error) || error._tag === "CopyFirst" ? Effect.void : removeRemains(room, LogLevel.Debug)
      ),
      Effect.tapErrorTag("UpgradeError", (error) =>
        Effect.sync(() => {
          error.applied = done.completed.map(({ migration }) => titleOf(migration))
          error.backup = done.backup
        })
      ),
      Effect.catchTag("CopyFirst", ({ from, moment, to }) =>
        Effect.map(copyEarly(room, { from, to }, moment, attempt), (made) => {
          early = made
          return undefined
        })
      )
    )
    if (applied === undefined) continue
    const { seen: after, ...added } = applied
    done.completed.push(...added.completed)
    done.adopted.push(...added.adopted)
    done.backup ??= added.backup
    attempt.committed({ applied: added.completed.map(({ migration }) => titleOf(migration)), backup: added.backup })
    seen = after
  }
  return seen
})

/** Whether the copy is made while others write: allowed, made, or `undefined` if it is made with the lock held. */
type Early =
  | { readonly _tag: "Allowed" }
  | { readonly _tag: "Made"; readonly copy: EarlyCopy; readonly versions: Versions }
  | undefined

/**
 * All statements worked. They are rolled back to let others write while the copy is made, and then run again. So a
 * release that fails copies nothing, and one that works holds the write lock only while its statements run, twice.
 */
class CopyFirst extends Data.TaggedError("CopyFirst")<{
  readonly from: string | undefined
  readonly to: string
  readonly moment: Pinned
}> {}

/**
 * One start at a time: the others wait here, before they take the write lock. Not with Effects: they must run only
 * once, because they may do something elsewhere. Not for small databases: copying them is fast.
 */
const decideEarlyCopy = Effect.fnUntraced(function* ({ config, database }: Room, { isBlank, verdict }: Seen) {
  const { file, sqlite } = database
  const [newest] = verdict.pending.slice(-1)
  if (isBlank || config.inMemory || config.backups === 0 || newest === undefined) return undefined
  if (verdict.pending.some(({ body }) => body._tag === "Effect") || (yield* bytesOf(sqlite)) <= largeCopy)
    return undefined
  const allowed: Early = { _tag: "Allowed" }
  return yield* lockForCopying(file).pipe(
    Effect.as<Early>(allowed),
    Effect.catchAll(({ code, detail }) =>
      isLock(code)
        ? // EBUSY: this lock is not one of the database's.
          upgradeError("Busy", { migration: titleOf(newest), failure: { code: "EBUSY", detail, retryable: true } })
        : Effect.succeed<Early>(undefined)
    )
  )
})

/**
 * If the early copy fails for any reason, the copy is made later, with the lock held. Damage found by the check is
 * still reported.
 */
const copyEarly = ({ database: { file, sqlite } }: Room, versions: Versions, moment: Pinned, attempt: Attempt) =>
  makeEarlyCopy(file, versions, moment, sqlite, (copy) => checkCopy(copy, attempt.progress), attempt).pipe(
    Effect.map((copy): Early => ({ _tag: "Made", copy, versions })),
    Effect.catchTags({
      SqliteFailure: copyWithLockHeld,
      SystemFailure: copyWithLockHeld
    }),
    Effect.tap((made) =>
      made === undefined ? Effect.zipRight(moment.release, removeOrWarn(earlyCopyOf(file, versions))) : Effect.void
    ),
    Effect.tap(() => attempt.inTime)
  )

const copyWithLockHeld = ({ code, detail }: { readonly code: string; readonly detail: string }) =>
  Effect.as(Effect.logDebug(`The backup is made with the write lock held (${code}: ${detail})`), undefined)

/** The early copy with all later commits, if it is of this upgrade. */
const catchUp = (
  early: Early,
  { from, to }: Versions
): Effect.Effect<EarlyCopy | undefined, never, FileSystem.FileSystem> =>
  early?._tag === "Made" && early.versions.from === from && early.versions.to === to
    ? Effect.map(early.copy.catchUp, (isCaughtUp) => (isCaughtUp ? early.copy : undefined))
    : Effect.succeed(undefined)

/** To copy, flush and check takes about ten seconds per GB. */
const millisToCopy = (bytes: number): number => bytes / 100_000

/** Writers hold the lock only for a moment. Giving up would mean to copy again. */
const untilItIsOurs = ({ inTime }: Attempt) => ({
  schedule: Schedule.spaced("10 millis").pipe(Schedule.intersect(Schedule.recurs(500))),
  while: (error: { readonly _tag: string; readonly reason?: string }) =>
    error._tag === "UpgradeError" && error.reason === "Busy"
      ? Effect.as(inTime, true).pipe(Effect.orElseSucceed(() => false))
      : false
})

/** The WAL may hold the whole commit, and the next connection may find it. */
const mayBeCommitted = (error: { readonly _tag: string; readonly code?: string }): boolean =>
  error._tag === "UpgradeError" && /^SQLITE_IOERR_(DIR_)?FSYNC$/.test(error.code ?? "")

const isForeignKeyViolation = (error: { readonly _tag: string; readonly reason?: string }): error is UpgradeError =>
  error._tag === "UpgradeError" && error.reason === "ForeignKeyViolations"

/** The step is rolled back: a violation that is still there is not the migrations' fault. */
const requireForeignKeys = (sqlite: Sqlite): Effect.Effect<void, IntegrityError> =>
  sqlite.run(`${foreignKeyViolations} LIMIT 100`).pipe(
    Effect.mapError(IntegrityError.unreadable),
    Effect.flatMap((rows) =>
      rows.length === 0 ? Effect.void : IntegrityError.found("ForeignKeyViolations", rows.map(describeViolation))
    )
  )

interface Step {
  /** Whether foreign keys are off, for the files that declare it. */
  readonly isOff: boolean
  /** Whether this start has its backup, or needs none. */
  readonly isCopied: boolean
  readonly early: Early
  /** Open during the whole upgrade. */
  readonly outer: Scope.Scope
}

/** Everything that changes the file, within one transaction. */
const applyRun = Effect.fnUntraced(function* (room: Room, seen: Seen, step: Step, attempt: Attempt) {
  const { early: allowed, isCopied, isOff, outer } = step
  const clock = yield* Effect.clock
  const begun = clock.unsafeCurrentTimeNanos()
  const { config, database, source } = room
  const { sqlite } = database
  const { doing, progress } = attempt
  const { adopted, applied, pending } = seen.verdict
  const scripts = runOf(pending, seen.objects, isOff)
  const titles = scripts.map(({ migration }) => titleOf(migration)).join(", ")
  const orNotWritten = Effect.mapError(notWritten(titles))
  if (!seen.isMarked) yield* orNotWritten(sqlite.run(`PRAGMA application_id = ${config.applicationId}`))
  const nothing = { completed: [], adopted: [], backup: undefined }
  // Another process may have applied them meanwhile.
  if (scripts.length === 0 && adopted.length === 0) return { ...nothing, seen: { ...seen, isMarked: true } }

  const before = yield* proveSchema(seen.verdict, seen.objects, madeBy(applied, progress))
  const teller = tellWork(progress, yield* bytesOf(sqlite), clock)
  const guard = guardRows(sqlite, seen.objects, attempt.breathe)
  const newest = pending.at(-1)
  const { version: from } = seen.verdict
  const isDue =
    config.backups > 0 && newest !== undefined && !isCopied && !(yield* Effect.mapError(guard.isEmpty, notCounted))
  const makeCopy = Effect.suspend(() => {
    if (!isDue) return Effect.succeed(undefined)
    doing("making the backup")
    return makeBackup(database.file, { from, to: newest.version }, (copy) => checkCopy(copy, progress), progress)
  })
  // Only in WAL mode can a copy read what is committed while this transaction writes.
  const isCopiedLast = isDue && (yield* orNotWritten(isInWal(sqlite)))
  const copy = isCopiedLast ? yield* catchUp(allowed, { from, to: newest.version }) : undefined
  if (isDue && copy === undefined) yield* requireSpaceForBackup(sqlite, database.file, { from, to: newest.version })
  const early = isCopiedLast ? undefined : yield* makeCopy
  yield* orNotWritten(seen.prepareHistory)
  const completed = yield* applyAll(room, seen.objects, scripts, { guard, teller }, attempt).pipe(
    // Pages are checked in the copy, and there is none yet.
    Effect.tapError((error) =>
      isCopiedLast && error.code.startsWith("SQLITE_CORRUPT") ? checkCopy(database.file, progress) : Effect.void
    )
  )
  doing(`recording ${titles}`)
  yield* orNotWritten(recordAdopted(sqlite, adopted))
  yield* orNotWritten(recordContents(sqlite, seen.verdict.incomplete))

  const objects = objectsOf(yield* orNotWritten(sqlite.run(schemaStatement)))
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
    yield* orNotWritten(recordSchema(sqlite, last, { fingerprint: fingerprintOf(after), ours: namesOf(after) }))
  }
  const isLast = scripts.length === pending.length
  if (isLast) {
    const broken = yield* orNotWritten(brokenObjects(sqlite))
    // With nothing pending nobody but the database itself is to blame.
    if (broken.length > 0 && scripts.length === 0) {
      return yield* IntegrityError.found("SchemaBroken", broken.map(describeBroken))
    }
    if (broken.length > 0) {
      return yield* upgradeError("SchemaBroken", { migration: titles, detail: broken.map(describeBroken).join("; ") })
    }
  }
  // Statistics of tables with rows may no longer fit their indexes: analyze all tables, each in part
  // (https://sqlite.org/pragma.html#pragma_optimize).
  if (isLast && !seen.isBlank) yield* orNotWritten(sqlite.run("PRAGMA optimize = 0x10012"))
  const now = yield* look(config, source, sqlite).pipe(
    Effect.flatMap((now) => requireRecorded(now, pending.length - scripts.length)),
    Effect.mapError((error) =>
      error.code === "" ? upgradeError("HistoryRewritten", { migration: titles, detail: error.sentence }) : error
    )
  )
  if (!now.isMarked) {
    const detail = `application_id is no longer ${config.applicationId}`
    return yield* upgradeError("HistoryRewritten", { migration: titles, detail })
  }
  // Copy only after everything has worked: a release that fails again and again copies nothing.
  const worked = millisBetween(begun, clock.unsafeCurrentTimeNanos())
  if (isCopiedLast && allowed?._tag === "Allowed" && 2 * worked < millisToCopy(yield* bytesOf(sqlite))) {
    const moment = yield* Effect.orElseSucceed(pinCommits(database.file, outer, attempt.breathe), () => undefined)
    if (moment !== undefined) return yield* new CopyFirst({ from, to: newest.version, moment })
  }
  const backup = early ?? (isCopiedLast ? yield* copy?.backup ?? makeCopy : undefined)
  if (backup !== undefined) yield* backup.keep
  // The commit, and in WAL mode the checkpoint that it starts, block the event loop.
  const total = yield* bytesOf(sqlite)
  const what = scripts.length > 5 ? `${scripts.length} migrations` : titles
  yield* teller.begins(`committing ${what}`, { total, detail: "writing what has changed", isOneOfFew: true })
  return { completed, adopted: adopted.map(({ migration }) => migration), backup: backup?.file, seen: now }
})

const isInWal = (sqlite: Sqlite) =>
  Effect.map(sqlite.run("PRAGMA journal_mode"), ([row]) => text(row, "journal_mode") === "wal")

/** Runs the files one after the other. Each is checked right after it, as if it were alone. */
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
    const orNotWritten = Effect.mapError(notWritten(titleOf(migration)))
    // Record all at once, unless a file could see the difference.
    const last = completed.at(-1)
    if (last !== undefined && mayReadHistory(script)) {
      yield* orNotWritten(Effect.zipRight(record, mirrorVersion(sqlite, last.migration)))
    }
    const title = titleOf(migration)
    const appliedAt = clock.unsafeCurrentTimeMillis()
    const begun = clock.unsafeCurrentTimeNanos()
    const { begins, ends } = teller.statementsOf(script)
    const plain = runMigration(sqlite, script, breathe, begins)
    const run = migration.body._tag === "Effect" ? teller.whileItRuns(`applying ${title}`, plain) : plain
    const alone = maySetPragmas(script) ? pragmas.restoringOthers(run) : run
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
    if (mayReadCounters(script)) yield* orNotWritten(resetCounters(sqlite))
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
    if (mayLeaveTemporary(script)) yield* orNotWritten(dropTemporary(sqlite))
    doing(`checking foreign keys after ${title}`)
    yield* foreignKeys.check(script, index === scripts.length - 1)
  }
  yield* Effect.mapError(record, notWritten(scripts.map(({ migration }) => titleOf(migration)).join(", ")))
  // With nothing pending nobody but the database itself is to blame.
  if (scripts.length === 0) yield* requireForeignKeys(sqlite)
  return completed
})
