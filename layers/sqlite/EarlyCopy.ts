/** A copy that is made while others write, and then catches up with their commits. */

import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Attempt } from "../start/Attempt.ts"
import { type Backup, prepareBackup, tellProgressOf } from "./Backup.ts"
import { asBackupError, type BackupError } from "./BackupError.ts"
import { backupsOf, earlyCopyOf, flush, partsOf, remove, removeCopyOrWarn, removeUnfinished } from "./BackupFiles.ts"
import { formatBackupName, nextBackupName, type Upgrade } from "./BackupNames.ts"
import { copyDatabase, refuseEmptyCopy } from "./DatabaseCopy.ts"
import { openSqlite, openSqliteIn, type Sqlite } from "./Sqlite.ts"
import { applyCommits, endOfCommits, type WalEnd } from "./WalTail.ts"

/** A state of a database that stays readable while others write. */
export interface Pinned {
  readonly source: Sqlite
  readonly end: WalEnd
  /** Releases it, so that the WAL can start over. */
  readonly release: Effect.Effect<void>
}

/**
 * Keeps the state of this moment readable until the scope closes. Run it in WAL mode with the write lock held.
 * Undefined if it could not be told later what was committed since.
 */
export const pinCommits = Effect.fnUntraced(function* (file: string, scope: Scope.Scope, breathe: Effect.Effect<void>) {
  const own = yield* Scope.fork(scope, ExecutionStrategy.sequential)
  const source = yield* openSqliteIn(own, { filename: file, readonly: true })
  yield* source.run("BEGIN")
  // The read lock is taken by the first read.
  yield* source.run("SELECT count(*) FROM sqlite_schema")
  const end = yield* endOfCommits(file, breathe)
  const release = Scope.close(own, Exit.void)
  if (end === undefined) yield* release
  return end === undefined ? undefined : { source, end, release }
})

/** A copy made while others write. */
export interface EarlyCopy {
  /**
   * Brings the copy up to the last commit. Run it with the write lock held, before the first write. False if that is
   * impossible; the copy is then useless.
   */
  readonly catchUp: Effect.Effect<boolean, never, FileSystem.FileSystem>
  /** Turns it into the backup, within the transaction of the upgrade. */
  readonly backup: Effect.Effect<Backup, BackupError, FileSystem.FileSystem | Path.Path | Scope.Scope>
}

/**
 * Copies a pinned state and runs `check` on the copy, without blocking anyone. Call it while you hold the lock of
 * `lockForCopying`. When the scope closes the copy is deleted, unless it has become a backup.
 */
export const makeEarlyCopy = Effect.fnUntraced(function* <E, R>(
  file: string,
  upgrade: Upgrade,
  { end, release, source }: Pinned,
  live: Sqlite,
  check: (copy: string) => Effect.Effect<void, E, R>,
  { breathe, progress }: Pick<Attempt, "breathe" | "progress">
) {
  const partial = earlyCopyOf(file, upgrade)
  // The process that began this copy has ended: we hold its lock.
  yield* Effect.forEach(partsOf(partial), remove, { discard: true })
  yield* Effect.addFinalizer(() => removeCopyOrWarn(partial))
  // An interruption stops the copying by closing its source.
  yield* Effect.onError(tellProgressOf(file, partial, progress, copyDatabase(file, partial, { source })), () => release)
  yield* check(partial)
  yield* refuseEmptyCopy(partial)
  let reached: WalEnd | undefined = end
  const applyNewCommits = Effect.suspend(() =>
    reached === undefined ? Effect.succeed(undefined) : applyCommits(file, reached, partial, Effect.suspend(breathe))
  ).pipe(
    Effect.tap((now) =>
      Effect.sync(() => {
        reached = now
      })
    )
  )
  // Catch up now, while others may still write: little is left for the time under the lock.
  yield* applyNewCommits
  const early: EarlyCopy = {
    catchUp: Effect.gen(function* () {
      if ((yield* applyNewCommits) === undefined) return false
      yield* flush(partial)
      const copy = Effect.flatMap(openSqlite({ filename: partial, readonly: true }), pictureOf)
      return (yield* pictureOf(live)) === (yield* Effect.scoped(copy))
    }).pipe(
      Effect.orElseSucceed(() => false),
      Effect.tap((isCaughtUp) => (isCaughtUp ? Effect.void : removeCopyOrWarn(partial))),
      // From here on nothing holds that state, so this cannot be repeated.
      Effect.ensuring(
        Effect.zipRight(
          release,
          Effect.sync(() => {
            reached = undefined
          })
        )
      )
    ),
    backup: Effect.gen(function* () {
      const there = yield* removeUnfinished(file, upgrade.from).pipe(
        Effect.zipRight(backupsOf(file)),
        asBackupError(partial)
      )
      return yield* prepareBackup(file, partial, `${file}${formatBackupName(nextBackupName(upgrade, there))}`)
    })
  }
  return early
})

/**
 * A second check that both are the same. `schema_version` is left out: a copy has its own (`sqlite3_backup_finish`).
 */
const pictureOf = ({ run }: Sqlite) =>
  Effect.map(
    run(
      "SELECT page_count, freelist_count, user_version, application_id FROM pragma_page_count, pragma_freelist_count, pragma_user_version, pragma_application_id"
    ),
    (rows) => JSON.stringify(rows)
  )
