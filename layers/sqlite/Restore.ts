/** The way back: a backup in the place of a database, and what was there kept beside it. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { describeHolders, holdersOf, locksOn, nameHolders, usersOf } from "../machine/FileLocks.ts"
import { ask, files, kindOf } from "../machine/files.ts"
import { createExclusively } from "../machine/newFile.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import { codeRemedy } from "../start/codeRemedy.ts"
import { inDatabase, jsonOf, messageOf } from "../start/Refusal.ts"
import { readHistory } from "./AppliedMigrations/MigrationHistory.ts"
import {
  type BackupFile,
  backupsOf,
  besides,
  type CopyFailure,
  copyDatabase,
  holdsSomething,
  infoOf,
  isAbsent,
  isNoSpace,
  removed,
  renamed,
  syncedDirectory,
  tidied
} from "./Backup.ts"
import { newestCandidates } from "./BackupNames.ts"
import { DirectoryError, prepareDirectory } from "./DatabaseDirectory.ts"
import { absoluteName, faultOfName, isInMemory } from "./DatabasePath.ts"
import { readBeside } from "./LeftoverWal.ts"
import { checkCopy } from "./PageCheck.ts"
import { overwriteKeeping } from "./PageCopy.ts"
import { aloneRestoring } from "./RestoreLock.ts"
import { integer, isLock, openSqlite, type Sqlite, SqliteFailure, text } from "./Sqlite.ts"
import { ConnectionError, smallestPage, soundDriver } from "./SqliteConnection.ts"

type Reason =
  | "NoBackup"
  | "Ambiguous"
  | "SameFile"
  | "NotABackup"
  | "NotProven"
  | "InUse"
  | "TimedOut"
  | "NoSpace"
  | "NotWritten"

/** A backup could not be restored. The database is as it was. */
export class RestoreError extends Data.TaggedError("RestoreError")<{
  readonly reason: Reason
  /** Absolute path of the database. */
  readonly database: string
  /** Absolute path of the backup, or "" where there is none. */
  readonly backup: string
  /** The backups of which nobody knows which is the newest; else empty. */
  readonly candidates: ReadonlyArray<BackupFile>
  /** What SQLite or the operating system said. */
  readonly detail: string
  /** SQLite's or the system's code, or "". */
  readonly code: string
  readonly retryable: boolean
}> {
  override get message(): string {
    return messageOf(this)
  }

  override toJSON(): object {
    return jsonOf(this)
  }

  get sentence(): string {
    const said = [this.code, this.detail].filter((part) => part !== "").join(": ")
    return `${sentences[this.reason](this)}${said === "" ? "" : ` (${said})`}`
  }

  get remedy(): string {
    const cure = fromCode.has(this.reason) ? codeRemedy(this.code) : undefined
    return cure === undefined ? remedies[this.reason] : `${cure} Then restore again. The database is as it was.`
  }
}

/** Of these the code knows more: each has several causes. */
const fromCode: ReadonlySet<Reason> = new Set<Reason>(["NotProven", "NotWritten"])

const sentences: Record<Reason, (error: Pick<RestoreError, "backup" | "database">) => string> = {
  NoBackup: ({ backup, database }) =>
    backup === "" ? `There is no backup beside ${database}` : `There is no backup at ${backup}`,
  Ambiguous: ({ database }) => `The newest backup of ${database} cannot be told from the names`,
  SameFile: ({ backup }) => `${backup} is the database itself`,
  NotABackup: ({ backup }) => `${backup} is not a sound database`,
  NotProven: ({ backup }) => `The backup ${backup} could not be checked`,
  InUse: ({ database }) => `Another program uses ${database}`,
  TimedOut: ({ database }) => `${database} was not restored in time`,
  NoSpace: ({ database }) => `There is no space to restore ${database} and to keep what is there now`,
  NotWritten: ({ database }) => `${database} could not be restored`
}

const remedies: Record<Reason, string> = {
  NoBackup: "Name the file to restore with --backup.",
  Ambiguous: "Choose one of them and name it with --backup.",
  SameFile: "Name a backup of it with --backup.",
  NotABackup: "Name another backup with --backup.",
  NotProven: "Fix what the message names, then restore again.",
  InUse: "Stop every program that has it open, then restore again.",
  TimedOut: "Stop every program that has it open, then restore again with a longer --timeout.",
  NoSpace: "Free some space on that filesystem.",
  NotWritten: "Fix what the message names, then restore again. The database is as it was."
}

