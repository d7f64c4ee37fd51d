/**
 * Copies of a database: the one that is made before an upgrade, under a name that tells between which
 * versions, and what making any copy takes. `Restore.ts` puts one back.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { usersOf } from "../machine/FileLocks.ts"
import { permissionsFor } from "../machine/FilePermissions.ts"
import { ask, files } from "../machine/files.ts"
import { createExclusively } from "../machine/newFile.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import { codeRemedy } from "../start/codeRemedy.ts"
import { whileALookRuns } from "../start/policy.ts"
import { jsonOf, messageOf } from "../start/Refusal.ts"
import {
  type BackupName,
  formatBackupName,
  newestFirst,
  nextBackupName,
  parseBackupName,
  superseded,
  type Upgrade
} from "./BackupNames.ts"
import { backupInto } from "./PageCopy.ts"
import { aloneRestoring, restoreLock } from "./RestoreLock.ts"
import { integer, isLock, openSqlite, type Sqlite, type SqliteFailure } from "./Sqlite.ts"

/** The copy that has to be there before an upgrade could not be made. Nothing was changed. */
export class BackupError extends Data.TaggedError("BackupError")<{
  readonly reason: "NoSpace" | "NotWritten"
  /** Absolute path of the file that could not be made. */
  readonly backup: string
  /** What SQLite or the operating system said. */
  readonly detail: string
  /** SQLite's or the system's code, e.g. `SQLITE_FULL` or `EACCES`; "" where neither said anything. */
  readonly code: string
  readonly retryable: boolean
  /** Absolute path of the database file, once it has left its stage. */
  readonly database?: string | undefined
}> {
  override get message(): string {
    return messageOf(this)
  }

  override toJSON(): object {
    return jsonOf(this)
  }

  get sentence(): string {
    const what =
      this.reason === "NoSpace"
        ? `There is no space for the backup ${this.backup}`
        : `The backup ${this.backup} could not be made`
    const said = [this.code, this.detail].filter((part) => part !== "").join(": ")
    return `${what}, so the upgrade was not started (${said})`
  }

  get remedy(): string {
    const cure =
      this.reason === "NoSpace"
        ? "Free some space on that filesystem, or delete older backups."
        : (codeRemedy(this.code) ?? "Let this user write in the database's directory.")
    return `${cure} If you make backups yourself, set \`backups\` to 0.`
  }
}

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

/** Copies before an upgrade, and those of a restore, with what SQLite keeps beside them. Nobody else names files so. */
const unfinished =
  /^\.(?:(?:none|\d+)-to-\d+(?:\.\d+)?\.backup|replaced-\d{8}T\d{9}Z(?:\.restored)?|restore)\.partial(?:-journal|-wal|-shm)?$/

/** Beside a backup from before its upgrade is committed until after. */
const mark = ".uncommitted"
const markOf = (backup: string): string => `${backup}${mark}`
const marks = new RegExp(`\\.backup\\${mark}$`)

/** What could not be done about a backup. */
const refusedAs = (backup: string) =>
  Effect.mapError(
    ({ code, detail, retryable }: CopyFailure) =>
      new BackupError({ reason: isNoSpace(code) ? "NoSpace" : "NotWritten", backup, code, detail, retryable })
  )

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
 * Deletes what starts that were killed, or whose commit failed, left of their copies. To be run while the write lock
 * is held, with the version that the database has now. A marked copy of the upgrade from just that version was made
 * for one that was never committed.
 */
export const removeUnfinished = Effect.fnUntraced(function* (file: string, version: string | undefined) {
  const marked = yield* besides(file, marks)
  for (const { path } of marked) {
    const backup = path.slice(0, -mark.length)
    const name = parseBackupName(backup.slice(file.length))
    if (name?.from === version) yield* removed(backup)
    yield* removed(path)
  }
  const remains = yield* besides(file, unfinished)
  const isOfRestore = (path: string) => path.includes(".replaced-", file.length) || path === `${file}${restoreLock}`
  for (const { path } of remains) if (!isOfRestore(path)) yield* removed(path)
  const ofRestores = remains.filter(({ path }) => isOfRestore(path))
  if (ofRestores.length === 0) return
  // A restore prepares its copy before it has the write lock.
  const cleared = Effect.forEach(
    ofRestores,
    ({ path }) => Effect.flatMap(usersOf([path]), (users) => (users.length > 0 ? Effect.void : removed(path))),
    { discard: true }
  )
  yield* Effect.catchIf(
    aloneRestoring(file, cleared),
    ({ code }) => isLock(code),
    () => Effect.void
  )
})

