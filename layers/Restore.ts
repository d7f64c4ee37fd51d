/** The way back: a backup in the place of a database, and what was there kept beside it. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { readHistory } from "./AppliedMigrations/MigrationHistory.ts"
import {
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
import { describeHolders, holdersOf, locksOn, nameHolders, usersOf } from "./FileLocks.ts"
import { checkCopy } from "./PageCheck.ts"
import { soundDriver } from "./SqliteConnection.ts"
import {
  ask,
  createExclusively,
  files,
  integer,
  isLock,
  openSqlite,
  overwriteKeeping,
  type Sqlite,
  SystemFailure,
  text
} from "./seams.ts"

type Reason = "NoBackup" | "SameFile" | "NotABackup" | "NotProven" | "InUse" | "TimedOut" | "NoSpace" | "NotWritten"

/** A backup cannot be put back. The database is as it was. */
export class RestoreError extends Data.TaggedError("RestoreError")<{
  readonly reason: Reason
  /** Absolute path of the database. */
  readonly database: string
  /** Absolute path of the backup, or "" where there is none. */
  readonly backup: string
  /** What SQLite or the operating system said. */
  readonly detail: string
  /** SQLite's or the system's code, or "". */
  readonly code: string
  readonly retryable: boolean
}> {
  override get message(): string {
    const said = [this.code, this.detail].filter((part) => part !== "").join(": ")
    return `${sentences[this.reason](this)}${said === "" ? "" : ` (${said})`}`
  }

  get remedy(): string {
    return remedies[this.reason]
  }
}

const sentences: Record<Reason, (error: Pick<RestoreError, "backup" | "database">) => string> = {
  NoBackup: ({ backup, database }) =>
    backup === "" ? `There is no backup beside ${database}` : `There is no backup at ${backup}`,
  SameFile: ({ backup }) => `${backup} is the database itself`,
  NotABackup: ({ backup }) => `${backup} is not a sound database`,
  NotProven: ({ backup }) => `Nobody could look whether ${backup} is sound`,
  InUse: ({ database }) => `Other programs use ${database}`,
  TimedOut: ({ database }) => `${database} was not free, or not written, in time`,
  NoSpace: ({ database }) => `There is no space to restore ${database} and keep what was there`,
  NotWritten: ({ database }) => `${database} could not be restored`
}

const remedies: Record<Reason, string> = {
  NoBackup: "Name the file to restore with --backup.",
  SameFile: "Name a backup of it with --backup.",
  NotABackup: "Name an older backup with --backup.",
  NotProven: "Restore again when its cause is gone.",
  InUse: "Stop every program that has it open, and restore again.",
  TimedOut: "Stop every program that has it open, and restore again with a longer timeout.",
  NoSpace: "Free some space on that filesystem.",
  NotWritten: "Look at the operating system's message; nothing was changed."
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
  /** Default: the newest one that an upgrade left beside the database. */
  readonly backup?: string | undefined
  /** Default 60 s. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * Puts a backup in the place of a database, once the backup is proven sound and nobody else has the database
 * open. What was there is kept as `FILE.replaced-TIME`. A database that SQLite can open is overwritten in one
 * transaction of SQLite's, under whose lock the old content is kept; one that it cannot open is replaced by a
 * rename, its WAL and journal out of the way first, for they would be played into the new one
 * (https://sqlite.org/howtocorrupt.html, 1.4). Killed at any moment it leaves the one or the other. Fails with
 * `RestoreError`, and with `ConnectionError` where the driver would end the process.
 */
export const restoreBackup = ({ backup, filename, timeout = "60 seconds" }: RestoreOptions) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const wanted = path.resolve(filename)
    const file = yield* Effect.orElseSucceed(fs.realPath(wanted), () => wanted)
    const from = backup === undefined ? yield* newestOf(file) : path.resolve(backup)
    const refuse = refusalOf(file, from)
    const refused = <A, R>(step: Effect.Effect<A, CopyFailure, R>) =>
      Effect.catchAll(step, ({ code, detail, retryable }) =>
        Effect.flatMap(isLock(code) ? holdersOf(file) : Effect.succeed([]), (holders) =>
          refuse(reasonOf(code), { code, detail: `${detail}${describeHolders(holders)}`, retryable })
        )
      )

    return yield* Effect.gen(function* () {
      yield* soundDriver(file)
      const there = yield* refused(infoOf(from))
      if (there === undefined) return yield* refuse("NoBackup", nothing)
      if (there.type !== "File") return yield* refuse("NotABackup", noFile(from, there))
      yield* refused(
        ask(() => {
          // SQLite would only say that it cannot open them, which may pass.
          files.mayUse(from, { writing: false })
          for (const part of partsOf(file)) files.mayUseIfThere(part, { writing: true })
          files.mayUse(path.dirname(file), { writing: true })
        })
      )
      if (yield* refused(ask(() => files.identity(from) === files.identity(file)))) {
        return yield* refuse("SameFile", nothing)
      }
      const schemaVersion = yield* Effect.mapError(proven(from), (failure) =>
        refuse(isVerdict(failure) ? "NotABackup" : "NotProven", failure)
      )

      const isThere = yield* refused(isFile(file))
      yield* refused(unused(file))
      const kept = `${file}.replaced-${compact(yield* Clock.currentTimeMillis)}`
      if (yield* refused(isFile(kept))) {
        return yield* refuse("NotWritten", { code: "EEXIST", detail: `${kept} is there already`, retryable: false })
      }
      yield* refused(
        isThere
          ? Effect.catchIf(overwrite(from, file, kept), isUnreadable, () => replace(from, file, kept))
          : replace(from, file, kept)
      )
      const restored: Restored = {
        database: file,
        backup: from,
        schemaVersion,
        replaced: isThere ? kept : undefined
      }
      return restored
    }).pipe(
      Effect.timeoutFail({
        duration: timeout,
        onTimeout: () => refuse("TimedOut", { ...nothing, retryable: true })
      })
    )
  }).pipe(Effect.withSpan("database-ready.restore", { attributes: { "database.file": filename } }))

