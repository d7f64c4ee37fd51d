/**
 * Allows one restore at a time, and one early copy at a time. Neither can use a lock on the database: for a restore it
 * may be gone or no database, and a copy must not block writers.
 */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { permissionsFor } from "../machine/FilePermissions.ts"
import { files, trySync } from "../machine/files.ts"
import { createExclusively } from "../machine/newFile.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import { isLock, openSqlite, SqliteFailure } from "./Sqlite.ts"

/** Suffixes of the lock files, after the name of the database. */
export const restoreLock = ".restore.partial"
export const copyLock = ".upgrade.partial"

/**
 * Runs `use` while no other process restores this database or removes what restores left; fails with `SQLITE_BUSY` if
 * one does. The lock is SQLite's, on an empty file of its own: it works wherever a start does, and ends with its
 * process.
 */
export const whileRestoringAlone = <A, E, R>(file: string, use: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.zipRight(takeLock(`${file}${restoreLock}`, file, "another restore is running"), use))

/** The same lock for a copy, held until the scope closes. */
export const lockForCopying = (file: string) =>
  takeLock(`${file}${copyLock}`, file, "another process is copying the database for its upgrade")

/** The same lock for copies to one place, which is a path without the time in their names. */
export const lockForCopies = (stem: string, file: string) =>
  takeLock(`${stem}.backup.partial`, file, "another backup to the same place is running")

/** The same for one path: a copy that is thrown away, or the next migration. `who`: what is said where another has it. */
export const lockForPlace = (place: string, file: string, who: string) => takeLock(`${place}.partial`, file, who)

/** The same for a folder that only its owner looks at. */
export const lockForFolder = (folder: string) => takeLock(`${folder}.partial`, undefined, "another process has it")

const takeLock = (
  lock: string,
  file: string | undefined,
  who: string,
  attempts = 10
): Effect.Effect<void, SqliteFailure | SystemFailure, Scope.Scope> =>
  Effect.gen(function* () {
    // What came of it is closed at once unless it is the lock: the next attempt would wait for its connection.
    const attempt = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const isTaken = yield* Scope.extend(tryLock(lock, file, who), attempt).pipe(
      Effect.onExit((exit) => (Exit.isSuccess(exit) && exit.value ? Effect.void : Scope.close(attempt, exit)))
    )
    if (isTaken) return
    if (attempts === 0) return yield* new SystemFailure({ code: "EBUSY", detail: `${lock} comes and goes` })
    yield* takeLock(lock, file, who, attempts - 1)
  })

/** False if the file that was locked is not there any more. */
const tryLock = Effect.fnUntraced(function* (lock: string, file: string | undefined, who: string) {
  yield* Effect.flatMap(
    trySync(() => (file === undefined ? undefined : permissionsFor(file))),
    (permissions) => createExclusively(lock, permissions)
  )
  const identity = yield* trySync(() => files.identity(lock))
  const { run } = yield* openSqlite({ filename: lock })
  yield* Effect.mapError(Effect.zipRight(run("PRAGMA journal_mode = memory"), run("BEGIN EXCLUSIVE")), (failure) =>
    isLock(failure.code) ? new SqliteFailure({ code: "SQLITE_BUSY", detail: who }) : failure
  )
  // The previous holder may have deleted the file that we locked, and another process created a new one.
  if (identity === undefined || (yield* trySync(() => files.identity(lock))) !== identity) return false
  // Delete it before the connection closes: anyone who locks it afterwards notices (above).
  yield* Effect.addFinalizer(() => Effect.ignore(trySync(() => files.remove(lock))))
  return true
})