/** Absolute paths of what `removeUnfinished` looks at, by their names alone: one look at the directory. */
export const unfinishedBeside = (file: string): Effect.Effect<ReadonlyArray<string>, SystemFailure, Path.Path> =>
  Effect.flatMap(Path.Path, (path) =>
    ask(() => {
      const [directory, base] = [path.dirname(file), path.basename(file)]
      return files.names(directory).flatMap((name) => {
        const more = name.startsWith(base) ? name.slice(base.length) : ""
        return unfinished.test(more) || marks.test(more) ? [path.join(directory, name)] : []
      })
    })
  )

/**
 * To be run once the upgrade of a backup is committed. Keeps the newest backups of a database, by what their names
 * say, and deletes the others. Two whose order nobody knows count as equally new. The one that was made just now stays.
 */
export const pruneBackups = Effect.fnUntraced(function* (file: string, kept: number, made: string) {
  yield* tidied(markOf(made))
  const backups = yield* backupsOf(file)
  const old = superseded(backups, kept).filter(({ path }) => path !== made)
  yield* Effect.forEach(old, ({ path }) => removed(path), { discard: true })
})

/** A regular file beside a database. */
interface FileBeside {
  /** Absolute path. */
  readonly path: string
  readonly bytes: number
  /** Milliseconds since the epoch. It does not tell the order: a copied file may have a new time. */
  readonly modifiedAt: number
  /** The same of when it was created here; 0 where nobody knows. */
  readonly createdAt: number
}

export interface BackupFile extends FileBeside, BackupName {}

/** The backups that upgrades of a database left, the newest first, as far as their names tell. */
export const backupsOf = (
  file: string
): Effect.Effect<ReadonlyArray<BackupFile>, SystemFailure, FileSystem.FileSystem | Path.Path> =>
  Effect.map(besides(file, /\.backup$/), (found) =>
    found
      .flatMap((beside): ReadonlyArray<BackupFile> => {
        const name = parseBackupName(beside.path.slice(file.length))
        return name === undefined ? [] : [{ ...beside, ...name }]
      })
      .sort(newestFirst)
  )

/** What can go wrong while a database is copied, in SQLite or around it. */
export type CopyFailure = SqliteFailure | SystemFailure

export const isNoSpace = (code: string): boolean => code === "SQLITE_FULL" || code === "ENOSPC" || code === "EDQUOT"

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

/** Flushes the entries of the directory of a file, so that a rename in it outlives a power loss. */
export const syncedDirectory = (file: string) => Effect.flatMap(Path.Path, (path) => synced(path.dirname(file)))

const synced = (target: string): Effect.Effect<void, SystemFailure, FileSystem.FileSystem> =>
  FileSystem.FileSystem.pipe(
    Effect.flatMap((fs) => fs.open(target)),
    Effect.flatMap(({ sync }) => sync),
    Effect.scoped,
    Effect.mapError(SystemFailure.fromPlatform)
  )

export const renamed = (from: string, to: string): Effect.Effect<void, SystemFailure, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.mapError(fs.rename(from, to), SystemFailure.fromPlatform))

export const removed = (target: string): Effect.Effect<void, SystemFailure, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.mapError(fs.remove(target, { force: true }), SystemFailure.fromPlatform)
  )

/** For a finalizer: what cannot be removed is said, and hides nothing. */
export const tidied = (target: string): Effect.Effect<void, never, FileSystem.FileSystem> =>
  Effect.catchAll(removed(target), ({ detail }) => Effect.logWarning(`${target} stays behind: ${detail}`))

/** The regular files beside a database whose names are its own and something more. */
export const besides = Effect.fnUntraced(function* (file: string, more: RegExp) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = path.dirname(file)
  const base = path.basename(file)
  const names = yield* Effect.mapError(fs.readDirectory(directory), SystemFailure.fromPlatform)
  const matching = names.filter((name) => name.startsWith(base) && more.test(name.slice(base.length)))
  const found = yield* Effect.forEach(matching, (name) => fileAt(path.join(directory, name)))
  return found.flat()
})

/** None where it is gone by now, leads nowhere or is something else. */
const fileAt = (target: string): Effect.Effect<ReadonlyArray<FileBeside>, SystemFailure, FileSystem.FileSystem> =>
  Effect.map(infoOf(target), (found) =>
    found?.type === "File"
      ? [
          {
            path: target,
            bytes: Number(found.size),
            modifiedAt: Option.match(found.mtime, { onNone: () => 0, onSome: Number }),
            createdAt: Option.match(found.birthtime, { onNone: () => 0, onSome: Number })
          }
        ]
      : []
  )

/** What is at a path, undefined where nothing is. */
export const infoOf = (
  target: string
): Effect.Effect<FileSystem.File.Info | undefined, SystemFailure, FileSystem.FileSystem> =>
  FileSystem.FileSystem.pipe(
    Effect.flatMap((fs) => fs.stat(target)),
    Effect.mapError(SystemFailure.fromPlatform),
    Effect.catchIf(isAbsent, () => Effect.succeed(undefined))
  )

export const isAbsent = ({ code }: SystemFailure): boolean => code === "ENOENT"