/** Whether it tells something of the backup, and not of a lock or of a driver that could not be loaded. */
const isVerdict = ({ code, retryable }: typeof nothing): boolean => !retryable && /^(SQLITE_|$)/.test(code)

/** `20261123T212905123Z`: a restore never writes over what an earlier one kept. */
const compact = (millis: number): string => new Date(millis).toISOString().replace(/\W/g, "")

const nothing = { code: "", detail: "", retryable: false }

const refusalOf =
  (database: string, backup: string) =>
  (reason: Reason, { code, detail, retryable }: typeof nothing) =>
    new RestoreError({ reason, database, backup, code, detail, retryable })

const reasonOf = (code: string): Reason => {
  if (isNoSpace(code)) return "NoSpace"
  return /^(EBUSY|SQLITE_(BUSY|LOCKED))/.test(code) ? "InUse" : "NotWritten"
}

const isUnreadable = ({ code }: CopyFailure): boolean => /^SQLITE_(NOTADB|CORRUPT)/.test(code)

const newestOf = (file: string) => {
  const refuse = refusalOf(file, "")
  return backupsOf(file).pipe(
    Effect.mapError((failure) => refuse(isAbsent(failure) ? "NoBackup" : reasonOf(failure.code), failure)),
    Effect.flatMap(([newest]) =>
      newest === undefined ? Effect.fail(refuse("NoBackup", nothing)) : Effect.succeed(newest.path)
    )
  )
}

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
    Effect.map(({ rows }) => rows.at(-1)?.version),
    Effect.mapError(({ code, message, retryable }) => ({ code, detail: message, retryable }))
  )

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
  Effect.scoped(
    Effect.flatMap(openSqlite({ filename: file, readonly: true }), (reader) =>
      reader.run("SELECT count(*) FROM sqlite_schema")
    )
  )

/** Copies that are not finished, with what is beside them. */
const unfinished = /^\.replaced-\w+(\.restored)?\.partial/

const withoutRemains = Effect.fnUntraced(function* (file: string, kept: string) {
  const remains = yield* besides(file, unfinished)
  const ofOthers = remains.filter(({ path }) => !path.startsWith(kept))
  yield* Effect.forEach(ofOthers, ({ path }) => removed(path), { discard: true })
})

/** Under the write lock: whoever began the copies that are not finished is gone. */
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
    Effect.flatMap((journalMode) => copyDatabase(from, partial, journalMode)),
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
