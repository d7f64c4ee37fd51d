/**
 * What a start does to a database that is not up to date. A list of migrations means: each file by itself, in order,
 * with foreign keys on, and off only around a file that declares it. The result does not depend on how many are
 * pending, or on whether the database is new.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as Schedule from "effect/Schedule"
import type { Attempt } from "../../start/Attempt.ts"
import { titleOf } from "../../start/MigrationSource.ts"
import { atEdge } from "../edge.ts"
import { isUpToDate, look, type Seen } from "./DatabaseLook.ts"
import { copyEarly, decideEarlyCopy } from "./EarlyBackup.ts"
import { requireForeignKeys } from "./ForeignKeyCheck.ts"
import { historyFailure } from "./HistoryError.ts"
import { removeRemains } from "./Remains.ts"
import { transaction } from "./Transaction.ts"
import type { UpgradeError } from "./UpgradeError.ts"
import { type Done, notReferring, notWritten, type Room } from "./UpgradeRoom.ts"
import { isRebuild } from "./UpgradeRuns.ts"
import { applyRun } from "./UpgradeStep.ts"

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
          Effect.flatMap(
            atEdge(() => look(room.config, room.source, database.sqlite), historyFailure),
            (now) => applyRun(room, now, { isOff, isCopied: isNew || done.backup !== undefined, early, outer }, attempt)
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
    const timed = Effect.timed(step)
    const patient = early?._tag === "Made" ? Effect.retry(timed, untilItIsOurs(attempt)) : timed
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
    const [held, { seen: after, ...added }] = applied
    done.lockedMs.push(Duration.toMillis(held))
    done.completed.push(...added.completed)
    done.adopted.push(...added.adopted)
    done.repeated.push(...added.repeated)
    done.backup ??= added.backup
    attempt.committed({ applied: added.completed.map(({ migration }) => titleOf(migration)), backup: added.backup })
    seen = after
  }
  return seen
})

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
