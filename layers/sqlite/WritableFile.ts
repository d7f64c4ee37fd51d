/** Proves that SQLite has a database open for writing. */
import * as Effect from "effect/Effect"
import { type Descriptors, openedAs } from "../machine/OpenFiles.ts"
import { ConnectionError, reasonOf, refusal } from "./ConnectionError.ts"
import { isLock, type Sqlite, type SqliteFailure } from "./Sqlite.ts"

/**
 * SQLite silently opens a file that it may not write for reading, and access(2) does not see everything that forbids
 * writing. So look at the descriptors: that takes no lock. If they tell nothing, ask SQLite: it refuses to write to a
 * read-only file before it asks for the lock.
 */
export const writableWith = (
  sqlite: Sqlite,
  { descriptors, file }: { readonly file: string; readonly descriptors: Descriptors }
): Effect.Effect<void, ConnectionError> => {
  const unproven = new Set(["", "-wal", "-shm"].map((suffix) => `${file}${suffix}`))
  const refuseReadOnly = (
    path: string,
    facts = { code: "SQLITE_READONLY", detail: "it may not be opened for writing" }
  ) => refusal(path, "ReadOnly", { ...facts, retryable: false })
  return Effect.suspend(() => {
    for (const path of unproven) {
      const found = openedAs(path, descriptors)
      if (found === "readonly") return refuseReadOnly(path)
      if (found === "writable") unproven.delete(path)
      else if (path === file) {
        unproven.delete(path)
        return Effect.catchIf(askToWrite(sqlite), isReadOnly, (failure) => refuseReadOnly(file, failure)).pipe(
          Effect.mapError((failure) =>
            failure instanceof ConnectionError ? failure : refusal(file, reasonOf(failure.code), failure)
          )
        )
      }
    }
    return Effect.void
  })
}

/** Busy means writable: SQLite asks for the lock only if it may write. */
const askToWrite = (sqlite: Sqlite): Effect.Effect<void, SqliteFailure> =>
  sqlite.run("BEGIN IMMEDIATE").pipe(
    Effect.zipRight(sqlite.run("ROLLBACK")),
    Effect.catchIf(
      ({ code }) => isLock(code),
      () => Effect.void
    ),
    Effect.asVoid
  )

const isReadOnly = ({ code }: SqliteFailure): boolean => code.startsWith("SQLITE_READONLY")
