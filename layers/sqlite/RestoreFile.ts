/** Puts a backup in the place of a database. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { locksOn, nameHolders, usersOf } from "../machine/FileLocks.ts"
import { files, trySync } from "../machine/files.ts"
import { createExclusively } from "../machine/newFile.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import {
  flushDirectoryOf,
  isAbsent,
  partsOf,
  remove,
  removeCopyOrWarn,
  removeOrWarn,
  rename,
  siblingFiles
} from "./BackupFiles.ts"
import { copyDatabase } from "./DatabaseCopy.ts"
import { smallestPage } from "./FileLook.ts"
import { overwriteKeeping } from "./PageCopy.ts"
import { isUnreadable } from "./RestoreError.ts"
import type { Tell } from "./RestoreStep.ts"
import { integer, openSqlite, type Sqlite, SqliteFailure, text } from "./Sqlite.ts"

/** What to restore from. */
export interface Source {
  readonly from: string
  /** Writes into a copy of it what its history says of the restore; undefined where that is written, or where it has none. */
  readonly note: ((copy: Sqlite) => Effect.Effect<void, SqliteFailure>) | undefined
}

/**
 * Refuses if another user of the database can be seen. Limits: without a WAL an idle connection holds no lock; of
 * processes of other users or namespaces only locks are seen.
 */
export const refuseInUse = Effect.fnUntraced(function* (file: string) {
  const users = yield* usersOf(partsOf(file))
  if (users.length > 0) return yield* new SystemFailure({ code: "EBUSY", detail: `open in ${nameHolders(users)}` })
  if (partsOf(file).flatMap(locksOn).length > 0)
    return yield* new SystemFailure({ code: "EBUSY", detail: "a lock is held on it" })
})

/**
 * Switching to a rollback journal first moves the WAL into the database, and fails while anyone else has the file open
 * in WAL mode. Then it overwrites in WAL mode: there the old content can be read under the lock until the commit.
 * Afterwards the database gets its journal mode back.
 */
export const overwrite = ({ from, note }: Source, file: string, kept: string, tell: Tell) =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* Effect.catchIf(
        requireReadable(file),
        (failure) => !isUnreadable(failure),
        () => Effect.void
      )
      const partial = `${kept}.restored.partial`
      yield* tryWal(partial)
      const live = yield* openSqlite({ filename: file })
      const before = yield* journalModeOf(live)
      const again = Effect.zipRight(
        Effect.ignoreLogged(live.run("PRAGMA wal_checkpoint(FULL)")),
        Effect.ignoreLogged(live.run(`PRAGMA journal_mode = ${before}`))
      )
      yield* live.run("PRAGMA journal_mode = delete").pipe(
        Effect.zipRight(switchToWal(live)),
        Effect.zipRight(sourceFor(live, { from, note }, partial, tell)),
        Effect.flatMap((source) =>
          overwriteKeeping(source, file, { keep: keepCopy(from, file, kept, tell), undo: removeOrWarn(kept) })
        ),
        Effect.ensuring(again)
      )
    })
  )

const switchToWal = (sqlite: Sqlite) =>
  Effect.filterOrFail(
    Effect.zipRight(sqlite.run("PRAGMA journal_mode = wal"), journalModeOf(sqlite)),
    (mode) => mode === "wal",
    (mode) => new SystemFailure({ code: "", detail: `the journal mode stays ${mode}, not wal` })
  )

/**
 * Tries WAL on a scratch file. On a filesystem without shared memory, a database switched to WAL could no longer be
 * opened (https://sqlite.org/wal.html, 1).
 */
const tryWal = (scratch: string) =>
  Effect.acquireUseRelease(
    Effect.asVoid(createExclusively(scratch)),
    () =>
      Effect.scoped(
        Effect.flatMap(openSqlite({ filename: scratch }), (tried) =>
          Effect.zipRight(switchToWal(tried), tried.run("CREATE TABLE tried (x)"))
        )
      ),
    // SQLite leaves a WAL that it could not use.
    () => removeCopyOrWarn(scratch)
  )

const journalModeOf = (sqlite: Sqlite) =>
  Effect.map(sqlite.run("PRAGMA journal_mode"), ([row]) => text(row, "journal_mode"))

/**
 * What the database is overwritten with: a copy that has the note. In WAL mode SQLite cannot overwrite with pages of
 * another size: rewrite such a copy with ours.
 */
const sourceFor = Effect.fnUntraced(function* (live: Sqlite, { from, note }: Source, partial: string, tell: Tell) {
  const pageSize = yield* pageSizeOf(live)
  const theirs = yield* Effect.scoped(Effect.flatMap(openSqlite({ filename: from, readonly: true }), pageSizeOf))
  if (theirs === pageSize && note === undefined) return from
  yield* tell("copying the backup", from)
  yield* Effect.addFinalizer(() => removeCopyOrWarn(partial))
  yield* copyDatabase(from, partial, { change: note })
  if (theirs === pageSize) return partial
  yield* Effect.scoped(
    Effect.flatMap(openSqlite({ filename: partial }), ({ run }) =>
      Effect.zipRight(run(`PRAGMA page_size = ${pageSize}`), run("VACUUM"))
    )
  )
  return partial
})

