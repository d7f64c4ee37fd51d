/** Everything that changes the file, within one transaction. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { millisBetween } from "../../machine/monotonic.ts"
import type { Attempt } from "../../start/Attempt.ts"
import { titleOf } from "../../start/MigrationSource.ts"
import { makeBackup, requireSpaceForBackup } from "../Backup.ts"
import { pinCommits } from "../EarlyCopy.ts"
import { atOnce, outcomeOf, verdictOf } from "../edge.ts"
import { IntegrityError } from "../IntegrityError.ts"
import { checkCopy, sizeOf } from "../PageCheck.ts"
import { type Sqlite, text } from "../Sqlite.ts"
import { brokenObjects, cureOfBroken, describeBroken } from "./CompiledSchema.ts"
import { look, requireRecorded, type Seen } from "./DatabaseLook.ts"
import { CopyFirst, catchUp, type Early, millisToCopy } from "./EarlyBackup.ts"
import { HistoryError, historyFailure } from "./HistoryError.ts"
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
  /** Where a backup is kept until it is committed; undefined where this start has its backup, or needs none. */
  readonly copies: Scope.Scope | undefined
  readonly early: Early
}

/** Everything that changes the file, within one transaction. */
export const applyRun = (room: Room, seen: Seen, { copies, early: allowed, isOff }: Step, attempt: Attempt) =>
  atOnce(function* () {
    const { clock } = attempt
    const begun = clock.unsafeCurrentTimeNanos()
    const { config, database, source } = room
    const { sqlite } = database
    const { doing, progress } = attempt
    const { adopted, applied, pending, repeatables } = seen.verdict
    const scripts = runOf(pending, seen.objects, isOff)
    const isLast = scripts.length === pending.length
    const repeated = isLast && repeatables.isDue ? repeatables.due : []
    const titles = [...scripts.map(({ migration }) => migration), ...repeated].map(titleOf).join(", ")
    const write = <A>(question: () => A) => outcomeOf(question, notWritten(titles))
    const bytes = () => outcomeOf(() => sizeOf(sqlite), IntegrityError.unreadable)
    if (!seen.isMarked) yield* write(() => sqlite.all(`PRAGMA application_id = ${config.applicationId}`))
    const nothing = { completed: [], adopted: [], repeated: [], backup: undefined }
    // Another process may have applied them meanwhile.
    if (scripts.length === 0 && adopted.length === 0 && !repeatables.isDue)
      return { ...nothing, seen: { ...seen, isMarked: true } }

    const before = yield* proveSchema(seen.verdict, seen.objects, madeBy(applied, progress))
    const teller = tellWork(progress, yield* bytes(), clock)
    const guard = guardRows(sqlite, seen.objects, attempt.breathe)
    const newest = pending.at(-1)
    const { version: from } = seen.verdict
    const due =
      config.backups > 0 &&
      newest !== undefined &&
      copies !== undefined &&
      !(yield* outcomeOf(guard.isEmpty, notCounted))
        ? { copies, versions: { from, to: newest.version } }
        : undefined
    const makeCopy = () => {
      if (due === undefined) return Effect.succeed(undefined)
      doing("making the backup")
      const made = makeBackup(database.file, due.versions, (copy) => checkCopy(copy, progress), progress)
      return Scope.extend(made, due.copies)
    }
    // Only in WAL mode can a copy read what is committed while this transaction writes.
    const isCopiedLast = due !== undefined && (yield* write(() => isInWal(sqlite)))
    const copy = isCopiedLast ? yield* catchUp(allowed, due.versions) : undefined
    if (due !== undefined && copy === undefined) yield* requireSpaceForBackup(sqlite, database.file, due.versions)
    const early = isCopiedLast ? undefined : yield* makeCopy()
    const ofOthers = yield* write(() => {
      seen.prepareHistory()
      return dropRepeated(sqlite, repeatables, seen.objects)
    })
    // Pages are checked in the copy, and there is none yet.
    const orDamaged = <A, R>(applied: Effect.Effect<A, Applied, R>) =>
      isCopiedLast
        ? Effect.tapError(applied, ({ code }) =>
            code.startsWith("SQLITE_CORRUPT") ? checkCopy(database.file, progress) : Effect.void
          )
        : applied
    // Views and triggers alone change no row.
    const isOnlyRepeated = scripts.length === 0 && adopted.length === 0
    const completed = isOnlyRepeated
      ? []
      : yield* orDamaged(applyAll(room, seen.objects, scripts, { guard, teller }, attempt))
    doing(`recording ${titles}`)
    yield* write(() => {
      recordAdopted(sqlite, adopted)
      recordContents(sqlite, seen.verdict.incomplete)
    })

    const whole = objectsOf(yield* write(() => sqlite.all(schemaStatement)))
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
        ? yield* verdictOf(makeRepeatables(sqlite, repeatables, ofOthers, (_, refuse) => refuse()))
        : withoutObjects(repeatables.recorded, ofOthers)
      yield* write(() => recordRepeatables(sqlite, last, record))
    }
    if (isLast) {
      const broken = yield* write(() => brokenObjects(sqlite, repeatables.isDue ? undefined : whole))
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
    if (isLast && !isOnlyRepeated && !seen.isBlank) yield* write(() => sqlite.all("PRAGMA optimize = 0x10012"))
    const now = yield* outcomeOf(() => {
      const looked = requireRecorded(look(config, source, sqlite), pending.length - scripts.length)
      return looked instanceof HistoryError && looked.code === ""
        ? upgradeError("HistoryRewritten", { migration: titles, detail: looked.sentence })
        : looked
    }, historyFailure)
    if (!now.isMarked) {
      const detail = `application_id is no longer ${config.applicationId}`
      return yield* upgradeError("HistoryRewritten", { migration: titles, detail })
    }
    // Copy only after everything has worked: a release that fails again and again copies nothing.
    const worked = millisBetween(begun, clock.unsafeCurrentTimeNanos())
    if (isCopiedLast && allowed?._tag === "Allowed" && 2 * worked < millisToCopy(yield* bytes())) {
      const pinned = pinCommits(database.file, allowed.scope, Effect.suspend(attempt.breathe))
      const moment = yield* Effect.orElseSucceed(pinned, () => undefined)
      if (moment !== undefined) return yield* new CopyFirst({ ...due.versions, moment, scope: allowed.scope })
    }
    const backup =
      early ??
      (isCopiedLast ? yield* copy === undefined ? makeCopy() : Scope.extend(copy.backup, due.copies) : undefined)
    if (backup !== undefined) yield* backup.keep
    // The commit, and in WAL mode the checkpoint that it starts, block the event loop.
    const total = yield* bytes()
    const what = scripts.length > 5 ? `${scripts.length} migrations` : titles
    yield* teller.begins(`committing ${what}`, { total, detail: "writing what has changed", isOneOfFew: true })
    return {
      completed,
      adopted: adopted.map(({ migration }) => migration),
      repeated,
      backup: backup?.file,
      seen: { ...now, isCompiled: isLast }
    }
  })

const isInWal = ({ all }: Sqlite): boolean => text(all("PRAGMA journal_mode")[0], "journal_mode") === "wal"

/** What the files can fail with. */
type Applied = Effect.Effect.Error<ReturnType<typeof applyAll>>
