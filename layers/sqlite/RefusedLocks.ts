/**
 * Whether the system refuses the locks that SQLite needs. SQLite's code is the same as for a lock that another process
 * holds.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import { areFree } from "../machine/FileLocks.ts"
import { files, trySync } from "../machine/files.ts"
import { createExclusively } from "../machine/newFile.ts"
import { isLockFailure, openSqlite } from "./Sqlite.ts"

/**
 * Whether the filesystem gives no lock even on a new file that nobody else knows. SQLite says `SQLITE_BUSY` for ENOLCK,
 * as for a lock that another process holds (`sqliteErrorFromPosixError` in os_unix.c). False if no file can be created.
 */
export const refusesLocks = (file: string): Effect.Effect<boolean> =>
  Effect.orElseSucceed(
    Effect.flatMap(
      trySync(() => `${files.realPath(file)}.locks-${randomUUID()}`),
      (scratch) =>
        Effect.acquireUseRelease(
          createExclusively(scratch),
          () => isNeverLocked(scratch),
          () => Effect.ignore(trySync(() => files.remove(scratch)))
        )
    ),
    () => false
  )

/** More than once, because a signal may interrupt one try. */
const isNeverLocked = (scratch: string): Effect.Effect<boolean> =>
  Effect.every([1, 2, 3], () => isRefused({ filename: scratch }, "BEGIN EXCLUSIVE"))

const isRefused = (options: Parameters<typeof openSqlite>[0], sql: string): Effect.Effect<boolean> =>
  Effect.scoped(Effect.flatMap(openSqlite(options), ({ run }) => run(sql))).pipe(
    Effect.match({ onFailure: ({ code }) => isLockFailure(code), onSuccess: () => false })
  )

/**
 * Whether a database cannot even be read although nobody holds a lock on it. Checked more than once, because another
 * process may hold one for a moment.
 */
export const isLockedByNobody = (file: string): Effect.Effect<boolean> =>
  Effect.orElseSucceed(
    Effect.every([1, 2, 3, 4, 5], () =>
      Effect.flatMap(
        trySync(() => {
          const real = files.realPath(file)
          return areFree([real, `${real}-shm`]) === true ? real : undefined
        }),
        (real) =>
          real === undefined
            ? Effect.succeed(false)
            : isRefused({ filename: real, readonly: true }, "SELECT count(*) FROM sqlite_schema")
      )
    ),
    () => false
  )
