/** A transaction on the rooms' connection. */
import * as Effect from "effect/Effect"
import type { Sqlite, SqliteFailure } from "../Sqlite.ts"

/** The statements at the two ends of a transaction, as they are to be run. */
interface Ends {
  readonly begin: Effect.Effect<unknown, SqliteFailure>
  /** Default: `COMMIT`, whatever SQLite makes of it. */
  readonly commit?: Effect.Effect<unknown, SqliteFailure>
}

/** Commits what succeeds, rolls back what fails, is interrupted or dies. */
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
          Effect.onError(() => rollback(sqlite))
        )
      )
    )
  )

/**
 * SQLite ends the transaction by itself on a full disk, an I/O error and the like, and then refuses
 * ROLLBACK with SQLITE_ERROR because there is none. Any other refusal leaves one open, and the next
 * BEGIN on this connection says so; without one, closing the connection rolls back.
 */
const rollback = (sqlite: Sqlite): Effect.Effect<void> =>
  sqlite.run("ROLLBACK").pipe(
    Effect.catchAll((failure) =>
      failure.code === "SQLITE_ERROR" ? Effect.void : Effect.logWarning(`ROLLBACK: ${failure.code}: ${failure.detail}`)
    ),
    Effect.asVoid
  )
