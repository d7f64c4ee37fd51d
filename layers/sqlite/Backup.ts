/**
 * Copies of a database: the one that is made before an upgrade, under a name that tells between which
 * versions, and what making any copy takes. `Restore.ts` puts one back.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { permissionsFor } from "../machine/FilePermissions.ts"
import { ask, files } from "../machine/files.ts"
import { createExclusively } from "../machine/newFile.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import { whileALookRuns } from "../start/policy.ts"
import { type BackupError, type CopyFailure, refusedAs } from "./BackupError.ts"
import { backupsOf, markOf, removeUnfinished, renamed, synced, syncedDirectory, tidied } from "./BackupFiles.ts"
import { formatBackupName, nextBackupName, type Upgrade } from "./BackupNames.ts"
import { backupInto } from "./PageCopy.ts"
import { integer, openSqlite, type Sqlite } from "./Sqlite.ts"

/** A copy that is made and checked, but has no name yet. */
export interface Backup {
  /** Absolute path that it is going to have. */
  readonly file: string
  /**
   * Gives it its name. To be run before the commit: no upgrade without its backup. Until `pruneBackups` it is
   * marked as a copy whose upgrade may not have been committed.
   */
  readonly keep: Effect.Effect<void, BackupError, FileSystem.FileSystem | Path.Path>
}

/** Refuses early where the copy would not fit, through a connection to the database. */
export const spaceForBackup = (sqlite: Sqlite, file: string, upgrade: Upgrade) => {
  const backup = `${file}${formatBackupName({ ...upgrade, number: 1 })}`
  return refusedAs(backup)(enoughSpace(sqlite, backup))
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
  progress: (doing: string, done: number, total: number) => Effect.Effect<void> = () => Effect.void
) {
  // The write lock is ours: the processes that began these are gone.
  const there = yield* removeUnfinished(file, upgrade.from).pipe(
    Effect.zipRight(backupsOf(file)),
    refusedAs(`${file}${formatBackupName({ ...upgrade, number: 1 })}`)
  )
  const backup = `${file}${formatBackupName(nextBackupName(upgrade, there))}`
  const partial = `${backup}.partial`
  const refused = refusedAs(backup)

  let isNamed = false
  yield* Effect.addFinalizer((exit) =>
    exit._tag === "Failure" && isNamed
      ? Effect.zipRight(tidied(backup), tidied(markOf(backup)))
      : Effect.zipRight(tidied(partial), isNamed ? Effect.void : tidied(markOf(backup)))
  )
  const bytes = yield* Effect.orElseSucceed(
    ask(() => files.stat(file)?.size ?? 0),
    () => 0
  )
  if (bytes > largeCopy) yield* progress("making the backup", 0, bytes)
  yield* Effect.acquireUseRelease(
    Effect.fork(Effect.interruptible(Effect.repeat(copied(file, partial, progress), whileALookRuns))),
    () => refused(copyDatabase(file, partial)),
    Fiber.interrupt
  )
  yield* check(partial)
  yield* refused(somethingIn(partial))

  const named = Effect.sync(() => {
    isNamed = true
  })
  const made: Backup = {
    file: backup,
    keep: refused(
      createExclusively(markOf(backup)).pipe(
        Effect.zipRight(Effect.uninterruptible(Effect.zipRight(renamed(partial, backup), named))),
        Effect.zipRight(syncedDirectory(file))
      )
    )
  }
  return made
})

/** How much of a copy is there. */
const copied = (
  file: string,
  partial: string,
  progress: (doing: string, done: number, total: number) => Effect.Effect<void>
) =>
  Effect.suspend(() => {
    const [done, total] = [partial, file].map((path) => files.stat(path)?.size ?? 0)
    // Nothing to tell of what is over at once.
    return done === undefined || total === undefined || done === 0
      ? Effect.void
      : progress("making the backup", done, Math.max(done, total))
  })

/**
 * Copies a database into a new file with the owner and the mode of `file`, complete on the disk. SQLite copies a
 * hundred pages at a time (https://sqlite.org/backup.html); an interruption ends it between two of them.
 */
export const copyDatabase = (
  from: string,
  copy: string,
  { file = from, journalMode = "delete" }: { readonly file?: string; readonly journalMode?: "delete" | "wal" } = {}
) =>
  Effect.gen(function* () {
    const permissions = yield* ask(() => permissionsFor(file))
    yield* Effect.scoped(
      Effect.gen(function* () {
        const source = yield* openSqlite({ filename: from, readonly: true })
        yield* enoughSpace(source, copy)
        if (!(yield* createExclusively(copy, permissions))) {
          return yield* new SystemFailure({ code: "EEXIST", detail: `${copy} is there already` })
        }
        const isLarge = (yield* ask(() => files.stat(from)?.size ?? 0)) > largeCopy
        yield* isLarge ? whileFlushing(copy, backupInto(source, copy)) : backupInto(source, copy)
      })
    )
    // In WAL mode a copy that is kept could not be opened without files beside it.
    yield* Effect.scoped(
      Effect.flatMap(openSqlite({ filename: copy }), ({ run }) => run(`PRAGMA journal_mode = ${journalMode}`))
    )
    yield* synced(copy)
  })

/** Bytes above which SQLite's own flush of a copy holds the event loop for a tenth of a second and longer. */
const largeCopy = 32 * 1024 * 1024

/**
 * Flushes a file again and again while SQLite writes it. Else all of it is flushed by SQLite's commit, in one call with the
 * event loop standing still: 1 s for 500 MB, where it is 0.1 s so, and the copy is there sooner. Only SQLite's own flush
 * tells of failures. Nobody else takes a lock on a copy that is not finished, which closing a descriptor would drop.
 */
const whileFlushing = <A, E, R>(copy: string, writing: Effect.Effect<A, E, R>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { sync } = yield* Effect.mapError(fs.open(copy), SystemFailure.fromPlatform)
      yield* Effect.forkScoped(Effect.repeat(Effect.ignore(sync), Schedule.spaced("100 millis")))
      return yield* writing
    })
  )

const somethingIn = (copy: string) =>
  Effect.scoped(Effect.flatMap(openSqlite({ filename: copy, readonly: true }), holdsSomething))

/** An empty file is a sound database too. */
export const holdsSomething = (copy: Sqlite): Effect.Effect<void, CopyFailure> =>
  Effect.flatMap(copy.run("SELECT 1 FROM sqlite_schema LIMIT 1"), (objects) =>
    objects.length > 0 ? Effect.void : new SystemFailure({ code: "", detail: "nothing is in it" })
  )

const enoughSpace = Effect.fnUntraced(function* (source: Sqlite, copy: string) {
  const path = yield* Path.Path
  const [size] = yield* source.run("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size")
  const needed = integer(size, "bytes")
  // Where nobody knows what is free, the copying finds out.
  const free = yield* Effect.sync(() => files.freeBytes(path.dirname(copy)))
  if (free !== undefined && free < needed) {
    return yield* new SystemFailure({ code: "ENOSPC", detail: `${needed} bytes are needed, ${free} are free` })
  }
})