export interface Restored {
  /** Absolute path of the database. */
  readonly database: string
  /** Absolute path of the backup that it is now a copy of. */
  readonly backup: string
  /** The newest version that the backup records. */
  readonly schemaVersion: string | undefined
  /** Absolute path under which what was there is kept; undefined where nothing was. */
  readonly replaced: string | undefined
}

export interface RestoreOptions {
  readonly filename: string
  /** Default: the newest one that an upgrade left beside the database, when the names tell which that is. */
  readonly backup?: string | undefined
  /** Default 60 s. */
  readonly timeout?: Duration.DurationInput | undefined
  /** As for a start. */
  readonly trustedFilesystems?: ReadonlyArray<string> | undefined
}

/**
 * Puts a backup in the place of a database, once the backup is proven sound and nobody else has the database open.
 * What was there is kept as `FILE.replaced-TIME`. If SQLite can open the database, it is overwritten in one
 * transaction, and the old content is kept under the lock of that transaction. If SQLite cannot open it, it is
 * replaced by a rename; its WAL and journal are moved away first, because SQLite would play them into the new one
 * (https://sqlite.org/howtocorrupt.html, 1.4). Owner and mode stay those of the database, or follow the directory
 * where there is none. Killed at any moment, it leaves the old or the new database. Fails with `RestoreError`, with
 * `DirectoryError` where a start could not use the path either, and with `ConnectionError` where the path is no file
 * or the driver would end the process.
 */
export const restoreBackup = ({ backup, filename, timeout = "60 seconds", trustedFilesystems }: RestoreOptions) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const wanted = path.resolve(filename)
    const tooLate = { ...nothing, retryable: true }
    return yield* restoreFrom({ backup, filename, trustedFilesystems }).pipe(
      Effect.timeoutFail({
        duration: timeout,
        onTimeout: () => refusalOf(wanted, backup === undefined ? "" : path.resolve(backup))("TimedOut", tooLate)
      })
    )
  }).pipe(
    Effect.mapError((refusal) => inDatabase(absoluteName(filename), refusal)),
    Effect.withSpan("database-ready.restore", { attributes: { "database.file": filename } })
  )

const restoreFrom = Effect.fnUntraced(function* ({ backup, filename, trustedFilesystems }: RestoreOptions) {
  const path = yield* Path.Path
  if (isInMemory(filename)) return yield* noFileAt(filename)
  const found = yield* Effect.either(prepareDirectory({ filename, access: "replace", trustedFilesystems }))
  if (Either.isLeft(found) && found.left.reason !== "NotFound") return yield* found.left
  const file = Either.isLeft(found) ? path.resolve(filename) : found.right.file
  yield* soundDriver(file)
  yield* refuseNoFile(file)

  const chosen = yield* backup === undefined ? newestBeside(file) : backupAt(file, backup)
  const from = chosen.path
  const refuse = refusalOf(file, from)
  const refused = <A, R>(step: Effect.Effect<A, CopyFailure, R>) =>
    Effect.catchAll(step, ({ code, detail, retryable }) =>
      Effect.flatMap(isLock(code) ? holdersOf(file) : Effect.succeed([]), (holders) =>
        refuse(reasonOf(code), { code, detail: `${detail}${describeHolders(holders)}`, retryable })
      )
    )
  yield* Effect.mapError(
    // SQLite would only say that it cannot open it, which may pass.
    ask(() => files.mayUse(from, { writing: false })),
    (failure) => refuse("NotProven", failure)
  )
  yield* refused(
    ask(() => {
      for (const part of partsOf(file)) files.mayUseIfThere(part, { writing: true })
    })
  )
  if (yield* refused(ask(() => files.identity(from) === files.identity(file)))) {
    return yield* refuse("SameFile", nothing)
  }
  const schemaVersion = yield* Effect.mapError(proven(from), (failure) =>
    refuse(isVerdict(failure) ? "NotABackup" : "NotProven", failure)
  )
  if (chosen.named !== undefined && !isSameVersion(chosen.named.from, schemaVersion)) {
    const detail = `the history in ${from} ends at ${schemaVersion ?? "none"}`
    return yield* refuse("Ambiguous", { ...nothing, detail }, [chosen.named])
  }

  // A start creates missing parents as well.
  if (Either.isLeft(found)) yield* prepareDirectory({ filename, access: "initialize", trustedFilesystems })
  const restored: Restored = {
    database: file,
    backup: from,
    schemaVersion,
    replaced: yield* refused(aloneRestoring(file, putBack(from, file)))
  }
  return restored
})

