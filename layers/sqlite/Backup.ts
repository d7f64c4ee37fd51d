/**
 * Copies of a database: the backup before an upgrade, whose name tells the versions, and the copying itself.
 * `Restore.ts` restores one.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { permissionsFor } from "../machine/FilePermissions.ts"
import { files, trySync } from "../machine/files.ts"
import { createExclusively } from "../machine/newFile.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import type { Attempt } from "../start/Attempt.ts"
import { whileALookRuns } from "../start/policy.ts"
import { asBackupError, type BackupError, type CopyFailure } from "./BackupError.ts"
import {
  backupsOf,
  earlyCopyOf,
  flush,
  flushDirectoryOf,
  markOf,
  remove,
  removeOrWarn,
  removeUnfinished,
  rename
} from "./BackupFiles.ts"
import { formatBackupName, nextBackupName, type Upgrade } from "./BackupNames.ts"
import { backupInto } from "./PageCopy.ts"
import { integer, openSqlite, openSqliteIn, type Sqlite } from "./Sqlite.ts"
import { applyCommits, endOfCommits, type WalEnd } from "./WalTail.ts"

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
  // We hold the write lock, so the processes that began these have ended.
  const there = yield* removeUnfinished(file, upgrade.from).pipe(
    Effect.zipRight(backupsOf(file)),
    asBackupError(`${file}${formatBackupName({ ...upgrade, number: 1 })}`)
  )
  const backup = `${file}${formatBackupName(nextBackupName(upgrade, there))}`
  const partial = `${backup}.partial`
  const orBackupError = asBackupError(backup)
  const made = yield* prepareBackup(file, partial, backup)
  yield* orBackupError(tellProgressOf(file, partial, progress, copyDatabase(file, partial)))
  yield* check(partial)
  yield* orBackupError(refuseEmptyCopy(partial))
  return made
})

/** A copy that `keep` will name. It is deleted if the scope closes with a failure, or before `keep`. */
const prepareBackup = Effect.fnUntraced(function* (file: string, partial: string, backup: string) {
  let isNamed = false
  yield* Effect.addFinalizer((exit) =>
    exit._tag === "Failure" && isNamed
      ? Effect.zipRight(removeOrWarn(backup), removeOrWarn(markOf(backup)))
      : Effect.zipRight(removeOrWarn(partial), isNamed ? Effect.void : removeOrWarn(markOf(backup)))
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
  yield* Effect.forEach(["", "-journal", "-wal", "-shm"], (suffix) => remove(`${partial}${suffix}`), { discard: true })
  yield* Effect.addFinalizer(() => removeOrWarn(partial))
  // An interruption stops the copying by closing its source.
  yield* Effect.onError(tellProgressOf(file, partial, progress, copyDatabase(file, partial, { source })), () => release)
  yield* check(partial)
  yield* refuseEmptyCopy(partial)
  let reached: WalEnd | undefined = end
  const applyNewCommits = Effect.suspend(() =>
    reached === undefined ? Effect.succeed(undefined) : applyCommits(file, reached, partial, breathe)
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
      Effect.tap((isCaughtUp) => (isCaughtUp ? Effect.void : removeOrWarn(partial))),
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

const tellProgressOf = <E, R>(
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

/**
 * Copies a database into a new file with the owner and mode of `file`, and flushes it. SQLite copies a hundred pages at
 * a time (https://sqlite.org/backup.html); an interruption stops it between two steps.
 */
export const copyDatabase = (
  from: string,
  copy: string,
  {
    file = from,
    journalMode = "delete",
    source: given
  }: {
    readonly file?: string
    readonly journalMode?: "delete" | "wal"
    /** An open connection to it. */
    readonly source?: Sqlite
  } = {}
) =>
  Effect.gen(function* () {
    const permissions = yield* trySync(() => permissionsFor(file))
    yield* Effect.scoped(
      Effect.gen(function* () {
        const source = given ?? (yield* openSqlite({ filename: from, readonly: true }))
        yield* requireSpace(source, copy)
        if (!(yield* createExclusively(copy, permissions))) {
          return yield* new SystemFailure({ code: "EEXIST", detail: `${copy} already exists` })
        }
        const isLarge = (yield* trySync(() => files.stat(from)?.size ?? 0)) > largeCopy
        yield* isLarge ? flushWhile(copy, backupInto(source, copy)) : backupInto(source, copy)
      })
    )
    // In WAL mode a copy could not be opened without creating files beside it.
    yield* Effect.scoped(
      Effect.flatMap(openSqlite({ filename: copy }), ({ run }) => run(`PRAGMA journal_mode = ${journalMode}`))
    )
    yield* flush(copy)
  })

/** Above this many bytes SQLite's own flush of a copy blocks the event loop for a tenth of a second or more. */
export const largeCopy = 32 * 1024 * 1024

/**
 * Flushes a file again and again while SQLite writes it. Otherwise SQLite's commit flushes all of it in one call that
 * blocks the event loop: 1 s for 500 MB instead of 0.1 s. Errors of these flushes are ignored: SQLite's own flush
 * reports them. Closing this descriptor drops no lock that matters: nobody else uses an unfinished copy.
 */
const flushWhile = <A, E, R>(copy: string, writing: Effect.Effect<A, E, R>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { sync } = yield* Effect.mapError(fs.open(copy), SystemFailure.fromPlatform)
      yield* Effect.forkScoped(Effect.repeat(Effect.ignore(sync), Schedule.spaced("100 millis")))
      return yield* writing
    })
  )

const refuseEmptyCopy = (copy: string) =>
  Effect.scoped(Effect.flatMap(openSqlite({ filename: copy, readonly: true }), refuseEmpty))

/** An empty file is a sound database too. */
export const refuseEmpty = (copy: Sqlite): Effect.Effect<void, CopyFailure> =>
  Effect.flatMap(copy.run("SELECT 1 FROM sqlite_schema LIMIT 1"), (objects) =>
    objects.length > 0 ? Effect.void : new SystemFailure({ code: "", detail: "it is empty" })
  )

const requireSpace = Effect.fnUntraced(function* (source: Sqlite, copy: string) {
  const path = yield* Path.Path
  const [size] = yield* source.run("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size")
  const needed = integer(size, "bytes")
  // If the free space is unknown, the copying finds out.
  const free = yield* Effect.sync(() => files.freeBytes(path.dirname(copy)))
  if (free !== undefined && free < needed) {
    return yield* new SystemFailure({ code: "ENOSPC", detail: `${needed} bytes are needed, ${free} are free` })
  }
})
