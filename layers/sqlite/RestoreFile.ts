/** A backup in the place of a database. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { locksOn, nameHolders, usersOf } from "../machine/FileLocks.ts"
import { files, trySync } from "../machine/files.ts"
import { createExclusively } from "../machine/newFile.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import { copyDatabase } from "./Backup.ts"
import { flushDirectoryOf, isAbsent, remove, removeOrWarn, rename, siblingFiles } from "./BackupFiles.ts"
import { smallestPage } from "./FileLook.ts"
import { overwriteKeeping } from "./PageCopy.ts"
import { isUnreadable } from "./RestoreError.ts"
import { integer, openSqlite, type Sqlite, SqliteFailure, text } from "./Sqlite.ts"

/** A database with all that may lie beside it. */
export const partsOf = (file: string) => ["", "-wal", "-shm", "-journal"].map((suffix) => `${file}${suffix}`)

/**
 * Refuses while somebody is seen to use a database. Without a WAL an idle connection holds no lock, and of another
 * user's process, or one in another namespace, only its locks are seen.
 */
export const refuseInUse = Effect.fnUntraced(function* (file: string) {
  const users = yield* usersOf(partsOf(file))
  if (users.length > 0) return yield* new SystemFailure({ code: "EBUSY", detail: `open in ${nameHolders(users)}` })
  const locks = yield* Effect.forEach(partsOf(file), locksOn)
  if (locks.flat().length > 0) return yield* new SystemFailure({ code: "EBUSY", detail: "a lock is held on it" })
})

/**
 * Switching to a rollback journal takes in the WAL, and is refused while anybody else has the file open in WAL
 * mode. The overwriting is done in WAL mode, where the old content can be read under its lock until the commit.
 * Afterwards the database has the journal mode again that it had.
 */
export const overwrite = (from: string, file: string, kept: string) =>
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
        Effect.zipRight(matchPageSize(from, live, partial)),
        Effect.flatMap((source) =>
          overwriteKeeping(source, file, { keep: keepCopy(file, kept), undo: removeOrWarn(kept) })
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
 * Tries WAL on a file that is nobody's: where a filesystem has no shared memory, a database that was switched to it
 * could not be opened any more (https://sqlite.org/wal.html, 1).
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
    // SQLite leaves the WAL that it could not use.
    () => Effect.zipRight(removeOrWarn(scratch), removeOrWarn(`${scratch}-wal`))
  )

const journalModeOf = (sqlite: Sqlite) =>
  Effect.map(sqlite.run("PRAGMA journal_mode"), ([row]) => text(row, "journal_mode"))

/** In WAL mode SQLite overwrites nothing with pages of another size: a backup that has such is written again in ours. */
const matchPageSize = Effect.fnUntraced(function* (from: string, live: Sqlite, partial: string) {
  const pageSize = yield* pageSizeOf(live)
  const theirs = yield* Effect.scoped(Effect.flatMap(openSqlite({ filename: from, readonly: true }), pageSizeOf))
  if (theirs === pageSize) return from
  yield* Effect.addFinalizer(() => removeOrWarn(partial))
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
const requireReadable = (file: string) =>
  Effect.zipRight(
    requirePage(file),
    Effect.scoped(
      Effect.flatMap(openSqlite({ filename: file, readonly: true }), (reader) =>
        reader.run("SELECT count(*) FROM sqlite_schema")
      )
    )
  )

/** SQLite takes a file of one byte for an empty one, and would write over what nobody has kept. */
const requirePage = (file: string) =>
  Effect.flatMap(
    trySync(() => [file, `${file}-journal`].map((part) => files.stat(part)?.size ?? 0)),
    ([size = 0, journal]) =>
      size > 0 && size < smallestPage && journal === 0
        ? new SqliteFailure({ code: "SQLITE_NOTADB", detail: `${size} bytes are no database` })
        : Effect.void
  )

/** Copies that are not finished, with what is beside them. */
const unfinished = /^\.replaced-\w+(\.restored)?\.partial/

const removeRemainsOfOthers = Effect.fnUntraced(function* (file: string, kept: string) {
  const remains = yield* siblingFiles(file, unfinished)
  const ofOthers = remains.filter(({ path }) => !path.startsWith(kept))
  yield* Effect.forEach(ofOthers, ({ path }) => remove(path), { discard: true })
})

/** Under the write lock: the processes that began the unfinished copies are gone. */
const keepCopy = Effect.fnUntraced(function* (file: string, kept: string) {
  yield* removeRemainsOfOthers(file, kept)
  const partial = `${kept}.partial`
  yield* copyDatabase(file, partial).pipe(
    Effect.zipRight(rename(partial, kept)),
    Effect.onError(() => removeOrWarn(partial))
  )
  yield* flushDirectoryOf(file)
})

/**
 * What SQLite cannot open is kept byte for byte, its parts together. The new one is in WAL mode, as most starts want,
 * where that can be had.
 */
export const replace = (from: string, file: string, kept: string) => {
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
  // Copying took its time, and there is no lock on what is no database.
  return Effect.match(tryWal(partial), {
    onSuccess: () => "wal" as const,
    onFailure: () => "delete" as const
  }).pipe(
    Effect.flatMap((journalMode) => copyDatabase(from, partial, { file, journalMode })),
    Effect.zipRight(refuseInUse(file)),
    Effect.zipRight(Effect.uninterruptible(putIn)),
    Effect.onError(() => removeOrWarn(partial)),
    Effect.zipRight(flushDirectoryOf(file)),
    Effect.zipRight(removeRemainsOfOthers(file, kept))
  )
}

const link = (from: string, to: string): Effect.Effect<void, SystemFailure, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.mapError(fs.link(from, to), SystemFailure.fromPlatform))

const ignoreAbsent = <R>(step: Effect.Effect<void, SystemFailure, R>): Effect.Effect<void, SystemFailure, R> =>
  Effect.catchIf(step, isAbsent, () => Effect.void)
