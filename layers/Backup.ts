/**
 * Copies of a database: the one that is made before an upgrade, under a name that tells between which
 * versions, and what making any copy takes. `Restore.ts` puts one back.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import {
  backupInto,
  createExclusively,
  files,
  integer,
  openSqlite,
  type Sqlite,
  type SqliteFailure,
  SystemFailure
} from "./seams.ts"

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
}> {
  override get message(): string {
    const what = this.reason === "NoSpace" ? "There is no space for the backup" : "There could not be made the backup"
    const said = [this.code, this.detail].filter((part) => part !== "").join(": ")
    return `${what} ${this.backup}, without which no upgrade begins (${said})`
  }

  get remedy(): string {
    const cure =
      this.reason === "NoSpace"
        ? "Free some space on that filesystem, or delete older backups"
        : "Let this user write in the database's directory"
    return `${cure}; or set \`backups\` to 0 when you keep your own.`
  }
}

/** A copy that is made and checked, but has no name yet: an upgrade that fails takes it away again. */
export interface Backup {
  /** Absolute path that it is going to have. */
  readonly file: string
  /** Gives it its name. To be run before the commit: no upgrade without its backup. */
  readonly keep: Effect.Effect<void, BackupError, FileSystem.FileSystem | Path.Path>
}

/** Between which versions an upgrade goes, as the history writes them; from `none` where there was no history. */
export interface Upgrade {
  readonly from: string | undefined
  readonly to: string
}

const finished = /^\.\w+-to-\d+\.backup$/
const unfinished = /^\.\w+-to-\d+\.backup\.partial/

/**
 * Copies a database with the event loop free in between, and lets `check` look at the copy. To be called
 * while the write lock is held and before the first write: then nobody else makes one, and nothing changes
 * under it. It is gone with the scope unless it was kept; a scope that outlived the lock would take away the
 * copy of the next one who has it.
 */
export const makeBackup = Effect.fnUntraced(function* <E, R>(
  file: string,
  { from = "none", to }: Upgrade,
  check: (copy: string) => Effect.Effect<void, E, R>
) {
  const backup = `${file}.${from}-to-${to}.backup`
  const partial = `${backup}.partial`
  const refused = <A, R>(step: Effect.Effect<A, CopyFailure, R>) =>
    Effect.mapError(
      step,
      ({ code, detail, retryable }) =>
        new BackupError({ reason: isNoSpace(code) ? "NoSpace" : "NotWritten", backup, code, detail, retryable })
    )

  // The write lock is ours: whoever began these is gone.
  const remains = yield* refused(besides(file, unfinished))
  yield* refused(Effect.forEach(remains, ({ path }) => removed(path), { discard: true }))

  yield* Effect.addFinalizer(() => tidied(partial))
  yield* refused(copyDatabase(file, partial))
  yield* check(partial)
  yield* refused(somethingIn(partial))

  const made: Backup = {
    file: backup,
    keep: refused(Effect.zipRight(renamed(partial, backup), syncedDirectory(file)))
  }
  return made
})

/** Keeps the newest backups of a database, by the time they were made, and deletes the others. */
export const pruneBackups = Effect.fnUntraced(function* (file: string, kept: number) {
  const backups = yield* backupsOf(file)
  yield* Effect.forEach(backups.slice(kept), ({ path }) => removed(path), { discard: true })
})

export interface BackupFile {
  /** Absolute path. */
  readonly path: string
  /** Milliseconds since the epoch. */
  readonly madeAt: number
}

/** The backups that upgrades of a database left, the newest first. */
export const backupsOf = (
  file: string
): Effect.Effect<ReadonlyArray<BackupFile>, SystemFailure, FileSystem.FileSystem | Path.Path> =>
  Effect.map(besides(file, finished), (backups) => [...backups].sort((one, other) => other.madeAt - one.madeAt))

/** What can go wrong while a database is copied, in SQLite or around it. */
export type CopyFailure = SqliteFailure | SystemFailure

export const isNoSpace = (code: string): boolean => code === "SQLITE_FULL" || code === "ENOSPC" || code === "EDQUOT"

/**
 * Copies a database into a new file that only its owner may read, complete on the disk. SQLite copies a
 * hundred pages at a time (https://sqlite.org/backup.html); an interruption ends it between two of them.
 */
export const copyDatabase = (from: string, copy: string, journalMode: "delete" | "wal" = "delete") =>
  Effect.gen(function* () {
    yield* Effect.scoped(
      Effect.gen(function* () {
        const source = yield* openSqlite({ filename: from, readonly: true })
        yield* enoughSpace(source, copy)
        if (!(yield* createExclusively(copy))) {
          return yield* new SystemFailure({ code: "EEXIST", detail: `${copy} is there already` })
        }
        yield* backupInto(source, copy)
      })
    )
    // In WAL mode a copy that is kept could not be opened without files beside it.
    yield* Effect.scoped(
      Effect.flatMap(openSqlite({ filename: copy }), ({ run }) => run(`PRAGMA journal_mode = ${journalMode}`))
    )
    yield* synced(copy)
  })

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
const fileAt = (target: string): Effect.Effect<ReadonlyArray<BackupFile>, SystemFailure, FileSystem.FileSystem> =>
  Effect.map(infoOf(target), (found) =>
    found?.type === "File"
      ? [{ path: target, madeAt: Option.match(found.mtime, { onNone: () => 0, onSome: Number }) }]
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