/** Gives the path under which what was there is kept. */
const putBack = Effect.fnUntraced(function* (from: string, file: string) {
  const isThere = yield* isFile(file)
  yield* unused(file)
  // SQLite may stand still at its first read, past any deadline.
  if (isThere) yield* Effect.scoped(readBeside(file))
  const kept = `${file}.replaced-${compact(yield* Clock.currentTimeMillis)}`
  if (yield* isFile(kept)) return yield* new SystemFailure({ code: "EEXIST", detail: `${kept} is there already` })
  yield* isThere
    ? Effect.catchIf(overwrite(from, file, kept), isUnreadable, () => replace(from, file, kept))
    : replace(from, file, kept)
  return isThere ? kept : undefined
})

const inMemory = "a database in memory has no file"

const noFileAt = (filename: string) =>
  new DirectoryError({ reason: "InvalidFilename", path: filename, detail: inMemory, retryable: false })

/** Refuses what a start refuses: a directory, a FIFO, a socket or a device where a file should be. */
const refuseNoFile = Effect.fnUntraced(function* (file: string) {
  for (const part of partsOf(file)) {
    const found = yield* Effect.mapError(
      ask(() => files.stat(part)),
      (failure) => refusalOf(file, "")("NotWritten", failure)
    )
    if (found !== undefined && !found.isFile()) {
      const facts = { code: kindOf(found), detail: "not a regular file", retryable: false }
      return yield* new ConnectionError({ reason: "NotAFile", file: part, ...facts })
    }
  }
})

/** A backup to restore, and what its name says, where it was chosen by that. */
interface Chosen {
  readonly path: string
  readonly named?: BackupFile
}

/** The one that was asked for. A link to a file is as good as the file. */
const backupAt = Effect.fnUntraced(function* (file: string, backup: string) {
  const path = yield* Path.Path
  const fault = isInMemory(backup) ? inMemory : faultOfName(backup)
  if (fault !== undefined) {
    return yield* refusalOf(file, JSON.stringify(backup))("NoBackup", { ...nothing, detail: fault })
  }
  const chosen: Chosen = { path: path.resolve(backup) }
  const refuse = refusalOf(file, chosen.path)
  const there = yield* Effect.mapError(infoOf(chosen.path), (failure) =>
    refuse(/^(ENOTDIR|ELOOP|ENAMETOOLONG)$/.test(failure.code) ? "NoBackup" : "NotProven", failure)
  )
  if (there === undefined) return yield* refuse("NoBackup", nothing)
  if (there.type !== "File") return yield* refuse("NotABackup", noFile(chosen.path, there))
  return chosen
})

/** The newest one beside the database, by what the names say. When they do not say it, nobody guesses. */
const newestBeside = Effect.fnUntraced(function* (file: string) {
  const refuse = refusalOf(file, "")
  const backups = yield* Effect.mapError(backupsOf(file), (failure) =>
    refuse(isAbsent(failure) ? "NoBackup" : reasonOf(failure.code), failure)
  )
  const [newest, ...others] = newestCandidates(backups)
  if (newest === undefined) return yield* refuse("NoBackup", nothing)
  const candidates = [newest, ...others]
  if (others.length > 0) {
    return yield* refuse("Ambiguous", { ...nothing, detail: candidates.map(describeBackup).join("; ") }, candidates)
  }
  const chosen: Chosen = { path: newest.path, named: newest }
  return chosen
})

const describeBackup = ({ bytes, from, modifiedAt, path, to }: BackupFile): string =>
  `${path} from version ${from ?? "none"}, before ${to}, ${bytes} bytes, modified ${new Date(modifiedAt).toISOString()}`

const isSameVersion = (one: string | undefined, other: string | undefined): boolean =>
  one === undefined || other === undefined ? one === other : Number(one) === Number(other)

/** Whether it tells something of the backup, and not of a lock or of a driver that could not be loaded. */
const isVerdict = ({ code, retryable }: typeof nothing): boolean => !retryable && /^(SQLITE_|$)/.test(code)

/** `20261123T212905123Z`: a restore never writes over what an earlier one kept. */
const compact = (millis: number): string => new Date(millis).toISOString().replace(/\W/g, "")

const nothing = { code: "", detail: "", retryable: false }

const refusalOf =
  (database: string, backup: string) =>
  (reason: Reason, { code, detail, retryable }: typeof nothing, candidates: ReadonlyArray<BackupFile> = []) =>
    new RestoreError({ reason, database, backup, candidates, code, detail, retryable })

const reasonOf = (code: string): Reason => {
  if (isNoSpace(code)) return "NoSpace"
  return /^(EBUSY|SQLITE_(BUSY|LOCKED))/.test(code) ? "InUse" : "NotWritten"
}