const pageSizeOf = ({ run }: Sqlite) => Effect.map(run("PRAGMA page_size"), ([row]) => integer(row, "page_size"))

/**
 * Read-only beside a WAL or a journal: a connection that can write would play them into a file that is no database.
 * Without them it can write: a reader in WAL mode makes files that it cannot delete again
 * (https://sqlite.org/wal.html, 5).
 */
const requireReadable = (file: string) =>
  Effect.gen(function* () {
    yield* requirePage(file)
    const besides = yield* trySync(() =>
      partsOf(file)
        .slice(1)
        .some((part) => files.stat(part) !== undefined)
    )
    const { run } = yield* openSqlite({ filename: file, readonly: besides })
    yield* run("SELECT count(*) FROM sqlite_schema")
  }).pipe(Effect.scoped)

/** SQLite treats a file of one byte as empty, and would overwrite content that was not kept. */
const requirePage = (file: string) =>
  Effect.flatMap(
    trySync(() => [file, `${file}-journal`].map((part) => files.stat(part)?.size ?? 0)),
    ([size = 0, journal]) =>
      size > 0 && size < smallestPage && journal === 0
        ? new SqliteFailure({ code: "SQLITE_NOTADB", detail: `${size} bytes are no database` })
        : Effect.void
  )

/** Unfinished copies, with the files beside them. */
const unfinished = /^\.replaced-\w+(\.restored)?\.partial/

const removeRemainsOfOthers = Effect.fnUntraced(function* (file: string, kept: string) {
  const remains = yield* siblingFiles(file, unfinished)
  const ofOthers = remains.filter(({ path }) => !path.startsWith(kept))
  yield* Effect.forEach(ofOthers, ({ path }) => remove(path), { discard: true })
})

/** Under the write lock: the processes that began the unfinished copies have ended. */
const keepCopy = Effect.fnUntraced(function* (from: string, file: string, kept: string, tell: Tell) {
  yield* tell("keeping what was there", file)
  yield* removeRemainsOfOthers(file, kept)
  const partial = `${kept}.partial`
  yield* copyDatabase(file, partial).pipe(
    Effect.zipRight(rename(partial, kept)),
    Effect.onError(() => removeCopyOrWarn(partial))
  )
  yield* flushDirectoryOf(file)
  yield* tell("writing the database", from)
})

/**
 * Keeps byte for byte what SQLite cannot open, with the files beside it: they are moved away first, because SQLite would
 * play them into the new one (https://sqlite.org/howtocorrupt.html, 1.4). The new database is in WAL mode if that works,
 * as most starts want.
 */
export const replace = ({ from, note }: Source, file: string, kept: string, tell: Tell) => {
  const partial = `${kept}.restored.partial`
  const moves = ["-wal", "-journal", "-shm"].map((part) => ({ at: `${file}${part}`, kept: `${kept}${part}` }))
  const putIn = ignoreAbsent(link(file, kept)).pipe(
    Effect.zipRight(Effect.forEach(moves, (move) => ignoreAbsent(rename(move.at, move.kept)))),
    Effect.zipRight(rename(partial, file)),
    Effect.onError(() =>
      Effect.forEach(moves, (move) => Effect.ignoreLogged(ignoreAbsent(rename(move.kept, move.at)))).pipe(
        Effect.zipRight(removeOrWarn(kept))
      )
    )
  )
  // Check for users again: copying took time, and a file that is no database has no lock.
  return Effect.match(tryWal(partial), {
    onSuccess: () => "wal" as const,
    onFailure: () => "delete" as const
  }).pipe(
    Effect.tap(() => tell("writing the database", from)),
    Effect.flatMap((journalMode) => copyDatabase(from, partial, { change: note, file, journalMode })),
    Effect.zipRight(refuseInUse(file)),
    Effect.zipRight(Effect.uninterruptible(putIn)),
    Effect.onError(() => removeCopyOrWarn(partial)),
    Effect.zipRight(flushDirectoryOf(file)),
    Effect.zipRight(removeRemainsOfOthers(file, kept))
  )
}

const link = (from: string, to: string): Effect.Effect<void, SystemFailure, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.mapError(fs.link(from, to), SystemFailure.fromPlatform))

const ignoreAbsent = <R>(step: Effect.Effect<void, SystemFailure, R>): Effect.Effect<void, SystemFailure, R> =>
  Effect.catchIf(step, isAbsent, () => Effect.void)
