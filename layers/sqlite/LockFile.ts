/**
 * One restore at a time, and one copy beside a database while others write to it. A database that is gone, or is none, has
 * no lock of its own that two could meet at, and who copies does not want to shut out who writes.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { permissionsFor } from "../machine/FilePermissions.ts"
import { files, trySync } from "../machine/files.ts"
import { createExclusively } from "../machine/newFile.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import { isLock, openSqlite, SqliteFailure } from "./Sqlite.ts"

/** What the file that is locked has behind the name of the database. */
export const restoreLock = ".restore.partial"
export const copyLock = ".upgrade.partial"

/**
 * Runs something while nobody else restores this database or clears what restores have left; fails with `SQLITE_BUSY`
 * where somebody does. The lock is SQLite's on an empty file of its own, which works wherever a start does and ends
 * with its process.
 */
export const whileRestoringAlone = <A, E, R>(file: string, use: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.zipRight(takeLock(`${file}${restoreLock}`, file, "another restore is running"), use))

/** The same for a copy, until the scope closes. */
export const lockForCopying = (file: string) =>
  takeLock(`${file}${copyLock}`, file, "another process is copying the database for its upgrade")

const takeLock = (
  lock: string,
  file: string,
  who: string,
  attempts = 10
): Effect.Effect<void, SqliteFailure | SystemFailure, Scope.Scope> =>
  Effect.gen(function* () {
    yield* Effect.flatMap(
      trySync(() => permissionsFor(file)),
      (permissions) => createExclusively(lock, permissions)
    )
    const identity = yield* trySync(() => files.identity(lock))
    const { run } = yield* openSqlite({ filename: lock })
    yield* Effect.mapError(Effect.zipRight(run("PRAGMA journal_mode = memory"), run("BEGIN EXCLUSIVE")), (failure) =>
      isLock(failure.code) ? new SqliteFailure({ code: "SQLITE_BUSY", detail: who }) : failure
    )
    // The one before us has deleted what we have locked, or the next one has made another.
    if (identity === undefined || (yield* trySync(() => files.identity(lock))) !== identity) {
      if (attempts === 0) return yield* new SystemFailure({ code: "EBUSY", detail: `${lock} comes and goes` })
      return yield* takeLock(lock, file, who, attempts - 1)
    }
    // Before the connection is closed: whoever locks it afterwards finds out.
    yield* Effect.addFinalizer(() => Effect.ignore(trySync(() => files.remove(lock))))
  })
