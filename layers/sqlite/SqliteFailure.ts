/** SQLite's errors as values, and what their codes say about another attempt. */
import * as Data from "effect/Data"
import { codeOf, sentenceOf } from "../machine/SystemFailure.ts"

/** SQLite's error. It does not leave the room that asked, which knows what it means there. */
export class SqliteFailure extends Data.TaggedError("SqliteFailure")<{
  /** SQLite's extended result code, e.g. `SQLITE_BUSY_SNAPSHOT` (https://sqlite.org/rescode.html). */
  readonly code: string
  /** SQLite's sentence. */
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }

  /** Whether trying again can help. */
  get retryable(): boolean {
    return isTransient(this.code)
  }

  static from(cause: unknown): SqliteFailure {
    return new SqliteFailure({ code: codeOf(cause) ?? "UNKNOWN", detail: sentenceOf(cause) })
  }
}

/** The answer to a question; where SQLite refuses, what `otherwise` makes of that. Anything else that is thrown is a defect. */
export const answerOr = <A, B>(question: () => A, otherwise: (failure: SqliteFailure) => B): A | B => {
  try {
    return question()
  } catch (thrown) {
    if (thrown instanceof SqliteFailure) return otherwise(thrown)
    throw thrown
  }
}

/**
 * The one place that decides which SQLite codes are worth another attempt (https://sqlite.org/rescode.html): another
 * holder of a lock; a lock that could not be taken; a file beside the database that could not be opened, because
 * another process may just be closing and deleting the WAL. (Missing permissions are checked elsewhere.) A child
 * process that was killed can be started again.
 */
const isTransient = (code: string): boolean =>
  isLockFailure(code) || /^SQLITE_CANTOPEN$|^SIG(HUP|INT|KILL|TERM)$/.test(code)

/** Whether another connection's lock is in the way. */
export const isLock = (code: string): boolean => /^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(code)

/**
 * Whether a lock could not be taken, whatever the cause: SQLite uses both kinds of codes if the system refuses a lock.
 */
export const isLockFailure = (code: string): boolean =>
  isLock(code) || /^SQLITE_IOERR_(LOCK|RDLOCK|UNLOCK|BLOCKED|CHECKRESERVEDLOCK|SHMLOCK)$/.test(code)
