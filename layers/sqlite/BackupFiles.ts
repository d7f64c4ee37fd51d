/** The backups and unfinished copies beside a database. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { usersOf } from "../machine/FileLocks.ts"
import { trySync } from "../machine/files.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import {
  type BackupName,
  formatBackupName,
  newestFirst,
  parseBackupName,
  superseded,
  type Upgrade
} from "./BackupNames.ts"
import { copyLock, lockForCopying, restoreLock, whileRestoringAlone } from "./LockFile.ts"
import { SharedLooks } from "./SharedLooks.ts"
import { isLock } from "./Sqlite.ts"

/** Unfinished copies of upgrades and restores, with SQLite's files beside them. No other program uses these names. */
const unfinished =
  /^\.(?:(?:none|\d+)-to-\d+(?:\.\d+)?\.backup(?:\.early)?|replaced-\d{8}T\d{9}Z(?:\.restored)?|restore|upgrade)\.partial(?:-journal|-wal|-shm)?$/

/** In the name of a copy that begins before the upgrade takes the write lock. */
const early = ".backup.early.partial"
export const earlyCopyOf = (file: string, upgrade: Upgrade): string =>
  `${file}${formatBackupName({ ...upgrade, number: 1 }).replace(/\.backup$/, early)}`

/** The mark beside a backup, from before the commit of its upgrade until after. */
const mark = ".uncommitted"
export const markOf = (backup: string): string => `${backup}${mark}`
const marks = new RegExp(`\\.backup\\${mark}$`)

/**
 * Deletes the copies of starts that were killed or whose commit failed. Run it with the write lock held, and with the
 * database's current version. A marked backup from exactly that version belongs to an upgrade that was never committed.
 */
export const removeUnfinished = Effect.fnUntraced(function* (file: string, version: string | undefined) {
  const found = yield* siblingFiles(file, new RegExp(`${marks.source}|${unfinished.source}`))
  for (const { path } of found) {
    if (!marks.test(path)) continue
    const backup = path.slice(0, -mark.length)
    const name = parseBackupName(backup.slice(file.length))
    if (name?.from === version) yield* remove(backup)
    yield* remove(path)
  }
  const remains = found.filter(({ path }) => !marks.test(path))
  const isOfRestore = (path: string) => path.includes(".replaced-", file.length) || path === `${file}${restoreLock}`
  const isEarly = (path: string) => path.includes(early, file.length) || path === `${file}${copyLock}`
  for (const { path } of remains) if (!isOfRestore(path) && !isEarly(path)) yield* remove(path)
  // A process that makes an early copy does not hold the write lock.
  if (remains.some(({ path }) => isEarly(path))) {
    const own = remains.filter(({ path }) => isEarly(path) && path !== `${file}${copyLock}`)
    const clear = Effect.forEach(own, ({ path }) => remove(path), { discard: true })
    yield* Effect.catchAll(Effect.scoped(Effect.zipRight(lockForCopying(file), clear)), ({ code, detail }) =>
      Effect.unless(Effect.logWarning(`Unfinished copies stay: ${detail}`), () => isLock(code))
    )
  }
  const ofRestores = remains.filter(({ path }) => isOfRestore(path))
  if (ofRestores.length === 0) return
  // A restore prepares its copy before it holds the write lock.
  const clear = Effect.forEach(ofRestores, ({ path }) => removeUnused(path), { discard: true })
  yield* Effect.catchIf(
    whileRestoringAlone(file, clear),
    ({ code }) => isLock(code),
    () => Effect.void
  )
})

/**
 * Run it after a restore. The database then has the version of a backup, which no longer tells whether a marked upgrade
 * was committed: the next start would delete the backup that was restored.
 */
export const forgetUncommitted = Effect.fnUntraced(function* (file: string) {
  yield* Effect.forEach(yield* siblingFiles(file, marks), ({ path }) => removeOrWarn(path), { discard: true })
})

/** Absolute paths of what `removeUnfinished` would look at, by names alone. `beside`: from `SharedLooks`. */
export const unfinishedBeside = (file: string, beside: ReadonlyArray<string>): ReadonlyArray<string> =>
  beside.filter((more) => unfinished.test(more) || marks.test(more)).map((more) => `${file}${more}`)

/**
 * Run it after the upgrade is committed. Keeps the newest backups of a database, by their names, and deletes the
 * others. Two in unknown order count as equally new. The backup just `made` stays.
 */