const isUnreadable = ({ code }: CopyFailure): boolean => /^SQLITE_(NOTADB|CORRUPT)/.test(code)

/** False where there is nothing; what is there and is no file can be neither read nor replaced. */
const isFile = (target: string): Effect.Effect<boolean, SystemFailure, FileSystem.FileSystem> =>
  Effect.flatMap(infoOf(target), (there) =>
    there === undefined || there.type === "File"
      ? Effect.succeed(there !== undefined)
      : Effect.fail(new SystemFailure(noFile(target, there)))
  )

const noFile = (target: string, { type }: FileSystem.File.Info) => ({
  ...nothing,
  detail: `${target} is a ${type}, not a regular file`
})

/** A database with all that may lie beside it. */
const partsOf = (file: string) => ["", "-wal", "-shm", "-journal"].map((suffix) => `${file}${suffix}`)

/**
 * Refuses while somebody is seen to use a database. Without a WAL an idle connection holds no lock, and of another
 * user's process, or one in another namespace, only its locks are seen.
 */
const unused = Effect.fnUntraced(function* (file: string) {
  const users = yield* usersOf(partsOf(file))
  if (users.length > 0) return yield* new SystemFailure({ code: "EBUSY", detail: `open in ${nameHolders(users)}` })
  const locks = yield* Effect.forEach(partsOf(file), locksOn)
  if (locks.flat().length > 0) return yield* new SystemFailure({ code: "EBUSY", detail: "a lock is held on it" })
})

/** The newest version that a sound backup records. */
const proven = (backup: string) =>
  checkCopy(backup).pipe(
    Effect.zipRight(openSqlite({ filename: backup, readonly: true })),
    Effect.tap(holdsSomething),
    Effect.flatMap(readHistory),
    Effect.scoped,
    Effect.map(({ rows }) => newestVersion(rows)),
    Effect.mapError(({ code, message, retryable }) => ({ code, detail: message, retryable }))
  )

const newestVersion = (rows: ReadonlyArray<{ readonly version: string }>): string | undefined =>
  [...rows].sort((one, other) => Number(one.version) - Number(other.version)).at(-1)?.version

/**
 * Switching to a rollback journal takes in the WAL, and is refused while anybody else has the file open in WAL
 * mode. The overwriting is done in WAL mode, where the old content can be read under its lock until the commit.
 * Afterwards the database has the journal mode again that it had.
 */
const overwrite = (from: string, file: string, kept: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* Effect.catchIf(
        readable(file),
        (failure) => !isUnreadable(failure),
        () => Effect.void
      )
      const partial = `${kept}.restored.partial`
      yield* sharesMemory(partial)
      const live = yield* openSqlite({ filename: file })
      const before = yield* journalModeOf(live)
      const again = Effect.zipRight(
        Effect.ignoreLogged(live.run("PRAGMA wal_checkpoint(FULL)")),
        Effect.ignoreLogged(live.run(`PRAGMA journal_mode = ${before}`))
      )
      yield* live.run("PRAGMA journal_mode = delete").pipe(
        Effect.zipRight(inWal(live)),
        Effect.zipRight(inItsPages(from, live, partial)),
        Effect.flatMap((source) => overwriteKeeping(source, file, { keep: keepCopy(file, kept), undo: tidied(kept) })),
        Effect.ensuring(again)
      )
    })
  )

const inWal = (sqlite: Sqlite) =>
  Effect.filterOrFail(
    Effect.zipRight(sqlite.run("PRAGMA journal_mode = wal"), journalModeOf(sqlite)),
    (mode) => mode === "wal",
    (mode) => new SystemFailure({ code: "", detail: `the journal mode stays ${mode}, not wal` })
  )

/**
 * Tries WAL on a file that is nobody's: where a filesystem has no shared memory, a database that was switched to it
 * could not be opened any more (https://sqlite.org/wal.html, 1).
 */
const sharesMemory = (scratch: string) =>
  Effect.acquireUseRelease(
    Effect.asVoid(createExclusively(scratch)),
    () =>
      Effect.scoped(
        Effect.flatMap(openSqlite({ filename: scratch }), (tried) =>
          Effect.zipRight(inWal(tried), tried.run("CREATE TABLE tried (x)"))
        )
      ),
    // SQLite leaves the WAL that it could not use.
    () => Effect.zipRight(tidied(scratch), tidied(`${scratch}-wal`))
  )

