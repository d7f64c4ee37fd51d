/** Everything that changes the file, within one transaction. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { millisBetween } from "../../machine/monotonic.ts"
import type { Attempt } from "../../start/Attempt.ts"
import { titleOf } from "../../start/MigrationSource.ts"
import { makeBackup, requireSpaceForBackup } from "../Backup.ts"
import { pinCommits } from "../EarlyCopy.ts"
import { atEdge } from "../edge.ts"
import { IntegrityError } from "../IntegrityError.ts"
import { bytesOf, checkCopy } from "../PageCheck.ts"
import { type Sqlite, text } from "../Sqlite.ts"
import { brokenObjects, cureOfBroken, describeBroken } from "./CompiledSchema.ts"
import { look, requireRecorded, type Seen } from "./DatabaseLook.ts"
import { CopyFirst, catchUp, type Early, millisToCopy } from "./EarlyBackup.ts"
import { historyFailure } from "./HistoryError.ts"
import { recordAdopted, recordContents, recordSchema } from "./HistoryRecords.ts"
import { divideRepeated } from "./RepeatableRecord.ts"
import { dropRepeated, makeRepeatables, recordRepeatables, withoutObjects } from "./Repeatables.ts"
import { guardRows } from "./RowGuard.ts"
import { applyAll } from "./RunFiles.ts"
import { fingerprintOf, namesOf, objectsOf, schemaStatement } from "./SchemaFingerprint.ts"
import { madeBy, proveSchema, schemaAfter } from "./SchemaProof.ts"
import { tellWork } from "./StatementProgress.ts"
import { upgradeError } from "./UpgradeError.ts"
import { notCounted, notWritten, type Room } from "./UpgradeRoom.ts"
import { runOf } from "./UpgradeRuns.ts"

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
export const applyRun = Effect.fnUntraced(function* (room: Room, seen: Seen, step: Step, attempt: Attempt) {
  const { early: allowed, isCopied, isOff, outer } = step
  const clock = yield* Effect.clock
  const begun = clock.unsafeCurrentTimeNanos()
  const { config, database, source } = room
  const { sqlite } = database
  const { doing, progress } = attempt
  const { adopted, applied, pending, repeatables } = seen.verdict
  const scripts = runOf(pending, seen.objects, isOff)
  const isLast = scripts.length === pending.length
  const repeated = isLast && repeatables.isDue ? repeatables.due : []
  const titles = [...scripts.map(({ migration }) => migration), ...repeated].map(titleOf).join(", ")
  const orNotWritten = Effect.mapError(notWritten(titles))
  const write = <A>(question: () => A) => atEdge(question, notWritten(titles))
  if (!seen.isMarked) yield* orNotWritten(sqlite.run(`PRAGMA application_id = ${config.applicationId}`))
  const nothing = { completed: [], adopted: [], repeated: [], backup: undefined }
  // Another process may have applied them meanwhile.
  if (scripts.length === 0 && adopted.length === 0 && !repeatables.isDue)
    return { ...nothing, seen: { ...seen, isMarked: true } }

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
  yield* write(seen.prepareHistory)
  const ofOthers = yield* orNotWritten(dropRepeated(sqlite, repeatables, seen.objects))
  // Views and triggers alone change no row.
  const isOnlyRepeated = scripts.length === 0 && adopted.length === 0
  const completed = isOnlyRepeated
    ? []
    : yield* applyAll(room, seen.objects, scripts, { guard, teller }, attempt).pipe(
        // Pages are checked in the copy, and there is none yet.
        Effect.tapError((error) =>
          isCopiedLast && error.code.startsWith("SQLITE_CORRUPT") ? checkCopy(database.file, progress) : Effect.void
        )
      )
  doing(`recording ${titles}`)
  yield* write(() => {
    recordAdopted(sqlite, adopted)
    recordContents(sqlite, seen.verdict.incomplete)
  })

  const whole = objectsOf(yield* orNotWritten(sqlite.run(schemaStatement)))
  const objects = divideRepeated(repeatables.recorded, whole).others
  const known = source.slice(0, applied.length + scripts.length)
  const after = yield* schemaAfter(
    { before, live: divideRepeated(repeatables.recorded, seen.objects).others },
    scripts,
    objects,
    adopted.length,
    madeBy(known, progress)
  )
  const last = known.at(-1)
  if (last !== undefined) {
    yield* write(() => recordSchema(sqlite, last, { fingerprint: fingerprintOf(after), ours: namesOf(after) }))
  }
  if (repeatables.isDue && last !== undefined) {
    if (isLast) doing(`making ${repeatables.own.map(titleOf).join(", ")}`)
    const record = isLast
      ? yield* makeRepeatables(sqlite, repeatables, ofOthers, (_, refuse) => refuse)
      : withoutObjects(repeatables.recorded, ofOthers)
    yield* orNotWritten(recordRepeatables(sqlite, last, record))
  }
  if (isLast) {
    const broken = yield* write(() => brokenObjects(sqlite))
    // With nothing pending nobody but the database itself is to blame.
    if (broken.length > 0 && titles === "") {
      return yield* IntegrityError.found("SchemaBroken", broken.map(describeBroken))
    }
    if (broken.length > 0) {
      const detail = broken.map(describeBroken).join("; ")
      return yield* upgradeError("SchemaBroken", { migration: titles, detail, cure: cureOfBroken(broken) })
    }
  }
  // Statistics of tables with rows may no longer fit their indexes: analyze all tables, each in part
  // (https://sqlite.org/pragma.html#pragma_optimize).
  if (isLast && !isOnlyRepeated && !seen.isBlank) yield* orNotWritten(sqlite.run("PRAGMA optimize = 0x10012"))
  const now = yield* atEdge(
    () => requireRecorded(look(config, source, sqlite), pending.length - scripts.length),
    historyFailure
  ).pipe(
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
  return {
    completed,
    adopted: adopted.map(({ migration }) => migration),
    repeated,
    backup: backup?.file,
    seen: now
  }
})

const isInWal = (sqlite: Sqlite) =>
  Effect.map(sqlite.run("PRAGMA journal_mode"), ([row]) => text(row, "journal_mode") === "wal")
