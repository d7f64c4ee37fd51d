/**
 * Copies of a database: the backup before an upgrade, whose name tells the versions, and the copying itself.
 * `Restore.ts` restores one.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { files, trySync } from "../machine/files.ts"
import { createExclusively } from "../machine/newFile.ts"
import type { Attempt } from "../start/Attempt.ts"
import { whileALookRuns } from "../start/policy.ts"
import { asBackupError, type BackupError } from "./BackupError.ts"
import {
  backupsOf,
  flushDirectoryOf,
  markOf,
  removeCopyOrWarn,
  removeOrWarn,
  removeUnfinished,
  rename
} from "./BackupFiles.ts"
import { formatBackupName, nextBackupName, type Upgrade } from "./BackupNames.ts"
import { copyDatabase, largeCopy, refuseEmptyCopy, requireSpace } from "./DatabaseCopy.ts"
import { SharedLooks } from "./SharedLooks.ts"
import type { Sqlite } from "./Sqlite.ts"

/** A copy that is made and checked, but not named yet. */
export interface Backup {
  /** The absolute path that it will have. */
  readonly file: string
  /**
   * Names the copy. Run it before the commit: no upgrade without its backup. Until `pruneBackups` a mark says that its
   * upgrade may not be committed.
   */
  readonly keep: Effect.Effect<void, BackupError, FileSystem.FileSystem | Path.Path>
}

/** Refuses early if the copy would not fit on the disk. */
export const requireSpaceForBackup = (sqlite: Sqlite, file: string, upgrade: Upgrade) => {
  const backup = `${file}${formatBackupName({ ...upgrade, number: 1 })}`
  return asBackupError(backup)(requireSpace(sqlite, backup))
}

/**
 * Copies a database with the event loop free in between, and lets `check` look at the copy. Call it while you hold
 * the write lock: then nobody else makes a copy, and nobody commits. Call it before the first write, or in WAL mode
 * at any time: the copy is of what is committed, which readers see until your commit. When the
 * scope closes with a failure the copy is deleted, named or not. Close that scope before releasing the lock, or you
 * may delete the next process's copy.
 */
export const makeBackup = Effect.fnUntraced(function* <E, R>(
  file: string,
  upgrade: Upgrade,
  check: (copy: string) => Effect.Effect<void, E, R>,
  progress: Attempt["progress"] = () => Effect.void
) {
  const backup = yield* asBackupError(`${file}${formatBackupName({ ...upgrade, number: 1 })}`)(freeName(file, upgrade))
  const partial = `${backup}.partial`
  const orBackupError = asBackupError(backup)
  const made = yield* prepareBackup(file, partial, backup)
  yield* orBackupError(tellProgressOf(file, partial, progress, copyDatabase(file, partial)))
  yield* check(partial)
  yield* orBackupError(refuseEmptyCopy(partial))
  return made
})

/** The path of the next backup. Deletes what others left: we hold the write lock, so the processes that began it have ended. */
const freeName = Effect.fnUntraced(function* (file: string, upgrade: Upgrade) {
  const next = removeUnfinished(file, upgrade.from).pipe(
    Effect.zipRight(backupsOf(file)),
    Effect.map((there) => `${file}${formatBackupName(nextBackupName(upgrade, there))}`)
  )
  const backup = yield* next
  const isFree = yield* trySync(() => [backup, `${backup}.partial`].every((path) => files.lstat(path) === undefined))
  if (isFree) return backup
  const { forget } = yield* SharedLooks
  forget(file)
  return yield* next
})

/** A copy that `keep` will name. It is deleted if the scope closes with a failure, or before `keep`. */
export const prepareBackup = Effect.fnUntraced(function* (file: string, partial: string, backup: string) {
  let isNamed = false
  yield* Effect.addFinalizer((exit) =>
    exit._tag === "Failure" && isNamed
      ? Effect.zipRight(removeOrWarn(backup), removeOrWarn(markOf(backup)))
      : Effect.zipRight(removeCopyOrWarn(partial), isNamed ? Effect.void : removeOrWarn(markOf(backup)))
  )
  const markNamed = Effect.sync(() => {
    isNamed = true
  })
  const made: Backup = {
    file: backup,
    keep: asBackupError(backup)(
      createExclusively(markOf(backup)).pipe(
        Effect.zipRight(Effect.uninterruptible(Effect.zipRight(rename(partial, backup), markNamed))),
        Effect.zipRight(flushDirectoryOf(file))
      )
    )
  }
  return made
})

export const tellProgressOf = <E, R>(
  file: string,
  partial: string,
  progress: Attempt["progress"],
  copying: Effect.Effect<void, E, R>
) =>
  Effect.gen(function* () {
    const bytes = yield* Effect.orElseSucceed(
      trySync(() => files.stat(file)?.size ?? 0),
      () => 0
    )
    if (bytes > largeCopy) yield* progress("making the backup", 0, bytes)
    yield* Effect.acquireUseRelease(
      Effect.fork(Effect.interruptible(Effect.repeat(tellCopied(file, partial, progress), whileALookRuns))),
      () => copying,
      Fiber.interrupt
    )
  })

/** Tells how much of a copy is written. */
const tellCopied = (file: string, partial: string, progress: Attempt["progress"]) =>
  Effect.suspend(() => {
    const [done, total] = [partial, file].map((path) => files.stat(path)?.size ?? 0)
    // Say nothing about a copy that is done at once.
    return done === undefined || total === undefined || done === 0
      ? Effect.void
      : progress("making the backup", done, Math.max(done, total))
  })
