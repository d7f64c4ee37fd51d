/** A transaction on the rooms' connection. */
import * as Effect from "effect/Effect"
import type { Sqlite, SqliteFailure } from "../Sqlite.ts"

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
          Effect.onError(() => rollback(sqlite))
        )
      )
    )
  )

/**
 * SQLite itself ends the transaction on a full disk, an I/O error and the like. ROLLBACK then fails with SQLITE_ERROR,
 * because there is none. After any other failure the transaction stays open: the next BEGIN on this connection fails,
 * or closing the connection rolls back.
 */
const rollback = (sqlite: Sqlite): Effect.Effect<void> =>
  sqlite.run("ROLLBACK").pipe(
    Effect.catchAll((failure) =>
      failure.code === "SQLITE_ERROR" ? Effect.void : Effect.logWarning(`ROLLBACK: ${failure.code}: ${failure.detail}`)
    ),
    Effect.asVoid
  )
