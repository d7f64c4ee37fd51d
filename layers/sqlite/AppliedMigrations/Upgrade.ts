/**
 * What a start does to a database that is not up to date. A list of migrations means: each file by itself, in order,
 * with foreign keys on, and off only around a file that declares it. The result does not depend on how many are
 * pending, or on whether the database is new.
 */
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { millisBetween } from "../../machine/monotonic.ts"
import type { Attempt } from "../../start/Attempt.ts"
import { titleOf } from "../../start/MigrationSource.ts"
import { atOnce, isPassed, outcomeOf, verdictOf } from "../edge.ts"
import { isUpToDate, lookAgain, type Seen } from "./DatabaseLook.ts"
import { copyEarly, decideEarlyCopy, type Early } from "./EarlyBackup.ts"
import { requireForeignKeys } from "./ForeignKeyCheck.ts"
import { historyFailure } from "./HistoryError.ts"
import { removeRemains } from "./Remains.ts"
import { writing } from "./Transaction.ts"
import type { UpgradeError } from "./UpgradeError.ts"
import { type Done, notReferring, notWritten, type Room } from "./UpgradeRoom.ts"
import { isRebuild } from "./UpgradeRuns.ts"
import { applyRun } from "./UpgradeStep.ts"

/**
 * Applies what is pending: one transaction for each run of files that want foreign keys in the same state, because the
 * switch works only outside a transaction (https://sqlite.org/pragma.html#pragma_foreign_keys). If no pending file
 * declares `foreign_keys = off`, that is one transaction for all.
 */
export const upgrade = (room: Room, first: Seen, done: Done, attempt: Attempt) => {
  done.isNew ??= first.isBlank
  // There is nothing to copy: then nothing has to be waited for.
  return done.isNew || done.backup !== undefined
    ? applyPending(room, first, done, undefined, attempt)
    : Effect.scoped(
        Effect.flatMap(decideEarlyCopy(room, first), (early) => applyPending(room, first, done, early, attempt))
      )
}

const applyPending = (room: Room, first: Seen, done: Done, allowed: Early, attempt: Attempt) =>
  atOnce(function* () {
    const { database, pragmas } = room
    const { clock } = attempt
    let seen = first
    let early = allowed
    while (!isUpToDate(seen)) {
      const isOff = isRebuild(seen.verdict.pending[0])
      const isCopied = done.isNew === true || done.backup !== undefined
      let last = "the pending migrations"
      const apply = (copies: Scope.Scope | undefined) =>
        atOnce(function* () {
          const now = yield* outcomeOf(() => lookAgain(room.config, room.source, database.sqlite, seen), historyFailure)
          const applied = yield* applyRun(room, now, { isOff, copies, early }, attempt)
          const migration = applied.completed.at(-1)?.migration
          if (migration !== undefined) last = titleOf(migration)
          if (attempt.left() < 0) yield* attempt.inTime
          return applied
        })
      const step = () => {
        const begun = clock.unsafeCurrentTimeNanos()
        return atOnce(function* () {
          const applied = yield* writing(
            database.sqlite,
            (failure) =>
              failure.code === "SQLITE_CONSTRAINT_FOREIGNKEY" ? notReferring(last, failure) : notWritten(last)(failure),
            // A failed step's copy is deleted while the write lock is held: later it could be another process's copy.
            () => (isCopied ? apply(undefined) : Effect.scoped(Effect.flatMap(Effect.scope, apply)))
          )
          return { ...applied, heldMs: millisBetween(begun, clock.unsafeCurrentTimeNanos()) }
        })
      }
      const patient = () =>
        early?._tag === "Made" ? Effect.retry(Effect.suspend(step), untilItIsOurs(attempt)) : step()
      const outcome = isOff ? pragmas.withoutForeignKeys(patient) : patient()
      const applied = yield* isPassed(outcome)
        ? outcome
        : outcome.pipe(
            Effect.catchIf(isForeignKeyViolation, (error) =>
              Effect.zipRight(
                Effect.suspend(() => verdictOf(requireForeignKeys(database.sqlite))),
                error
              )
            ),
            Effect.tapError((error) =>
              mayBeCommitted(error) || error._tag === "CopyFirst" ? Effect.void : removeRemains(room, LogLevel.Debug)
            ),
            Effect.tapErrorTag("UpgradeError", (error) =>
              Effect.sync(() => {
                error.applied = done.completed.map(({ migration }) => titleOf(migration))
                error.backup = done.backup
              })
            ),
            Effect.catchTag("CopyFirst", ({ from, moment, scope, to }) =>
              Effect.map(Scope.extend(copyEarly(room, { from, to }, moment, attempt), scope), (made) => {
                early = made
                return undefined
              })
            )
          )
      if (applied === undefined) continue
      const { heldMs, seen: after, ...added } = applied
      done.lockedMs.push(heldMs)
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
