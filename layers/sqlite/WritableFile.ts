/** The proof that SQLite has a database open for writing. */
import * as Effect from "effect/Effect"
import { type Descriptors, openedAs } from "../machine/OpenFiles.ts"
import { ConnectionError, reasonOf, refusal } from "./ConnectionError.ts"
import { isLock, type Sqlite, type SqliteFailure } from "./Sqlite.ts"

/**
 * SQLite opens what it may not write for reading, without a word, and access(2) does not see all that forbids
 * writing. So the descriptors are looked at: that takes no lock. Where they tell nothing SQLite is asked: it refuses
 * a write to a file that is open for reading before it asks for the lock.
 */
export const writableWith = (
  sqlite: Sqlite,
  { descriptors, file }: { readonly file: string; readonly descriptors: Descriptors }
): Effect.Effect<void, ConnectionError> => {
  const unproven = new Set(["", "-wal", "-shm"].map((suffix) => `${file}${suffix}`))
  const refused = (path: string, facts = { code: "SQLITE_READONLY", detail: "it may not be opened for writing" }) =>
    refusal(path, "ReadOnly", { ...facts, retryable: false })
  return Effect.suspend(() => {
    for (const path of unproven) {
      const found = openedAs(path, descriptors)
      if (found === "readonly") return refused(path)
      if (found === "writable") unproven.delete(path)
      else if (path === file) {
        unproven.delete(path)
        return Effect.catchIf(askToWrite(sqlite), isReadOnly, (failure) => refused(file, failure)).pipe(
          Effect.mapError((failure) =>
            failure instanceof ConnectionError ? failure : refusal(file, reasonOf(failure.code), failure)
          )
        )
      }
    }
    return Effect.void
  })
}

/** A lock that another holds is in the way of those alone who may write. */
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
