/** A transaction on the rooms' connection. */
import * as Effect from "effect/Effect"
import { atOnce, isPassed, outcomeOf } from "../edge.ts"
import { answerOr, type Sqlite, type SqliteFailure } from "../Sqlite.ts"

/** How to begin and commit a transaction. */
interface Ends {
  readonly begin: Effect.Effect<unknown, SqliteFailure>
  /** Default: `COMMIT`. */
  readonly commit?: Effect.Effect<unknown, SqliteFailure>
}

/** Commits if the body succeeds; rolls back if it fails, is interrupted or dies. */
export const transaction = <A, E, E2, R>(
  sqlite: Sqlite,
  { begin, commit = sqlite.run("COMMIT") }: Ends,
  refused: (failure: SqliteFailure, step: "begin" | "commit") => E2,
  body: Effect.Effect<A, E, R>
): Effect.Effect<A, E | E2, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.mapError(begin, (failure) => refused(failure, "begin")).pipe(
      Effect.zipRight(
        restore(body).pipe(
          Effect.zipLeft(Effect.mapError(commit, (failure) => refused(failure, "commit"))),
          Effect.onError(() =>
            Effect.suspend(() => {
              const stays = rollBack(sqlite)
              return stays === undefined ? Effect.void : warnOfRollback(stays)
            })
          )
        )
      )
    )
  )

/** `transaction` with the write lock, which begins when it is called: an `Exit` where nothing has to be waited for. */
export const writing = <A, E, E2, R>(
  sqlite: Sqlite,
  refused: (failure: SqliteFailure, step: "begin" | "commit") => E2,
  body: () => Effect.Effect<A, E, R>
): Effect.Effect<A, E | E2, R> => {
  let stays: SqliteFailure | undefined
  const outcome = atOnce(function* () {
    yield* outcomeOf(
      () => sqlite.all("BEGIN IMMEDIATE"),
      (failure) => refused(failure, "begin")
    )
    let isCommitted = false
    try {
      const value = yield* body()
      yield* outcomeOf(
        () => sqlite.all("COMMIT"),
        (failure) => refused(failure, "commit")
      )
      isCommitted = true
      return value
    } finally {
      if (!isCommitted) stays = rollBack(sqlite)
    }
  })
  return isPassed(outcome)
    ? outcome
    : Effect.onError(outcome, () => (stays === undefined ? Effect.void : warnOfRollback(stays)))
}

/**
 * SQLite itself ends the transaction on a full disk, an I/O error and the like. ROLLBACK then fails with SQLITE_ERROR,
 * because there is none. After any other failure the transaction stays open: the next BEGIN on this connection fails,
 * or closing the connection rolls back.
 */
const rollBack = ({ all }: Sqlite): SqliteFailure | undefined =>
  answerOr(
    () => {
      all("ROLLBACK")
      return undefined
    },
    (failure) => (failure.code === "SQLITE_ERROR" ? undefined : failure)
  )

const warnOfRollback = ({ code, detail }: SqliteFailure) => Effect.logWarning(`ROLLBACK: ${code}: ${detail}`)