const journalModeOf = (sqlite: Sqlite) =>
  Effect.map(sqlite.run("PRAGMA journal_mode"), ([row]) => text(row, "journal_mode"))

/** In WAL mode SQLite overwrites nothing with pages of another size: a backup that has such is written again in ours. */
const inItsPages = Effect.fnUntraced(function* (from: string, live: Sqlite, partial: string) {
  const pageSize = yield* pageSizeOf(live)
  const theirs = yield* Effect.scoped(Effect.flatMap(openSqlite({ filename: from, readonly: true }), pageSizeOf))
  if (theirs === pageSize) return from
  yield* Effect.addFinalizer(() => tidied(partial))
  yield* copyDatabase(from, partial)
  yield* Effect.scoped(
    Effect.flatMap(openSqlite({ filename: partial }), ({ run }) =>
      Effect.zipRight(run(`PRAGMA page_size = ${pageSize}`), run("VACUUM"))
    )
  )
  return partial
})

const pageSizeOf = ({ run }: Sqlite) => Effect.map(run("PRAGMA page_size"), ([row]) => integer(row, "page_size"))

/** Without writing: the last connection that can would play the WAL into what is no database when it closes. */
const readable = (file: string) =>
  Effect.zipRight(
    oneOrMorePages(file),
    Effect.scoped(
      Effect.flatMap(openSqlite({ filename: file, readonly: true }), (reader) =>
        reader.run("SELECT count(*) FROM sqlite_schema")
      )
    )
  )

/** SQLite takes a file of one byte for an empty one, and would write over what nobody has kept. */
const oneOrMorePages = (file: string) =>
  Effect.flatMap(
    ask(() => [file, `${file}-journal`].map((part) => files.stat(part)?.size ?? 0)),
    ([size = 0, journal]) =>
      size > 0 && size < smallestPage && journal === 0
        ? new SqliteFailure({ code: "SQLITE_NOTADB", detail: `${size} bytes are no database` })
        : Effect.void
  )

/** Copies that are not finished, with what is beside them. */
const unfinished = /^\.replaced-\w+(\.restored)?\.partial/

const withoutRemains = Effect.fnUntraced(function* (file: string, kept: string) {
  const remains = yield* besides(file, unfinished)
  const ofOthers = remains.filter(({ path }) => !path.startsWith(kept))
  yield* Effect.forEach(ofOthers, ({ path }) => removed(path), { discard: true })
})

/** Under the write lock: the processes that began the unfinished copies are gone. */
const keepCopy = Effect.fnUntraced(function* (file: string, kept: string) {
  yield* withoutRemains(file, kept)
  const partial = `${kept}.partial`
  yield* copyDatabase(file, partial).pipe(
    Effect.zipRight(renamed(partial, kept)),
    Effect.onError(() => tidied(partial))
  )
  yield* syncedDirectory(file)
})

/**
 * What SQLite cannot open is kept byte for byte, its parts together. The new one is in WAL mode, as most starts want,
 * where that can be had.
 */
const replace = (from: string, file: string, kept: string) => {
  const partial = `${kept}.restored.partial`
  const moves = ["-wal", "-journal", "-shm"].map((part) => ({ at: `${file}${part}`, kept: `${kept}${part}` }))
  const putIn = ifThere(linked(file, kept)).pipe(
    Effect.zipRight(Effect.forEach(moves, (move) => ifThere(renamed(move.at, move.kept)))),
    Effect.zipRight(renamed(partial, file)),
    Effect.onError(() =>
      Effect.forEach(moves, (move) => Effect.ignoreLogged(ifThere(renamed(move.kept, move.at)))).pipe(
        Effect.zipRight(tidied(kept))
      )
    )
  )
  // Copying took its time, and there is no lock on what is no database.
  return Effect.match(sharesMemory(partial), {
    onSuccess: () => "wal" as const,
    onFailure: () => "delete" as const
  }).pipe(
    Effect.flatMap((journalMode) => copyDatabase(from, partial, { file, journalMode })),
    Effect.zipRight(unused(file)),
    Effect.zipRight(Effect.uninterruptible(putIn)),
    Effect.onError(() => tidied(partial)),
    Effect.zipRight(syncedDirectory(file)),
    Effect.zipRight(withoutRemains(file, kept))
  )
}

const linked = (from: string, to: string): Effect.Effect<void, SystemFailure, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.mapError(fs.link(from, to), SystemFailure.fromPlatform))

const ifThere = <R>(step: Effect.Effect<void, SystemFailure, R>): Effect.Effect<void, SystemFailure, R> =>
  Effect.catchIf(step, isAbsent, () => Effect.void)
