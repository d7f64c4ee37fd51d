/** What a transaction that only reads fails with. */
import { SqlError } from "@effect/sql/SqlError"
import * as Predicate from "effect/Predicate"
import { codeRemedy } from "../start/codeRemedy.ts"
import { type ConnectionError, refusal } from "./ConnectionError.ts"
import { codeReason } from "./codeReason.ts"
import type { PragmaError } from "./PragmaError.ts"
import { SqliteFailure } from "./Sqlite.ts"
import { SqlRefusal } from "./SqlRefusal.ts"

/** Why a `read` fails. */
type ReadReason = ConnectionError["reason"] | PragmaError["reason"] | "WouldWrite" | "Refused"

/**
 * A `read` could not begin or go on. It is a `SqlError`: code that handles the errors of `SqlClient` handles it too. Its
 * `cause` has SQLite's `code`, or is the `ConnectionError` or `PragmaError` for which a connection was not proven.
 */
export class ReadError extends SqlRefusal<ReadReason> {
  /**
   * - `WouldWrite`: a statement in it would write. It did not run.
   * - A reason of `ConnectionError`, such as `Replaced`, or of `PragmaError`: a connection to read on could not be
   *   opened or proven, or the database cannot be read any more.
   * - `Refused`: SQLite failed with a code that has many causes.
   */
  declare readonly reason: ReadReason

  /** @internal A connection to read on could not be opened or proven. */
  static fromRefusal(database: string, cause: ConnectionError | PragmaError): ReadError {
    const { reason, remedy, retryable, sentence } = cause
    const code = cause._tag === "ConnectionError" ? cause.code : ""
    return new ReadError({ cause, reason, sentence, remedy, code, retryable, database })
  }

  /** @internal SQLite did not begin or end the transaction. */
  static fromSqlite(database: string, failure: SqliteFailure): ReadError {
    const { code, detail, retryable } = failure
    const reason = codeReason(code)
    if (reason !== undefined) return ReadError.fromRefusal(database, refusal(database, reason, failure))
    const sentence = `SQLite did not read from ${database} (${code}: ${detail})`
    const remedy = codeRemedy(code) ?? "Fix what SQLite's message names."
    return new ReadError({ cause: failure, reason: "Refused", sentence, remedy, code, retryable, database })
  }

  /** @internal Turns a statement's error into a `ReadError` if it would write, or tells that the database is at fault. */
  static classify<E>(database: string, error: E): E | ReadError {
    if (!(error instanceof SqlError) || !Predicate.hasProperty(error.cause, "code")) return error
    const failure = SqliteFailure.from(error.cause)
    if (failure.code !== "SQLITE_READONLY") {
      return codeReason(failure.code) === undefined ? error : ReadError.fromSqlite(database, failure)
    }
    return new ReadError({
      cause: error.cause,
      reason: "WouldWrite",
      sentence: `A statement inside \`read\` would write to ${database} (${failure.code}: ${failure.detail})`,
      remedy: "Run it inside `write`. It did not run, and nothing was changed.",
      code: failure.code,
      retryable: false,
      database
    })
  }
}
