/** Failures of database and disk, as errors of the API. */
import { HttpApiDecodeError } from "@effect/platform/HttpApiError"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Database from "../../layers/index.ts"
import { DatabaseBusy, makeRoom, NotReady, StorageFull } from "./Api.ts"
import { ContentError } from "./ContentError.ts"

export type Failed = SqlError | ContentError

const isFailed = <E>(error: E): error is Extract<E, Failed> =>
  error instanceof SqlError || error instanceof ContentError

const codeOf = ({ cause }: SqlError): string => (Predicate.hasProperty(cause, "code") ? String(cause.code) : "")

/** Whether another connection's lock was in the way, or another transaction. */
export const isBusy = (error: unknown): boolean =>
  Database.isBusy(error) || (error instanceof SqlError && /^(55P03|40001|40P01)$/.test(codeOf(error)))

export const isFull = (error: unknown): boolean =>
  error instanceof ContentError
    ? error.reason === "Full"
    : Database.isFull(error) || (error instanceof SqlError && codeOf(error) === "53100")

/** Whether SQLite or PostgreSQL says that the database or its disk cannot be used now, or any more. */
const isUnusable = (error: SqlError): boolean =>
  error instanceof Database.WriteError ||
  /^SQLITE_(IOERR|READONLY|CORRUPT|NOTADB|CANTOPEN|PERM|AUTH|NOMEM)/.test(codeOf(error)) ||
  isServerUnusable(error)

/**
 * Classes of SQLSTATE: the line (08), the server's state (25006, 57), what it lacks (53), its disk (58, XX001, XX002),
 * and this user's rights (28, 42501). Or no answer at all: the system has a code for that, or `pg` a sentence.
 */
const isServerUnusable = (error: SqlError): boolean =>
  /^(08|28|53|57|58)...$|^(25006|3D000|42501|XX001|XX002)$|^E[A-Z_]+$/.test(codeOf(error)) ||
  (codeOf(error) === "" && /^(Connection|Client|the connection|timeout)\b/.test(messageOf(error)))

/** What a failure of database or disk becomes. */
export type Answered = DatabaseBusy | HttpApiDecodeError | NotReady | StorageFull

/**
 * A lock passes, and a full disk is an answer of its own. A client can do nothing about a failing disk, a replaced file
 * or a database newer than this program: the log says what is wrong, in one line. Anything else is a defect of this
 * program.
 */
export const withApiErrors = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.catchIf(work, isFailed<E>, (error: Failed): Effect.Effect<never, Answered> => {
    // PostgreSQL has no text with this character, so nothing by such a name can be there.
    if (error instanceof SqlError && codeOf(error) === "22021") {
      return new HttpApiDecodeError({ issues: [], message: "No name or id can have the character U+0000 here." })
    }
    if (isBusy(error)) {
      return new DatabaseBusy({
        retryAfterSeconds: 1,
        message: "Another process is writing to the database."
      })
    }
    if (isFull(error)) return new StorageFull({ message: `The disk is full. ${makeRoom}` })
    const [what, isKnown] = error instanceof SqlError ? ["database", isUnusable(error)] : ["store of contents", true]
    return isKnown
      ? Effect.zipRight(
          Effect.logError(`The ${what} failed a request: ${messageOf(error)}`),
          new NotReady({ retryAfterSeconds: 1, message: `The ${what} cannot be used at this moment.` })
        )
      : Effect.die(error)
  })

const messageOf = (error: Failed): string => {
  const cause = error instanceof SqlError && !(error instanceof Database.WriteError) ? error.cause : error
  return cause instanceof Error ? cause.message : String(cause)
}