export const pruneBackups = Effect.fnUntraced(function* (file: string, kept: number, made: string) {
  yield* removeOrWarn(markOf(made))
  const { beside } = yield* SharedLooks
  // Of a fleet the names may be those of some seconds ago: then an old backup stays until the next upgrade.
  const names = yield* trySync(() => new Set([...beside(file), made.slice(file.length)]))
  const backups = backupsIn(file, yield* filesBeside(file, names, endOfBackup))
  const old = superseded(backups, kept).filter(({ path }) => path !== made)
  yield* Effect.forEach(old, ({ path }) => remove(path), { discard: true })
})

/** A regular file beside a database. */
interface FileBeside {
  /** Absolute path. */
  readonly path: string
  /** Its size. */
  readonly bytes: number
  /** Milliseconds since the epoch when it was written last. It does not tell the order: a copied file may have a new time. */
  readonly modifiedAt: number
  /** Milliseconds since the epoch when it was created here; 0 where nobody knows. */
  readonly createdAt: number
}

/** A backup that an upgrade left beside its database. */
export interface BackupFile extends FileBeside, BackupName {}

/**
 * The backups that upgrades of a database left beside it, the newest first, as far as their names tell. `file` is the
 * real path of the database. Fails with a `SystemFailure` where the directory cannot be read.
 */
export const backupsOf = (
  file: string
): Effect.Effect<ReadonlyArray<BackupFile>, SystemFailure, FileSystem.FileSystem | Path.Path> =>
  Effect.map(siblingFiles(file, endOfBackup), (found) => backupsIn(file, found))

const endOfBackup = /\.backup$/

const backupsIn = (file: string, found: ReadonlyArray<FileBeside>): ReadonlyArray<BackupFile> =>
  found
    .flatMap((beside): ReadonlyArray<BackupFile> => {
      const name = parseBackupName(beside.path.slice(file.length))
      return name === undefined ? [] : [{ ...beside, ...name }]
    })
    .sort(newestFirst)

/** Flushes the directory of a file, so that a rename in it survives a power loss. */
export const flushDirectoryOf = (file: string) => Effect.flatMap(Path.Path, (path) => flush(path.dirname(file)))

export const flush = (target: string): Effect.Effect<void, SystemFailure, FileSystem.FileSystem> =>
  FileSystem.FileSystem.pipe(
    Effect.flatMap((fs) => fs.open(target)),
    Effect.flatMap(({ sync }) => sync),
    Effect.scoped,
    Effect.mapError(SystemFailure.fromPlatform)
  )

export const rename = (from: string, to: string): Effect.Effect<void, SystemFailure, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.mapError(fs.rename(from, to), SystemFailure.fromPlatform))

export const remove = (target: string): Effect.Effect<void, SystemFailure, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.mapError(fs.remove(target, { force: true }), SystemFailure.fromPlatform)
  )

/** Deletes what a killed process has left; what a process has open is its own. */
export const removeUnused = (target: string) =>
  Effect.flatMap(usersOf([target]), (users) => (users.length > 0 ? Effect.void : remove(target)))

/** For finalizers: a failure becomes a warning, so that it does not hide the error before it. */
export const removeOrWarn = (target: string): Effect.Effect<void, never, FileSystem.FileSystem> =>
  Effect.catchAll(remove(target), ({ detail }) => Effect.logWarning(`${target} could not be deleted: ${detail}`))

/** A database and the files that may be beside it. */
export const partsOf = (file: string) => ["", "-wal", "-shm", "-journal"].map((part) => `${file}${part}`)

/** The same for an unfinished copy that nobody has open any more, with what SQLite made beside it. */
export const removeCopyOrWarn = (copy: string) => Effect.forEach(partsOf(copy), removeOrWarn, { discard: true })

/** The regular files beside a database whose names begin with its own and go on as `more` says. */
export const siblingFiles = (file: string, more: RegExp) =>
  SharedLooks.pipe(
    Effect.flatMap(({ besideNow }) => besideNow(file)),
    Effect.flatMap((names) => filesBeside(file, names, more))
  )

const filesBeside = (file: string, names: Iterable<string>, more: RegExp) =>
  Effect.map(
    Effect.forEach(
      [...names].filter((name) => more.test(name)),
      (name) => fileAt(`${file}${name}`)
    ),
    (found) => found.flat()
  )

/** Empty if it is gone, a broken link or not a regular file. */
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

/** What is at a path; undefined if nothing is. */
export const infoOf = (
  target: string
): Effect.Effect<FileSystem.File.Info | undefined, SystemFailure, FileSystem.FileSystem> =>
  FileSystem.FileSystem.pipe(
    Effect.flatMap((fs) => fs.stat(target)),
    Effect.mapError(SystemFailure.fromPlatform),
    Effect.catchIf(isAbsent, () => Effect.succeed(undefined))
  )

export const isAbsent = ({ code }: SystemFailure): boolean => code === "ENOENT"
