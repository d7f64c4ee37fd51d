/** Proves that SQLite has a database open for writing. */
import * as Exit from "effect/Exit"
import { type FreeDescriptors, openedAs } from "../machine/OpenFiles.ts"
import { type ConnectionError, reasonOf, refusal } from "./ConnectionError.ts"
import { answerOr, isLock, type Sqlite, type SqliteFailure } from "./Sqlite.ts"

/**
 * SQLite silently opens a file that it may not write for reading, and access(2) does not see everything that forbids
 * writing. So look at the descriptors: that takes no lock. If they tell nothing, ask SQLite: it refuses to write to a
 * read-only file before it asks for the lock.
 */
export const writableWith = (
  sqlite: Sqlite,
  { descriptors, file }: { readonly file: string; readonly descriptors: FreeDescriptors }
): (() => Exit.Exit<void, ConnectionError>) => {
  const unproven = new Set(["", "-wal", "-shm"].map((suffix) => `${file}${suffix}`))
  const fault = (): ConnectionError | undefined => {
    for (const path of unproven) {
      const found = openedAs(path, descriptors)
      if (found === "readonly") return readOnly(path)
      if (found === "writable") unproven.delete(path)
      else if (path === file) {
        unproven.delete(path)
        return answerOr(
          () => askToWrite(sqlite),
          (failure) => (isReadOnly(failure) ? readOnly(file, failure) : refusal(file, reasonOf(failure.code), failure))
        )
      }
    }
    return undefined
  }
  return () => {
    const found = fault()
    return found === undefined ? Exit.void : Exit.fail(found)
  }
}

const readOnly = (path: string, facts = { code: "SQLITE_READONLY", detail: "it may not be opened for writing" }) =>
  refusal(path, "ReadOnly", { code: facts.code, detail: facts.detail, retryable: false })

/** Busy means writable: SQLite asks for the lock only if it may write. Throws `SqliteFailure`. */
const askToWrite = ({ all }: Sqlite): undefined =>
  answerOr(
    () => {
      all("BEGIN IMMEDIATE")
      all("ROLLBACK")
      return undefined
    },
    (failure) => {
      if (isLock(failure.code)) return undefined
      throw failure
    }
  )

const isReadOnly = ({ code }: SqliteFailure): boolean => code.startsWith("SQLITE_READONLY")
